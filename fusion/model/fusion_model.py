"""FusionModel: encoders, heads, standardisers and targets in one folder; load and predict."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from encoders.asr.transcript import normalise
from encoders.audio.reading import read_segment
from encoders.audio.waveform import Audio
from encoders.embedding import embed
from encoders.extraction import SharedEncoder, shared_encoders
from encoders.files import sealed, write_atomically
from encoders.messages import printable
from encoders.pooling import for_head
from encoders.specs import Modality, Spec, spec_from_json
from encoders.store import Embedding
from encoders.utterance import Task
from fusion.bundled import BUNDLED, DEMO
from fusion.evaluation.backoff import Answer, Backoff, LevelRule, fit_levels
from fusion.evaluation.calibration import Abstention, DevAnswers, tempered
from fusion.evaluation.conformal import PredictionSets, fit_sets
from fusion.evaluation.emotions import Level
from fusion.model.card import model_card, sureness_lines
from fusion.model.json import (
    FORMAT_VERSION,
    hashes,
    levels_of,
    number_of,
    read_about,
    sets_of,
    targets_of,
)
from fusion.model.origin import Origin, origin_of
from fusion.model.outputs import OF_CLASSES, OutputType
from fusion.model.part import FusedPrediction, HeadEnsemble, part_as_json, part_from_json
from fusion.model.seen import FILE as SEEN, Seen
from fusion.training.combination import Combination, combination_of
from fusion.training.late import independent
from fusion.training.normalise import Baseline, Normaliser, normaliser_of

#: What reading raises of a model whose numbers nobody has written.
DAMAGE: tuple[type[Exception], ...] = (
    *(SafetensorError, RuntimeError, LookupError, TypeError, AttributeError, OSError),
    *(ArithmeticError, MemoryError, AssertionError, UserWarning),
)

__all__ = ["FORMAT_VERSION", "FusionModel", "HeadEnsemble", "folder_of", "late_model"]


@dataclass(frozen=True, slots=True)
class FusionModel:
    """A trained arm with everything that prediction needs.

    ``modalities`` has the encoder of each input; it is empty for a model of precomputed features.
    Two parts that learned from the same rows have a ``combination``; without it they learned from
    different rows, with every class counting alike, and are combined as independent evidence. A
    part whose inputs are all missing says nothing: then the other speaks alone.

    ``temperature`` and ``abstention`` were fitted on development speakers; without the latter every
    utterance is given a class. So were ``levels``, the rules of coarser answers with that of the
    class, and ``sets``; a model that was made before these were kept has none. ``seen`` is whom it
    was trained on, None where no record was kept. A ``normaliser`` standardises utterances by
    others of their speaker, recording or corpus, where their baseline is given; one of which
    nothing else is known, by training rows.
    """

    arm: str
    targets: tuple[str, ...]
    modalities: Mapping[str, Modality]
    parts: tuple[HeadEnsemble, ...]
    combination: Combination | None = None
    temperature: float = 1.0
    abstention: Abstention | None = None
    levels: tuple[LevelRule, ...] = ()
    sets: PredictionSets | None = None
    origin: Origin = field(default_factory=Origin)
    outputs: OutputType = OF_CLASSES
    seen: Seen | None = field(default=None, repr=False)
    normaliser: Normaliser | None = field(default=None, repr=False)
    _encoders: tuple[SharedEncoder, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Kept with the model: each is loaded by the first prediction that needs it.
        encoders = shared_encoders(modality.encoder for modality in self.modalities.values())
        object.__setattr__(self, "_encoders", encoders)

    @property
    def task(self) -> Task:
        """What kind of targets it was trained on."""
        return self.outputs.task

    @property
    def meaning(self) -> str:
        """What the numbers of :meth:`predict` mean, in a sentence."""
        return self.outputs.meaning(self.targets)

    def labels(self, answers: Mapping[str, float]) -> tuple[str, ...]:
        """The labels that probabilities of :meth:`predict` name, of a model of sets of labels."""
        return self.outputs.named(self.targets, answers)

    def calibrated(self, dev: DevAnswers) -> "FusionModel":
        """This model with everything that answers to development rows say of how sure it is."""
        temperature = dev.fit_temperature()
        sure = tempered(dev.answers, temperature)
        return replace(
            self,
            temperature=temperature,
            abstention=dev.abstention(temperature),
            levels=fit_levels(sure, dev.truth, self.targets, dev.speakers),
            sets=fit_sets(sure, dev.truth, dev.speakers),
        )

    def backoff(self, abstain: float | None = None) -> Backoff:
        """What makes one answer of probabilities: a class, or what is coarser.

        No class is named below ``abstain`` [``abstention.threshold``]; coarser levels keep their
        own thresholds.
        """
        if abstain is None:
            abstain = 0.0 if self.abstention is None else self.abstention.threshold
        coarser: dict[Level, float] = {
            rule.level: rule.threshold for rule in self.levels if rule.level != "class"
        }
        return Backoff(self.targets, {"class": abstain, **coarser})

    def answer(self, probabilities: Mapping[str, float]) -> Answer | None:
        """The finest answer that probabilities of :meth:`predict` allow, or None.

        Raises:
            ValueError: the model does not name one class: it gives a set of labels, or values.
        """
        self._check_names_classes()
        return self.backoff().answer([probabilities[target] for target in self.targets])

    def decide(self, probabilities: Mapping[str, float]) -> str | None:
        """The class that probabilities of :meth:`predict` name; None where they are too unsure.

        Below ``abstention.threshold`` nothing is named.

        Raises:
            ValueError: the model does not name one class: it gives a set of labels, or values.
        """
        self._check_names_classes()
        best = max(probabilities, key=lambda target: probabilities[target])
        unsure = self.abstention is not None and probabilities[best] < self.abstention.threshold
        return None if unsure else best

    def _check_names_classes(self) -> None:
        if self.task in ("multi-label", "regression"):
            instead = "labels(answers)" if self.task == "multi-label" else "the values themselves"
            raise ValueError(f"a model of {self.task} targets names no class: use {instead}")

    def predict(
        self, audio: Audio | Path | str | None, text: str | None = None
    ) -> dict[str, float]:
        """What the model says of each target for an utterance, from voice, words or both.

        Calibrated probabilities of classes, of which :meth:`decide` makes one or none; or what
        :attr:`meaning` says. A model with a ``normaliser`` hears it alone, by training statistics.

        Raises:
            ValueError: neither is given, or the model was trained on precomputed features.
        """
        words = normalise(text)
        if not self.modalities:
            raise ValueError("this model reads precomputed features: use predict_embeddings")
        if audio is None and words is None:
            raise ValueError("expected audio, text or both")
        heard = read_segment(Path(audio)) if isinstance(audio, str | Path) else audio
        stored: dict[Spec, Embedding] = {}
        for shared in self._encoders:
            content = heard if shared.kind == "audio" else words
            if content is not None:
                stored |= embed(shared.encoder, [content], shared.specs)[0]
        return self.predict_embeddings(inputs_of(self.modalities, stored))

    def predict_embeddings(
        self, inputs: Mapping[str, Tensor | None], baseline: Baseline | None = None
    ) -> dict[str, float]:
        """The same from embeddings by input name, None where one is missing.

        ``[1, dim]`` of ``audio`` and ``text``, pooled over time as the encoder's ``pooling`` says,
        ``[frames, dim]`` of ``audio_frames`` and ``text_tokens``.

        Raises:
            ValueError: no input is there that the model reads.
        """
        fused = self.verdict(inputs, baseline).fused
        return dict(zip(self.targets, map(float, fused), strict=True))

    def baseline(self, utterances: Sequence[Mapping[str, Tensor | None]]) -> Baseline | None:
        """What standardises utterances of one group; None where training rows do."""
        return None if self.normaliser is None else self.normaliser.baseline(utterances)

    def verdict(
        self, inputs: Mapping[str, Tensor | None], baseline: Baseline | None = None
    ) -> FusedPrediction:
        """What all inputs say, and what each says alone, where some heads read it alone.

        ``baseline`` is that of the utterance's group.

        Raises:
            ValueError: no input is there that the model reads.
        """
        there = [part for part in self.parts if part.hears(inputs)]
        if not there:
            known = ", ".join(dict.fromkeys(name for part in self.parts for name in part.inputs))
            came = ", ".join(printable(n) for n, given in inputs.items() if given is not None)
            raise ValueError(f"this model reads {known}: expected some of it, got {came or 'none'}")
        if self.normaliser is not None:
            inputs = self.normaliser(inputs, baseline)
        alone = {part.inputs[0]: part.alone(inputs) for part in there if len(part.inputs) == 1}
        if len(self.parts) > 1 and len(there) == 1:
            # Decision-level fusion of one decision is that decision: the heads of the other
            # modality never learned what to say of nothing.
            return FusedPrediction(there[0].alone(inputs), alone)
        fused = tempered(self._fused(inputs), self.temperature)
        return FusedPrediction(fused, alone if len(self.parts) > 1 else dict.fromkeys(alone, fused))

    def _fused(self, inputs: Mapping[str, Tensor | None]) -> Float[np.ndarray, "targets"]:
        if len(self.parts) == 1:
            return self.parts[0].scores(inputs)[0]
        if self.combination is None:
            return independent([part.alone(inputs) for part in self.parts])
        audio, text = (part.scores(inputs)[0] for part in self.parts)
        return self.combination(self.task, audio, text)

    def save(self, folder: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write ``model.json``, ``heads.safetensors``, ``seen.json`` and a model card.

        ``dtype`` float16 halves the learned weights; what is loaded computes with float32 all the
        same. Standardisers stay as they are: a small deviation would become 0 there.
        """
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            f"{number}.{index}.{name}": values.to(dtype).contiguous()
            for number, part in enumerate(self.parts)
            for index, head in enumerate(part.heads)
            for name, values in head.named_parameters()
        }
        tensors |= {
            f"{number}.{index}.{name}": values.contiguous()
            for number, part in enumerate(self.parts)
            for index, head in enumerate(part.heads)
            for name, values in head.named_buffers()
        }
        if self.normaliser is not None:
            tensors |= self.normaliser.tensors
        write_atomically(folder / "heads.safetensors", save(tensors))
        (folder / SEEN).unlink(missing_ok=True)
        if self.seen is not None:
            self.seen.write(folder)
        about = json.dumps(sealed({**self._about(), "files": hashes(folder)}), indent=2)
        write_atomically(folder / "model.json", about.encode())
        sureness = sureness_lines(self.temperature, self.abstention, self.levels, self.sets)
        card = model_card(
            self.arm,
            self.targets,
            self.modalities,
            self.origin,
            self.outputs,
            sureness,
            None if self.normaliser is None else self.normaliser.by,
        )
        write_atomically(folder / "README.md", card.encode())

    @classmethod
    def load(cls, folder: Path | str) -> "FusionModel":
        """Read a model folder, or ``"demo"``: the model that ships with the package.

        Raises:
            ValueError: the folder is no model, of another format, or not as it was written.
        """
        folder = folder_of(folder)
        about, seen = read_about(folder), Seen.read(folder)
        try:
            with warnings.catch_warnings():
                # Torch's of layers without values, which no model has.
                warnings.simplefilter("error", UserWarning)
                read = cls._read(about, load_file(folder / "heads.safetensors"))
        except DAMAGE as error:
            raise ValueError(
                f"{folder}: heads.safetensors and model.json are not of one whole model "
                f"({type(error).__name__}: {printable(error)[:200]}); take the folder as "
                "it was written"
            ) from error
        except ValueError as error:
            raise ValueError(
                f"{folder / 'model.json'}: {printable(error)[:300]}; take the folder as it was "
                "written"
            ) from error
        return replace(read, seen=seen)

    @classmethod
    def _read(cls, about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> "FusionModel":
        targets = targets_of(about["targets"])
        stored = about.get("outputs")
        outputs = OF_CLASSES if stored is None else OutputType.read(stored, len(targets))
        parts = tuple(
            part_from_json(number, fields, tensors, len(targets), outputs.task)
            for number, fields in enumerate(about["parts"])
        )
        combination = _combination(about["combination"], len(targets))
        names = [name for part in parts for name in part.inputs]
        normaliser, heads = normaliser_of(about.get("normalise"), names, tensors)
        _check_parts(parts, combination, heads)
        return cls(
            arm=about["arm"],
            targets=targets,
            modalities={name: _modality(m) for name, m in about["modalities"].items()},
            parts=parts,
            combination=combination,
            temperature=number_of(about, "temperature", above=0.0),
            abstention=_abstention(about["abstention"]),
            levels=levels_of(about.get("levels", [])),
            sets=sets_of(about.get("sets")),
            origin=origin_of(about["origin"]),
            outputs=outputs,
            normaliser=normaliser,
        )

    def _about(self) -> dict[str, Any]:
        return {
            "format": FORMAT_VERSION,
            "arm": self.arm,
            "targets": self.targets,
            "modalities": {name: asdict(m) for name, m in self.modalities.items()},
            "parts": [part_as_json(part) for part in self.parts],
            "combination": asdict(self.combination) if self.combination else None,
            "temperature": self.temperature,
            "abstention": asdict(self.abstention) if self.abstention else None,
            "levels": [asdict(rule) for rule in self.levels],
            "sets": asdict(self.sets) if self.sets else None,
            "origin": asdict(self.origin),
            "outputs": asdict(self.outputs),
            **({} if self.normaliser is None else {"normalise": self.normaliser.about}),
        }


def folder_of(model: Path | str) -> Path:
    """Folder of a model that a user names; the word ``demo`` names the one that ships.

    A path always names a folder, and so does ``./demo``.

    Raises:
        ValueError: the word could mean a model in the working directory too.
    """
    if model != BUNDLED:
        return Path(model)
    if (Path(BUNDLED) / "model.json").is_file():
        raise ValueError(
            f"{BUNDLED}: the model that ships with the package, or the folder of that name here? "
            f"Say ./{BUNDLED} for the folder, or go elsewhere for the other"
        )
    return DEMO


def inputs_of(
    modalities: Mapping[str, Modality], stored: Mapping[Spec, Embedding]
) -> dict[str, Tensor | None]:
    """What heads read, by input name, of what is stored under each encoder's spec."""
    embeddings = {name: stored.get(modality.encoder) for name, modality in modalities.items()}
    return {
        name: None
        if embedding is None
        else for_head(torch.from_numpy(embedding.values), modalities[name], embedding.frame_count)
        for name, embedding in embeddings.items()
    }


def _modality(fields: Mapping[str, Any]) -> Modality:
    known = {**fields, "encoder": spec_from_json(fields["encoder"])}
    # Older models name a source of transcripts here, which was a default and never the run's own.
    known.pop("transcript", None)
    return Modality(**known)


def _abstention(fields: Mapping[str, Any] | None) -> Abstention | None:
    if fields is None:
        return None
    numbers = {
        name: number_of(fields, name) for name in ("threshold", "target", "accuracy", "coverage")
    }
    return Abstention(**numbers, reached=bool(fields["reached"]))


def _check_parts(
    parts: tuple[HeadEnsemble, ...], combination: Combination | None, tensors: Mapping[str, Tensor]
) -> None:
    """Every head that lies in the file is one that the model has, and a combination has two sides.

    Raises:
        ValueError: a part or a head was dropped, or added.
    """
    expected = {
        f"{number}.{k}" for number, part in enumerate(parts) for k in range(len(part.heads))
    }
    stored = {".".join(name.split(".", 2)[:2]) for name in tensors}
    if expected != stored:
        raise ValueError(f"parts name {len(expected)} heads, heads.safetensors has {len(stored)}")
    if combination is not None and len(parts) != 2:
        raise ValueError(f"combination: expected two parts to combine, got {len(parts)}")


def _combination(fields: Mapping[str, Any] | None, targets: int) -> Combination | None:
    return None if fields is None else combination_of(fields, targets)


def late_model(
    targets: Sequence[str],
    modalities: Mapping[str, Modality],
    parts: Sequence[HeadEnsemble],
    combination: Combination | None,
    arm: str = "late",
) -> FusionModel:
    """Decision-level fusion of audio and text heads, in this order; see :class:`FusionModel`."""
    return FusionModel(arm, tuple(targets), modalities, tuple(parts), combination)

"""FusionModel: encoders, heads, standardisers and targets in one folder; load and predict."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save
from torch import Tensor

from encoders.asr.recognisers import normalise
from encoders.audio import Audio, read_segment
from encoders.embedding import embed
from encoders.encoder import load_encoder
from encoders.pooling import for_head
from encoders.specs import Modality, spec_from_json
from encoders.store import write_atomically
from encoders.utterance import Task
from fusion.arms import ARMS, FittedArm
from fusion.batch import collate
from fusion.calibration import Abstention, fit_abstention, fit_temperature, tempered
from fusion.escaping import plain
from fusion.late import combine_for
from fusion.model_card import card
from fusion.networks.head import Head, HeadKind, Hyperparameters, InputShape
from fusion.networks.heads import HEADS
from fusion.networks.losses import answers
from fusion.outputs import OF_CLASSES, Outputs
from fusion.train import PATCHES

#: 2: a temperature and an abstention threshold. 3: the same, of targets that are no single class.
FORMAT_VERSION, FORMAT_OF_OTHERS = 2, 3


@dataclass(frozen=True, slots=True)
class Part:
    """Heads of one kind that read the same inputs; their probabilities are averaged."""

    kind: HeadKind
    inputs: tuple[str, ...]
    dims: tuple[int, ...]
    layers: tuple[int, ...]
    hyperparameters: Hyperparameters
    heads: tuple[Head, ...]
    task: Task = "single-label"

    @classmethod
    def of(cls, fitted: FittedArm) -> "Part":
        """The heads of a fitted arm."""
        assert fitted.arm.head != "late"
        assert fitted.arm.head != "published"
        heads = tuple(one.head for one in fitted.heads)
        dims = tuple(heads[0].standardizer(k).mean.numel() for k in range(len(fitted.arm.inputs)))
        layers, hyper = heads[0].layers, fitted.hyperparameters
        task = fitted.heads[0].task
        return cls(fitted.arm.head, fitted.arm.inputs, dims, layers, hyper, heads, task)

    def scores(self, inputs: Mapping[str, Tensor | None]) -> Float[np.ndarray, "1 targets"]:
        """What the heads say of one utterance, mean; an input that is None counts as missing."""
        tensors = [inputs.get(name) for name in self.inputs]
        empty = [torch.zeros(1, dim) for dim in self.dims]
        batches = []
        for tensor, blank in zip(tensors, empty, strict=True):
            # A second row fixes the width where the modality is missing.
            batches.append(collate([tensor, blank]).rows(torch.tensor([0])))
        with torch.inference_mode():
            every = torch.stack([answers(head(batches), self.task) for head in self.heads])
        return every.double().mean(dim=0).numpy()


@dataclass(frozen=True, slots=True)
class FusionModel:
    """A trained arm with everything that prediction needs.

    ``modalities`` has the encoder of each input; it is empty for a model of precomputed features.
    ``temperature`` and ``abstention`` were fitted on development speakers; without the latter every
    utterance is given a class.
    """

    arm: str
    targets: tuple[str, ...]
    modalities: Mapping[str, Modality]
    parts: tuple[Part, ...]
    audio_weight: float | None = None
    temperature: float = 1.0
    abstention: Abstention | None = None
    outputs: Outputs = OF_CLASSES

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

    def calibrated(
        self, scores: Float[np.ndarray, "rows targets"], truth: Int[np.ndarray, "rows"]
    ) -> "FusionModel":
        """This model with temperature and abstention fitted on scores of development rows."""
        temperature = fit_temperature(scores[None], truth)
        sure = tempered(scores, temperature)
        abstention = fit_abstention(sure.max(axis=1), sure.argmax(axis=1) == truth)
        return replace(self, temperature=temperature, abstention=abstention)

    def decide(self, probabilities: Mapping[str, float]) -> str | None:
        """The class that probabilities of :meth:`predict` name; None where they are too unsure.

        Below ``abstention.threshold`` nothing is named.

        Raises:
            ValueError: the model does not name one class: it gives a set of labels, or values.
        """
        if self.task in ("multi-label", "regression"):
            instead = "labels(answers)" if self.task == "multi-label" else "the values themselves"
            raise ValueError(f"a model of {self.task} targets names no class: use {instead}")
        best = max(probabilities, key=lambda target: probabilities[target])
        unsure = self.abstention is not None and probabilities[best] < self.abstention.threshold
        return None if unsure else best

    def predict(
        self, audio: Audio | Path | str | None, text: str | None = None
    ) -> dict[str, float]:
        """What the model says of each target for an utterance, from voice, words or both.

        Calibrated probabilities of classes, of which :meth:`decide` makes one or none; or what
        :attr:`meaning` says.

        Raises:
            ValueError: neither is given, or the model was trained on precomputed features.
        """
        words = normalise(text)
        if not self.modalities:
            raise ValueError("this model reads precomputed features: use predict_embeddings")
        if audio is None and words is None:
            raise ValueError("expected audio, text or both")
        heard = read_segment(Path(audio)) if isinstance(audio, str | Path) else audio
        content = {"audio": heard, "text": words}
        inputs = {
            name: _embed(modality, content[modality.name])
            for name, modality in self.modalities.items()
        }
        return self.predict_embeddings(inputs)

    def predict_embeddings(self, inputs: Mapping[str, Tensor | None]) -> dict[str, float]:
        """The same from embeddings ``[frames, dim]`` by input name."""
        scores = [part.scores(inputs) for part in self.parts]
        if self.audio_weight is None:
            final = scores[0]
        else:
            pair = scores[0][None], scores[1][None]
            final = combine_for(self.task, *pair, self.audio_weight)[0]
        return dict(
            zip(self.targets, map(float, tempered(final[0], self.temperature)), strict=True)
        )

    def save(self, folder: Path) -> None:
        """Write ``model.json``, ``heads.safetensors`` and a model card."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            f"{number}.{index}.{name}": values.contiguous()
            for number, part in enumerate(self.parts)
            for index, head in enumerate(part.heads)
            for name, values in head.state_dict().items()
        }
        write_atomically(folder / "heads.safetensors", save(tensors))
        about = json.dumps(self._about(), indent=2)
        write_atomically(folder / "model.json", about.encode())
        write_atomically(folder / "README.md", card(self).encode())

    @classmethod
    def load(cls, folder: Path | str) -> "FusionModel":
        """Read a model folder.

        Raises:
            ValueError: the folder is no model, or of another format.
        """
        folder = Path(folder)
        if not (folder / "model.json").is_file():
            raise ValueError(f"{folder}: no model (expected model.json and heads.safetensors)")
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        if about.get("format") not in (FORMAT_VERSION, FORMAT_OF_OTHERS):
            raise ValueError(
                f"{folder}: a model of format {plain(about.get('format'))}, but this version reads "
                f"format {FORMAT_VERSION} (with a temperature and an abstention threshold); train "
                "it again: serfusion compare on the same corpus leaves a model of this format"
            )
        tensors = load_file(folder / "heads.safetensors")
        targets = tuple(about["targets"])
        stored = about.get("outputs")
        outputs = OF_CLASSES if stored is None else Outputs.read(stored, len(targets))
        return cls(
            arm=about["arm"],
            targets=targets,
            modalities={name: _modality(m) for name, m in about["modalities"].items()},
            parts=tuple(
                replace(_part(number, one, tensors, len(targets)), task=outputs.task)
                for number, one in enumerate(about["parts"])
            ),
            audio_weight=about["audio_weight"],
            temperature=float(about["temperature"]),
            abstention=_abstention(about["abstention"]),
            outputs=outputs,
        )

    def _about(self) -> dict[str, Any]:
        parts = [
            {
                "kind": part.kind,
                "inputs": part.inputs,
                "dims": part.dims,
                "layers": part.layers,
                "hyperparameters": asdict(part.hyperparameters),
                "heads": len(part.heads),
            }
            for part in self.parts
        ]
        others = {} if self.task == "single-label" else {"outputs": asdict(self.outputs)}
        return {
            "format": FORMAT_OF_OTHERS if others else FORMAT_VERSION,
            "arm": self.arm,
            "targets": self.targets,
            "modalities": {name: asdict(m) for name, m in self.modalities.items()},
            "parts": parts,
            "audio_weight": self.audio_weight,
            "temperature": self.temperature,
            "abstention": asdict(self.abstention) if self.abstention else None,
            **others,
        }


def _embed(modality: Modality, content: Audio | str | None) -> Tensor | None:
    if content is None:
        return None
    stored = embed(load_encoder(modality.encoder), [content], [modality.encoder])[0]
    found = stored[modality.encoder]
    return for_head(torch.from_numpy(found.values), modality, found.frame_count)


def _modality(fields: Mapping[str, Any]) -> Modality:
    return Modality(**{**fields, "encoder": spec_from_json(fields["encoder"])})


def _abstention(fields: Mapping[str, Any] | None) -> Abstention | None:
    if fields is None:
        return None
    numbers = {
        name: float(fields[name]) for name in ("threshold", "target", "accuracy", "coverage")
    }
    return Abstention(**numbers, reached=bool(fields["reached"]))


def _part(
    number: int, about: Mapping[str, Any], tensors: Mapping[str, Tensor], classes: int
) -> Part:
    hyper = Hyperparameters(**about["hyperparameters"])
    inputs, dims = tuple(about["inputs"]), tuple(about["dims"])
    layers = tuple(about.get("layers", [1] * len(inputs)))
    shapes = [
        InputShape(dim // count, PATCHES.get(name, 1), count)
        for name, dim, count in zip(inputs, dims, layers, strict=True)
    ]
    heads = []
    for index in range(about["heads"]):
        prefix = f"{number}.{index}."
        state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        head = HEADS[about["kind"]](shapes, classes, hyper)
        head.load_state_dict(state)
        heads.append(head.eval())
    return Part(about["kind"], inputs, dims, layers, hyper, tuple(heads))


def late_model(
    targets: Sequence[str],
    modalities: Mapping[str, Modality],
    pair: Sequence[FittedArm],
    audio_weight: float,
) -> FusionModel:
    """Decision-level fusion of the audio and the text arm, in this order."""
    parts = tuple(Part.of(fitted) for fitted in pair)
    return FusionModel(ARMS["late"].name, tuple(targets), modalities, parts, audio_weight)

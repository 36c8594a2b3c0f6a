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
from fusion.arms import ARMS, FittedArm
from fusion.batch import collate
from fusion.calibration import Abstention, fit_abstention, fit_temperature, tempered
from fusion.escaping import escape_markdown, plain
from fusion.late import combine
from fusion.networks.head import Head, HeadKind, Hyperparameters, InputShape
from fusion.networks.heads import HEADS
from fusion.train import PATCHES

#: 2: a temperature and an abstention threshold.
FORMAT_VERSION = 2


@dataclass(frozen=True, slots=True)
class Part:
    """Heads of one kind that read the same inputs; their probabilities are averaged."""

    kind: HeadKind
    inputs: tuple[str, ...]
    dims: tuple[int, ...]
    layers: tuple[int, ...]
    hyperparameters: Hyperparameters
    heads: tuple[Head, ...]

    @classmethod
    def of(cls, fitted: FittedArm) -> "Part":
        """The heads of a fitted arm."""
        assert fitted.arm.head != "late"
        assert fitted.arm.head != "published"
        heads = tuple(one.head for one in fitted.heads)
        dims = tuple(heads[0].standardizer(k).mean.numel() for k in range(len(fitted.arm.inputs)))
        layers, hyper = heads[0].layers, fitted.hyperparameters
        return cls(fitted.arm.head, fitted.arm.inputs, dims, layers, hyper, heads)

    def scores(self, inputs: Mapping[str, Tensor | None]) -> Float[np.ndarray, "1 targets"]:
        """Class probabilities of one utterance; an input that is None counts as missing."""
        tensors = [inputs.get(name) for name in self.inputs]
        empty = [torch.zeros(1, dim) for dim in self.dims]
        batches = []
        for tensor, blank in zip(tensors, empty, strict=True):
            # A second row fixes the width where the modality is missing.
            batches.append(collate([tensor, blank]).rows(torch.tensor([0])))
        with torch.inference_mode():
            every = torch.stack([head(batches).softmax(dim=1) for head in self.heads])
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
        """
        best = max(probabilities, key=lambda target: probabilities[target])
        unsure = self.abstention is not None and probabilities[best] < self.abstention.threshold
        return None if unsure else best

    def predict(
        self, audio: Audio | Path | str | None, text: str | None = None
    ) -> dict[str, float]:
        """Calibrated probability of each target for an utterance, from voice, words or both.

        :meth:`decide` makes a class of them, or none.

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
        """Calibrated probability of each target from embeddings ``[frames, dim]`` by input name."""
        scores = [part.scores(inputs) for part in self.parts]
        if self.audio_weight is None:
            final = scores[0]
        else:
            final = combine(scores[0][None], scores[1][None], self.audio_weight)[0]
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
        write_atomically(folder / "README.md", self._card().encode())

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
        if about.get("format") != FORMAT_VERSION:
            raise ValueError(
                f"{folder}: a model of format {plain(about.get('format'))}, but this version reads "
                f"format {FORMAT_VERSION} (with a temperature and an abstention threshold); train "
                "it again: serfusion compare on the same corpus leaves a model of this format"
            )
        tensors = load_file(folder / "heads.safetensors")
        targets = tuple(about["targets"])
        return cls(
            arm=about["arm"],
            targets=targets,
            modalities={name: _modality(m) for name, m in about["modalities"].items()},
            parts=tuple(
                _part(number, one, tensors, len(targets))
                for number, one in enumerate(about["parts"])
            ),
            audio_weight=about["audio_weight"],
            temperature=float(about["temperature"]),
            abstention=_abstention(about["abstention"]),
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
        return {
            "format": FORMAT_VERSION,
            "arm": self.arm,
            "targets": self.targets,
            "modalities": {name: asdict(m) for name, m in self.modalities.items()},
            "parts": parts,
            "audio_weight": self.audio_weight,
            "temperature": self.temperature,
            "abstention": asdict(self.abstention) if self.abstention else None,
        }

    def _card(self) -> str:
        # Classes and checkpoints are what somebody typed: text here, never markup.
        say = escape_markdown
        encoders = [
            f"- {say(name)}: {say(getattr(m.encoder, 'checkpoint', m.encoder.family))}"
            for name, m in self.modalities.items()
        ] or ["- precomputed features"]
        lines = [
            f"# {say(self.arm)} ({', '.join(map(say, self.targets))})",
            "A head on frozen encoders, trained by serfusion on every speaker of its corpus.",
            "What it is worth on unseen speakers is in results.json of the run beside it.",
            *encoders,
            *self._calibration(),
            "Load it with `FusionModel.load(folder)`; `predict(audio, text)` gives probabilities, "
            "`decide(probabilities)` a class or None.",
        ]
        return "\n\n".join(lines[:3]) + "\n\n" + "\n".join(lines[3:]) + "\n"

    def _calibration(self) -> list[str]:
        one = self.abstention
        if one is None:
            return ["- not calibrated; a class is always named"]
        kept = f"{one.coverage:.0%} of development utterances, {one.accuracy:.0%} of them right"
        asked = "" if one.reached else f" ({one.target:.0%} was asked for and could not be had)"
        return [
            f"- temperature {self.temperature:g}, fitted on development speakers",
            f"- no class below a probability of {one.threshold:.2f}, which leaves {kept}{asked}",
        ]


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

"""A tiny model that hears and reads, and a talk between two synthetic voices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import REPOSITORY

VOICES = REPOSITORY / "experiments" / "demo_corpus" / "voices"
TARGETS = ("angry", "calm", "sad")
RATE = 16000


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, text_checkpoint) -> Callable[..., Path]:
    """Folder of a model by its arm: late, concat, audio or text, with random heads."""
    root = tmp_path_factory.mktemp("models")

    def build(arm: str = "late", scale: float = 1.0, **fields) -> Path:
        import torch

        from encoders.typed_names import parse_modality
        from fusion.model.fusion_model import FusionModel, HeadEnsemble
        from fusion.networks.head import InputShape
        from fusion.networks.heads import HEADS
        from fusion.training.combination import Combination

        folder = root / f"{arm}-{scale:g}-{len(str(fields))}-{'-'.join(fields)}"
        if folder.exists():
            return folder
        inputs = {
            "audio": (parse_modality("logmel", "audio"), 480),
            "text": (parse_modality(str(text_checkpoint("bert")), "text"), 32),
        }

        def part(*names: str) -> HeadEnsemble:
            dims = tuple(inputs[name][1] for name in names)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(1)
                shapes = [InputShape(dim, 1, 1) for dim in dims]
                head = HEADS["mlp"].network(shapes, len(TARGETS), HEADS["mlp"].defaults).eval()
                for values in head.parameters():
                    values.data.mul_(scale)
            return HeadEnsemble(
                "mlp", names, dims, (1,) * len(dims), HEADS["mlp"].defaults, (head,)
            )

        names = {"audio": ("audio",), "text": ("text",)}.get(arm, ("audio", "text"))
        parts = (part("audio"), part("text")) if arm == "late" else (part(*names),)
        even = Combination.weighted("single-label", (0.5,)) if arm == "late" else None
        modalities = {name: inputs[name][0] for name in names}
        FusionModel(arm, TARGETS, modalities, parts, even, **fields).save(folder)
        return folder

    return build


@pytest.fixture(scope="session")
def talk(tmp_path_factory) -> Path:
    """Twelve seconds: anna for four, a pause, ben for four, a pause, anna again."""
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(path, talk_samples(), RATE)
    return path


@pytest.fixture
def turns(tmp_path) -> Path:
    """Who speaks in the talk, as RTTM."""
    rows = [(0.0, 4.0, "anna"), (5.0, 9.0, "ben"), (10.0, 12.0, "anna")]
    lines = [
        f"SPEAKER talk 1 {start:.3f} {end - start:.3f} <NA> <NA> {name} <NA> <NA>\n"
        for start, end, name in rows
    ]
    (tmp_path / "talk.rttm").write_text("".join(lines), encoding="utf-8")
    return tmp_path / "talk.rttm"


def talk_samples() -> np.ndarray:
    anna, ben = (voice(name) for name in ("anna", "ben"))
    pause = np.zeros(RATE, np.float32)
    return np.concatenate(
        [anna[: 4 * RATE], pause, ben[: 4 * RATE], pause, anna[4 * RATE : 6 * RATE]]
    )


def voice(name: str) -> np.ndarray:
    from encoders.audio.reading import read_segment
    from encoders.audio.waveform import resample

    return resample(read_segment(VOICES / f"{name}.ogg", 0.0, 8.0), RATE).samples

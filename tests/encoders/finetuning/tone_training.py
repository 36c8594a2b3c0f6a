"""Tones with words that tell their label, and training of tiny transformers on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import torch

from encoders.finetuning.augmentation import WaveformChanges
from encoders.finetuning.finetune import Finetuned, finetune
from encoders.finetuning.settings import Settings, default_settings
from encoders.specs import Spec, SpeechSpec
from encoders.utterance import Utterance, one_hot

TARGETS = ("high", "low")
HERTZ = {"high": 1200.0, "low": 300.0}
RATE = 16000
SILENT = WaveformChanges(copies=0)


def tones(folder: Path, speakers: range, each: int = 4) -> list[Utterance]:
    """High and low tones of 0.1 to 0.4 s in noise, with words that say which."""
    found = []
    for speaker in speakers:
        for index in range(each):
            label = TARGETS[index % 2]
            rng = np.random.default_rng(100 * speaker + index)
            time = np.arange(round(rng.uniform(0.1, 0.4) * RATE)) / RATE
            hertz = HERTZ[label] * rng.uniform(0.9, 1.1)
            wave = 0.3 * np.sin(2 * np.pi * hertz * time) + 0.05 * rng.standard_normal(len(time))
            path = folder / f"{speaker}-{index}.wav"
            soundfile.write(path, wave.astype(np.float32), RATE, subtype="FLOAT")
            one = Utterance(
                id=path.stem,
                audio=path,
                speaker=f"s{speaker}",
                target=one_hot(label, TARGETS),
                transcript=f"{label} tone {'abcd'[index]}" + " again" * (speaker % 3),
            )
            found.append(one)
    return found


def quick(spec: Spec, **changes: object) -> Settings:
    """Settings of a family for tiny models: they take a larger rate, and few numbers."""
    base = replace(default_settings(spec), epochs=10, learning_rate=2e-3, precision="float32")
    if isinstance(spec, SpeechSpec):
        base = replace(base, projection_dim=8)
    return replace(base, **changes)


def trained(train, dev, spec: Spec, settings: Settings, seed: int = 0) -> Finetuned:
    return finetune(train, dev, TARGETS, spec, settings, seed=seed, corpus="tones")


def embedded(tuned: Finetuned, utterances: list[Utterance]) -> torch.Tensor:
    """Embeddings of the network in memory, as its classifier sees them."""
    kept = tuned.pupil.prepare(utterances, SILENT, np.random.default_rng(0))
    with torch.no_grad():
        return tuned.pupil.eval()(kept.inputs(torch.arange(len(kept))))

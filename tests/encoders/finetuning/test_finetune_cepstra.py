"""Training of the networks on cepstra: each learns, loads again, and repeats itself."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile
import torch

from encoders.audio.reading import read_utterance
from encoders.encoder import fingerprint_of, load_encoder
from encoders.finetuning.augmentation import Masks, WaveformChanges
from encoders.finetuning.finetune import finetune, held_out_score
from encoders.finetuning.settings import FinetuneError, default_settings
from encoders.provenance import PROVENANCE, WEIGHTS, provenance_of, seen, trained_spec
from encoders.specs import MfccArchitecture, MfccCnnSpec
from encoders.typed_names import parse_modality
from encoders.utterance import Utterance, one_hot

#: Mean and mean square of the weights after three epochs.
EXPECTED = (0.00192957, 0.00648370)
ARCHITECTURES = get_args(MfccArchitecture)
TARGETS = ("rising", "falling")
RATE = 8000
SPEC = MfccCnnSpec(window_s=0.5, hop_s=0.25, n_mels=32, n_mfcc=13, trim_db=None)
QUICK = replace(
    default_settings(SPEC),
    epochs=6,
    batch_size=8,
    masks=Masks(most_bands=4, most_frames=6),
)


def sweeps(folder: Path, speakers: range, each: int = 4) -> list[Utterance]:
    """Tones that rise or fall: their mean spectrum is the same, only their course tells."""
    found = []
    for speaker in speakers:
        for index in range(each):
            label = TARGETS[index % 2]
            rng = np.random.default_rng(100 * speaker + index)
            low, high = 300 * rng.uniform(0.9, 1.1), 2000 * rng.uniform(0.9, 1.1)
            hertz = np.geomspace(low, high, round(0.5 * RATE))
            hertz = hertz if label == "rising" else hertz[::-1]
            wave = 0.3 * np.sin(2 * np.pi * np.cumsum(hertz) / RATE)
            wave += 0.01 * rng.standard_normal(len(wave))
            path = folder / f"{speaker}-{index}.wav"
            soundfile.write(path, wave.astype(np.float32), RATE, subtype="FLOAT")
            target = one_hot(label, TARGETS)
            found.append(Utterance(id=path.stem, audio=path, speaker=f"s{speaker}", target=target))
    return found


@pytest.fixture(scope="module")
def sides(tmp_path_factory) -> tuple[list[Utterance], list[Utterance], list[Utterance]]:
    """Training, development and new speakers."""
    folder = tmp_path_factory.mktemp("sweeps")
    return sweeps(folder, range(8)), sweeps(folder, range(8, 10)), sweeps(folder, range(10, 12))


@pytest.fixture(scope="module")
def tuned(sides):
    """A trained network by its architecture, once each."""

    @cache
    def build(name: str):
        spec = replace(SPEC, architecture=name)
        return finetune(*sides[:2], TARGETS, spec, QUICK, seed=0, corpus="sweeps")

    return build


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_courses_are_learned_from_other_speakers(tuned, sides, name):
    assert held_out_score(tuned(name), sides[2]) >= 0.75
    swapped = [replace(one, target=one.target[::-1]) for one in sides[2]]
    assert held_out_score(tuned(name), swapped) <= 0.25


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_is_loaded_is_what_was_trained(tuned, sides, name, tmp_path):
    saved = tuned(name).save(tmp_path / "tuned")
    kept = tuned(name).pupil.prepare(sides[2], WaveformChanges(copies=0), np.random.default_rng(0))
    with torch.no_grad():
        own = tuned(name).pupil(kept.inputs(torch.arange(len(kept.windows))))
    hidden = load_encoder(saved).encode([read_utterance(one) for one in sides[2]])
    found = torch.cat([one[0] for one in hidden])
    # Training keeps windows as 8 bits.
    assert (own - found).norm() <= 0.02 * found.norm()
    assert trained_spec(tmp_path / "tuned") == saved
    assert parse_modality(str(tmp_path / "tuned"), "audio").encoder == saved
    assert seen(saved).speakers == {one.speaker for one in (*sides[0], *sides[1])}


@pytest.mark.parametrize("name", ["cnn2d-2", "cnn-lstm-attention"])
def test_the_same_arguments_give_the_same_bytes(sides, name, tmp_path):
    spec = replace(SPEC, architecture=name)
    settings = replace(QUICK, epochs=2, projection_dim=6)
    for folder in ("one", "other"):
        found = finetune(*sides[:2], TARGETS, spec, settings, seed=3, corpus="sweeps")
        found.save(tmp_path / folder)
    for file in (WEIGHTS, PROVENANCE):
        pair = [(tmp_path / folder / file).read_bytes() for folder in ("one", "other")]
        assert pair[0] == pair[1]


def test_a_projection_is_part_of_the_embedding(sides, tmp_path):
    settings = replace(QUICK, epochs=1, projection_dim=6)
    saved = finetune(*sides[:2], TARGETS, SPEC, settings, seed=0, corpus="sweeps").save(tmp_path)
    assert load_encoder(saved).encode([read_utterance(sides[2][0])])[0].shape[2] == 6


def test_a_record_that_is_gone_is_told(tuned, tmp_path):
    saved = tuned("cnn1d-3").save(tmp_path / "tuned")
    assert provenance_of(saved).start == "random weights"
    (tmp_path / "tuned" / PROVENANCE).unlink()
    for ask in (seen, fingerprint_of):
        with pytest.raises(ValueError, match=r"provenance\.json, which says on whose speech"):
            ask(saved)


def test_weights_of_another_network_are_refused(tuned, tmp_path):
    saved = tuned("cnn1d-3").save(tmp_path / "tuned")
    for other in ({"architecture": "cnn1d-5"}, {"n_mfcc": 12}):
        with pytest.raises(ValueError, match="not the state dict of this network"):
            load_encoder(replace(saved, **other))


def test_training_starts_from_random_weights(tuned, sides, tmp_path):
    saved = tuned("cnn1d-3").save(tmp_path / "tuned")
    with pytest.raises(FinetuneError, match="was fine-tuned before"):
        finetune(*sides[:2], TARGETS, saved, QUICK, seed=0, corpus="sweeps")


def test_training_gives_what_it_gave_when_the_number_was_raised_last(sides):
    """Kept encoders are kept by ``NUMERICS_VERSION``, not by the code that trains."""
    settings = replace(QUICK, epochs=3)
    trained = finetune(*sides[:2], TARGETS, SPEC, settings, seed=0, corpus="sweeps")
    with torch.no_grad():
        weights = torch.cat([values.flatten() for values in trained.pupil.parameters()])
    sums = [float(weights.double().mean()), float(weights.double().square().mean())]
    # Processors add in another order; three epochs make at most this of it.
    assert sums == pytest.approx(EXPECTED, rel=1e-3), (
        "training's arithmetic changed: raise NUMERICS_VERSION (encoders/finetuning/finetune.py) "
        f"and write {sums} here"
    )

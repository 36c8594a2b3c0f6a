"""Augmentation as it is typed: every option is read, by its seed, and in training alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor

from encoders.finetuning import labelled_audio
from encoders.finetuning.finetune import Finetuned, finetune
from experiments.comparing.trainable import FinetuneRequest, parse_trainable
from tests.encoders.finetuning.tone_training import TARGETS, tones

CNN = (
    "finetuned:alexnet:untrained@image_size=63,window_s=0.1,hop_s=0.05,n_mels=32,trim_db=none,"
    "train.projection_dim=8"
)
QUICK = "train.epochs=1,train.batch_size=4,train.precision=float32,train.learning_rate=1e-3"
MASKS = ("train.frequency_masks", "train.time_masks")
ONE_COPY = "train.copies=1,train.gain_db=0,train.pitch_semitones=0,train.noise_snr_db=none"


@pytest.fixture(scope="module")
def sides(tmp_path_factory) -> tuple[list, list]:
    folder = tmp_path_factory.mktemp("tones")
    return tones(folder, range(2)), tones(folder, range(2, 3))


@pytest.fixture
def request_of(speech_checkpoint, tmp_path) -> Callable[[str, str], FinetuneRequest]:
    """A request; ``raw`` is a HuBERT that takes waveforms of whatever level."""

    def build(name: str, options: str) -> FinetuneRequest:
        encoder = CNN
        if name != "cnn":
            folder = speech_checkpoint("hubert")
            if name == "raw":
                folder = shutil.copytree(folder, tmp_path / "raw", dirs_exist_ok=True)
                Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
            encoder = f"finetuned:{folder}@train.projection_dim=8"
        off = [f"{one}=0" for one in MASKS if name == "cnn" and one not in options]
        return parse_trainable(",".join([encoder, QUICK, *off, *filter(None, [options])]), "audio")

    return build


def trained(sides, asked: FinetuneRequest, seed: int = 0) -> Finetuned:
    how = (TARGETS, asked.modality.encoder, asked.settings)
    return finetune(*sides, *how, seed=seed, corpus="tones")


def weights(sides, asked: FinetuneRequest) -> torch.Tensor:
    return torch.cat([part.flatten() for part in trained(sides, asked).pupil.parameters()])


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("cnn", "", "train.frequency_masks=2"),
        ("cnn", "train.frequency_masks=1", "train.frequency_masks=1,train.most_bands=3"),
        ("cnn", "", "train.time_masks=2"),
        ("cnn", "train.time_masks=1", "train.time_masks=1,train.most_frames=2"),
        ("cnn", "", "train.time_warp=3"),
        ("cnn", "", ONE_COPY),
        ("cnn", ONE_COPY, ONE_COPY.replace("semitones=0", "semitones=3")),
        ("cnn", ONE_COPY, ONE_COPY.replace("snr_db=none", "snr_db=5")),
        ("hubert", "", "train.time_masks=2"),
        ("hubert", "train.time_masks=1", "train.time_masks=1,train.most_frames=2"),
        ("hubert", "", ONE_COPY),
        ("hubert", ONE_COPY, ONE_COPY.replace("semitones=0", "semitones=3")),
        ("hubert", ONE_COPY, ONE_COPY.replace("snr_db=none", "snr_db=5")),
        ("raw", ONE_COPY, ONE_COPY.replace("gain_db=0", "gain_db=6")),
    ],
)
def test_every_option_changes_training_and_repeats_itself(sides, request_of, name, before, after):
    plain, found = (weights(sides, request_of(name, options)) for options in (before, after))
    assert not torch.allclose(plain, found, atol=1e-6)
    again = weights(sides, request_of(name, after))
    assert torch.equal(found, again)


@pytest.mark.parametrize("name", ["cnn", "hubert"])
def test_development_recordings_are_heard_as_they_are(monkeypatch, sides, request_of, name):
    """Two copies of each training recording, masks on batches of training, nothing else."""
    copied: list[int] = []
    covered: list[int] = []
    changed, kinds = labelled_audio.changed, (labelled_audio.Spectrograms, labelled_audio.Waveforms)

    def spy(samples, *rest):
        copied.append(len(samples))
        return changed(samples, *rest)

    monkeypatch.setattr(labelled_audio, "changed", spy)
    for kind in kinds:
        true = kind.masked

        def masks(self, rows, *rest, true=true):
            covered.append(len(rows))
            return true(self, rows, *rest)

        monkeypatch.setattr(kind, "masked", masks)
    trained(sides, request_of(name, "train.copies=2,train.time_masks=2"))
    assert len(copied) == 2 * len(sides[0])
    assert sum(covered) == 3 * len(sides[0]), "one window of every recording and copy"

"""Images of spectrogram networks: scaling, sizes, defaults, and what their specs cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from encoders.encoder import fingerprint_of
from encoders.networks.spectrogram_cnn import to_images
from encoders.specs import Modality, SpectrogramCnnSpec
from encoders.typed_names import parse_modality

NETWORKS = ("alexnet", "resnet50", "resnext50", "densenet201")
SMALL = SpectrogramCnnSpec(untrained=True, image_size=63, trim_db=None)


# ---------------------------------------------------------------- images


def test_a_window_becomes_an_image_as_imagenets():
    windows = torch.linspace(-60, -20, 128 * 80).reshape(1, 128, 80)
    found = to_images(windows, SMALL)
    assert found.shape == (1, 3, 63, 63)
    for channel, (mean, std) in enumerate(
        [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)],
    ):
        unit = found[0, channel] * std + mean
        assert torch.allclose(unit, found[0, 0] * 0.229 + 0.485, atol=1e-5), "grey"
        assert unit.min() == pytest.approx(0, abs=0.02)
        assert unit.max() == pytest.approx(1, abs=0.02)


def test_decibels_can_keep_their_level():
    windows = torch.full((1, 128, 80), -20.0)
    found = to_images(windows, replace(SMALL, scaling="decibels"))
    assert torch.allclose(found[:, 0] * 0.229 + 0.485, torch.tensor(0.75))


def test_an_image_is_resized_as_corners_are_not_aligned():
    """Half-pixel centres: the first of two pixels from four lies between the first two."""
    spec = SpectrogramCnnSpec(architecture="resnet50", image_size=2, scaling="decibels")
    windows = -torch.arange(4.0).repeat(4, 1)[None] * 10
    unit = to_images(windows, spec)[0, 0] * 0.229 + 0.485
    assert torch.allclose(unit[0] * 80 - 80, torch.tensor([-5.0, -25.0]), atol=1e-3)


@pytest.mark.parametrize("how", ["nearest", "bilinear", "bicubic"])
def test_interpolations_differ(how):
    windows = -torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(0)) * 80
    found = to_images(windows, replace(SMALL, interpolation=how))
    others = {"nearest", "bilinear", "bicubic"} - {how}
    for other in others:
        assert not torch.allclose(found, to_images(windows, replace(SMALL, interpolation=other)))


# ---------------------------------------------------------------- specs and keys


def test_the_defaults_are_the_published_recipe():
    spec = parse_modality("resnet50:untrained", "audio").encoder
    assert (spec.sample_rate_hz, spec.trim_db, spec.top_db) == (8000, 30.0, 80.0)
    assert (spec.n_fft, spec.win_length, spec.hop_length, spec.n_mels) == (1024, 512, 100, 128)
    assert (spec.window_function, spec.mel_sample_rate_hz) == ("hamming", None)


def test_a_sequence_is_its_windows():
    modality = Modality(name="audio", encoder=SMALL)
    assert modality.as_sequence().encoder == replace(SMALL, storage="frames")
    assert modality.as_sequence().encoder.time_pool == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"win_length": 2048}, "n_fft 1024: expected 2048 or more"),
        ({"image_size": 62}, "alexnet: image_size 62: expected 63 or more"),
        ({"architecture": "densenet201", "image_size": 28}, "image_size 28: expected 29"),
        ({"hop_s": 0.001}, "hop_s 0.001: expected 0.0125 or more"),
        ({"window_s": -1.0, "trim_db": 0.0, "n_mels": 0}, r"n_mels 0.*window_s -1.*trim_db 0"),
        ({"sample_rate_hz": 0}, "sample_rate_hz 0: expected 1 or more"),
        ({"top_db": float("nan")}, "top_db nan"),
    ],
)
def test_fields_that_cannot_be_are_named_all_at_once(changes, said):
    with pytest.raises(ValueError, match=said):
        replace(SMALL, checkpoint="", **changes)


def test_the_networks_and_their_random_weights_have_keys_of_their_own(tmp_path, monkeypatch):
    keys = {name: fingerprint_of(replace(SMALL, architecture=name)) for name in NETWORKS}
    assert len(set(keys.values())) == len(NETWORKS)
    monkeypatch.chdir(tmp_path)
    (tmp_path / SMALL.checkpoint).write_bytes(b"of no matter to random weights")
    assert fingerprint_of(SMALL) == keys["alexnet"]

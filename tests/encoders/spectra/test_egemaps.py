"""eGeMAPS through openSMILE, and what is said where it is not installed."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
import torch

import encoders.spectra.acoustic as acoustic
from encoders.audio.reading import read_segment
from encoders.audio.waveform import Audio, AudioError, resample
from encoders.encoder import fingerprint_of, load_encoder
from encoders.extraction import embed_audio
from encoders.pooling import for_head, for_storage
from encoders.specs import EgemapsSpec, Modality, model_part
from encoders.utterance import Utterance
from encoders.weights.locate import locate
from encoders.weights.sources import OPENSMILE, MissingWeightsError

installed = pytest.mark.skipif(
    importlib.util.find_spec("opensmile") is None,
    reason="needs the extra 'opensmile' (free for research and other non-commercial use only)",
)
FRAMES = EgemapsSpec(storage="frames")


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("encoders.weights.sources.find_spec", lambda _name: None)


@pytest.mark.parametrize("use", [fingerprint_of, load_encoder])
@pytest.mark.usefixtures("absent")
def test_without_the_package_its_licence_and_the_command_are_named(use):
    with pytest.raises(MissingWeightsError, match=r"research .*only.*serfusion\[opensmile\]"):
        use(EgemapsSpec())


def test_the_sequence_are_the_descriptors_pooled_by_four():
    found = Modality(name="audio", encoder=EgemapsSpec()).as_sequence().encoder
    assert found == EgemapsSpec(storage="frames", time_pool=4)


def test_functionals_and_descriptors_are_two_passes():
    assert model_part(EgemapsSpec()) != model_part(FRAMES)
    assert model_part(FRAMES) == model_part(replace(FRAMES, time_pool=4, storage_dtype="float16"))


@installed
@pytest.mark.parametrize(("spec", "shape"), [(EgemapsSpec(), (1, 1, 88)), (FRAMES, (1, 96, 25))])
def test_the_sizes_are_those_of_the_set(make_audio, spec, shape):
    hidden = load_encoder(spec).encode([make_audio(1.0)])[0]
    assert hidden.shape == shape
    assert hidden.dtype == torch.float32


@installed
@pytest.mark.parametrize("spec", [EgemapsSpec(), FRAMES])
def test_a_neighbour_changes_nothing(make_audio, spec):
    """No state of openSMILE's lives on: bytes are equal, alone, after others, in another order."""
    inputs = [make_audio(s, hertz=100 + 90 * s, seed=round(10 * s)) for s in (0.3, 3.0, 0.06, 1.7)]
    alone = [load_encoder(spec).encode([one])[0] for one in inputs]
    together = load_encoder(spec).encode([*inputs, *inputs[::-1]])
    assert all(map(torch.equal, together, [*alone, *alone[::-1]]))


@installed
def test_the_values_are_opensmiles(make_audio):
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    audio = make_audio(1.0, rate=22050)
    expected = smile.process_signal(resample(audio, 16000).samples, 16000).to_numpy()[0]
    stored = for_storage(load_encoder(EgemapsSpec()).encode([audio])[0], EgemapsSpec())
    found = for_head(stored, Modality(name="audio", encoder=EgemapsSpec()))[0]
    assert np.array_equal(found.numpy(), expected.astype(np.float32))


@installed
def test_the_pitch_of_a_tone_is_heard():
    """F0 is in semitones above 27.5 Hz: 220 Hz are 36."""
    time = np.arange(32000) / 16000
    wave = sum(np.sin(2 * np.pi * 220 * k * time) / k for k in range(1, 8))
    hidden = load_encoder(EgemapsSpec()).encode([Audio((0.2 * wave).astype(np.float32), 16000)])
    assert hidden[0][0, 0, 0] == pytest.approx(36.0, abs=0.1)


@installed
@pytest.mark.parametrize("spec", [EgemapsSpec(), FRAMES])
def test_less_than_one_window_is_refused(make_audio, spec):
    encoder = load_encoder(spec)
    with pytest.raises(AudioError, match=r"959 samples .* needs 960 \(60 ms\)"):
        encoder.encode([make_audio(959 / 16000)])
    assert torch.isfinite(encoder.encode([make_audio(960 / 16000)])[0]).all()


@installed
def test_the_version_of_opensmile_stands_beside_the_embeddings(write_tone, store):
    import json

    done = embed_audio([Utterance(id="a", audio=write_tone("a.wav"))], [EgemapsSpec()], store)
    assert list(done.keys) == ["a"]
    (space,) = store.spaces()
    about = json.loads((space.folder / "spec.json").read_text())
    assert "opensmile" in about["provenance"]


@installed
@pytest.mark.realdata
def test_real_speech_has_finite_values_that_differ(data_folder):
    paths = sorted((data_folder / "emodb" / "wav").glob("*.flac"))[:4]
    found = load_encoder(EgemapsSpec()).encode([read_segment(path) for path in paths])
    assert all(torch.isfinite(one).all() for one in found)
    assert len({tuple(one.flatten().tolist()) for one in found}) == 4


@installed
def test_the_key_covers_the_description_of_the_set(tmp_path, monkeypatch):
    import shutil

    before = fingerprint_of(EgemapsSpec())
    shutil.copytree(locate(OPENSMILE), tmp_path / "config")
    monkeypatch.setattr(acoustic, "locate", lambda _source: tmp_path / "config")
    assert fingerprint_of(EgemapsSpec()) == before
    part = tmp_path / "config" / "gemaps" / "v01b" / "GeMAPSv01b_core.lld.conf.inc"
    part.write_text(part.read_text() + "\n")
    assert fingerprint_of(EgemapsSpec()) != before

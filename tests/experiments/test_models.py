"""The list of encoders by short name."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import experiments.models as models
from encoders.encoder import load_encoder
from encoders.typed_names import SHORT_NAMES
from encoders.weights.sources import HubCheckpoint, MissingWeightsError, packaged_whisper
from experiments.models import NOTES, ModelRow, fetch_model, known_models


@pytest.fixture
def nothing_here(monkeypatch, tmp_path):
    """Caches that are empty, whatever this machine has downloaded."""
    from huggingface_hub import constants

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def row(name: str) -> ModelRow:
    (found,) = [one for one in known_models() if one.name == name]
    return found


def test_every_short_name_is_listed_once():
    listed = [one.name for one in known_models() if one.kind != "asr"]
    assert listed == [*SHORT_NAMES, "ge2e", "demo"]


def test_the_speaker_encoder_says_what_to_install(monkeypatch):
    monkeypatch.setattr("encoders.weights.sources.find_spec", lambda _name: None)
    assert row("ge2e").cells()[-1] == "no"
    assert any("pip install --no-deps resemblyzer==0.1.4" in note for note in NOTES)
    with pytest.raises(MissingWeightsError, match=r"pip install --no-deps resemblyzer==0\.1\.4"):
        fetch_model("ge2e")


@pytest.mark.parametrize("name", ["logmel", "mfcc", "mfcc13"])
def test_a_descriptor_needs_nothing_and_has_the_dim_listed(make_audio, name):
    found = row(name)
    assert (found.checkpoint, found.size_mb, found.here) == ("none", 0, "needs none")
    assert load_encoder(SHORT_NAMES[name]).encode([make_audio(0.2)])[0].shape[2] == found.dim


@pytest.mark.parametrize("here", [True, False])
def test_egemaps_is_listed_with_its_licence_and_whether_it_is_here(monkeypatch, tmp_path, here):
    folder = tmp_path / "opensmile"
    (folder / "core" / "config").mkdir(parents=True)
    package = SimpleNamespace(submodule_search_locations=[str(folder)])
    monkeypatch.setattr(
        "encoders.weights.sources.find_spec", lambda _name: package if here else None
    )
    found = row("egemaps")
    assert (found.checkpoint, found.dim, found.here) == (
        "opensmile",
        88,
        "package" if here else None,
    )
    assert "research only" in found.licence


def test_fetching_egemaps_says_what_to_install(monkeypatch):
    monkeypatch.setattr("encoders.weights.sources.find_spec", lambda _name: None)
    with pytest.raises(MissingWeightsError, match=r"pip install 'serfusion\[opensmile\]'"):
        fetch_model("egemaps")


@pytest.mark.parametrize("name", ["mfcc", "mfcc13", "logmel"])
def test_there_is_nothing_to_fetch_for_a_descriptor(name):
    with pytest.raises(ValueError, match=f"{name} has no weights to fetch"):
        fetch_model(name)


def test_the_alexnet_that_ships_is_here_with_its_own_licence():
    assert row("alexnet").here == "shipped"
    assert row("alexnet").licence == "CC BY-NC-SA 4.0"
    assert any(note.startswith("alexnet: its weights were trained on RAVDESS") for note in NOTES)


def test_what_ships_is_not_fetched():
    with pytest.raises(ValueError, match="alexnet ships with the package"):
        fetch_model("alexnet")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("whisper-small", HubCheckpoint("Systran/faster-whisper-small", layout="ctranslate2")),
        (
            "Systran/faster-whisper-small",
            HubCheckpoint("Systran/faster-whisper-small", layout="ctranslate2"),
        ),
        ("whisper-small@engine=transformers", HubCheckpoint("openai/whisper-small")),
        ("whisper:owner/ours", HubCheckpoint("owner/ours")),
    ],
)
@pytest.mark.usefixtures("nothing_here")
def test_a_recogniser_is_fetched_as_its_engine_reads_it(monkeypatch, name, source):
    monkeypatch.setattr(models, "locate", lambda source: source)
    assert fetch_model(name) == source


def test_fetching_an_old_name_says_the_new_one():
    with pytest.raises(ValueError, match="write whisper-small@engine=faster"):
        fetch_model("faster-whisper-small")


@pytest.mark.usefixtures("nothing_here")
def test_what_holds_a_recogniser_is_listed(tmp_path):
    assert row("whisper-small").here is None
    file = tmp_path / "xdg" / "whisper" / "small.pt"
    file.parent.mkdir(parents=True)
    file.touch()
    assert row("whisper-small").here == "cache"
    assert row("whisper-small").cells()[-1] == "cache"
    assert row("whisper-tiny").cells()[-1] == "no"


@pytest.mark.weights
def test_a_recogniser_of_a_package_is_listed_as_such():
    if packaged_whisper("tiny.en") is None:
        pytest.skip("needs the extra 'offline'")
    assert "package" in (row("whisper-tiny.en").here or "")


@pytest.mark.parametrize("name", ["demo", "alexnet"])
def test_what_ships_need_not_be_fetched(name):
    with pytest.raises(ValueError, match="ships with the package: there is nothing to fetch"):
        fetch_model(name)

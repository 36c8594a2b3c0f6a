"""One name for one model, whoever computes it; and the engines on real weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import encoders.asr.recognisers as recognisers
from encoders.asr.recognisers import (
    RecogniserSpec,
    default_recogniser,
    describe,
    parse_recogniser,
    recogniser_fingerprint,
    recogniser_source,
)
from encoders.asr.transcript import NOTHING
from encoders.asr.transcription import load_recogniser
from encoders.audio.reading import read_segment
from encoders.audio.waveform import Audio
from encoders.weights.locate import locate
from encoders.weights.sources import PACKAGED, HubCheckpoint, PublishedFile, packaged_whisper
from encoders.weights.whisper import WhisperLayoutError
from experiments import demo

INSTALLED, MISSING = (lambda _name: object()), (lambda _name: None)


@pytest.fixture(autouse=True)
def _nothing_here(monkeypatch, tmp_path, request):
    """faster-whisper installed, no package of weights, empty caches; but where weights are real."""
    from huggingface_hub import constants

    if request.node.get_closest_marker("weights") is None:
        monkeypatch.setattr(recognisers, "packaged_whisper", lambda _name: None)
        monkeypatch.setattr(recognisers, "find_spec", INSTALLED)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def folders(tmp_path) -> dict[str, str]:
    """Something in each layout, as far as a look from outside tells."""
    contents = {"ct2": ("model.bin", "{}"), "hub": ("model.safetensors", '{"model_type": 1}')}
    for name, (weights, config) in contents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / weights).touch()
        (tmp_path / name / "config.json").write_text(config)
    (tmp_path / "a@b.pt").touch()
    return {name: str(tmp_path / name) for name in (*contents, "a@b.pt")}


def faster(checkpoint: str, **options: str) -> RecogniserSpec:
    return RecogniserSpec(
        **{"checkpoint": checkpoint, "engine": "faster", "compute": "int8", **options}
    )


@pytest.mark.parametrize(
    ("typed", "spec"),
    [
        ("whisper-base", faster("base")),
        ("whisper-small.en@language=en", faster("small.en", language="en")),
        ("whisper-small@language=German", faster("small", language="de")),
        ("whisper-base@task=translate", faster("base", task="translate")),
        ("whisper-base@compute=float32", faster("base", compute="float32")),
        ("whisper-large-v3@engine=openai", RecogniserSpec(checkpoint="large-v3")),
        (
            "whisper-turbo@engine=transformers",
            RecogniserSpec(checkpoint="turbo", engine="transformers"),
        ),
        ("whisper:me/ours", RecogniserSpec(checkpoint="me/ours", engine="transformers")),
        ("whisper:me/faster-whisper-ours", faster("me/faster-whisper-ours")),
        ("whisper:me/ours@engine=faster", faster("me/ours")),
    ],
)
def test_names(typed, spec):
    assert parse_recogniser(typed) == spec


@pytest.mark.parametrize(
    ("name", "engine"), [("ct2", "faster"), ("hub", "transformers"), ("a@b.pt", "openai")]
)
def test_a_path_has_the_engine_of_its_layout_unless_one_is_named(folders, name, engine):
    typed = f"whisper:{folders[name]}"
    assert parse_recogniser(typed).engine == engine
    assert parse_recogniser(typed).checkpoint == folders[name]
    assert parse_recogniser(f"{typed}@engine=openai").engine == "openai"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("whisper-bas", "did you mean whisper-base"),
        ("base", "whisper:PATH"),
        ("whisper:", "no such recogniser"),
        ("pocketsphinx", "no such recogniser.*whisper-tiny.en"),
        ("whisper-base@language=xx", "no language 'xx' here; known: en, zh"),
        ("whisper-base@language=", "no language '' here"),
        ("whisper-base.en@language=de", "known: en$"),
        ("whisper-base.en@task=translate", "knows English alone"),
        ("whisper-base@task=sing", "task is 'sing', expected transcribe or translate"),
        ("whisper-base@engine=fast", "engine is 'fast', expected faster, openai or transformers"),
        ("whisper-base@compute=int4", "compute is 'int4', expected int8 or float32"),
        ("whisper-base@engine=openai,compute=int8", "compute is an option of engine=faster alone"),
        ("whisper-base@beams=5", "unknown option beams; known: engine, language, task, compute, b"),
        ("whisper-base@beam=0", "beam is '0', expected 1, 2, 3"),
        ("whisper-base@engine=transformers,fallback=yes", "engine=faster and engine=openai"),
        ("faster-whisper-base", "write whisper-base@engine=faster$"),
        ("faster-whisper-base@compute=int8", "write whisper-base@engine=faster,compute=int8$"),
        ("transformers-whisper:me/ours", "write whisper:me/ours@engine=transformers$"),
    ],
)
def test_names_that_are_none_say_what_to_write(typed, said):
    with pytest.raises(ValueError, match=said):
        parse_recogniser(typed)


def test_without_faster_whisper_another_engine_is_taken_and_told(monkeypatch, folders):
    assert describe("whisper-base") == "whisper-base (faster-whisper int8)"
    monkeypatch.setattr(recognisers, "find_spec", MISSING)
    assert parse_recogniser("whisper-base").engine == "openai"
    assert "openai-whisper: faster-whisper is not installed: pip" in describe("whisper-base")
    assert "faster-whisper is not installed" in describe(f"whisper:{folders['ct2']}")
    assert describe("whisper-base@engine=openai") == "whisper-base@engine=openai (openai-whisper)"
    assert parse_recogniser("whisper-base@compute=int8").engine == "faster"


def test_the_file_of_openai_goes_before_a_download_and_is_told(tmp_path):
    file = tmp_path / "xdg" / "whisper" / "small.pt"
    file.parent.mkdir(parents=True)
    file.touch()
    assert parse_recogniser("whisper-small").engine == "openai"
    assert "its weights are here, and not as faster-whisper reads them" in describe("whisper-small")
    source = recogniser_source(RecogniserSpec(checkpoint="small", engine="transformers"))
    assert isinstance(source, PublishedFile)
    assert source.path == file


def test_what_is_nowhere_comes_from_the_publisher_of_its_engine():
    large, turbo = faster("large"), faster("turbo")
    assert recogniser_source(large) == HubCheckpoint(
        "Systran/faster-whisper-large-v3", None, "ctranslate2"
    )
    assert recogniser_source(turbo).name == "mobiuslabsgmbh/faster-whisper-large-v3-turbo"
    hub = RecogniserSpec(checkpoint="turbo", engine="transformers")
    assert recogniser_source(hub) == HubCheckpoint("openai/whisper-large-v3-turbo")
    assert isinstance(recogniser_source(RecogniserSpec(checkpoint="large")), PublishedFile)


@pytest.mark.parametrize(
    ("here", "name"),
    [
        ((), "whisper-base"),
        (("tiny.en",), "whisper-tiny.en"),
        (("base",), "whisper-base"),
        (("tiny.en", "base"), "whisper-base"),
        (("small",), "whisper-base"),
    ],
)
def test_the_default_is_base_or_tiny_where_only_that_is_here(tmp_path, here, name):
    for model in here:
        file = tmp_path / "xdg" / "whisper" / f"{model}.pt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert default_recogniser() == name


# ---------------------------------------------------------------- real weights


@pytest.fixture(scope="module")
def package() -> Path:
    if packaged_whisper("tiny.en") is None:
        pytest.skip("needs the extra 'offline'")
    return locate(PACKAGED["openai/whisper-tiny.en"])


@pytest.fixture(scope="module")
def said() -> tuple[Audio, str]:
    """Synthetic speech that ships with the package, and its words."""
    utterance = next(one for one in demo.read().utterances if one.transcript)
    assert utterance.audio is not None
    assert utterance.transcript is not None
    audio = read_segment(utterance.audio, utterance.start_s, utterance.end_s)
    return audio, utterance.transcript


@pytest.mark.weights
@pytest.mark.parametrize("engine", ["faster", "openai"])
def test_each_engine_hears_words_with_the_weights_of_the_package(package, said, engine):
    recogniser = load_recogniser(parse_recogniser(f"whisper-tiny.en@engine={engine}"))
    audio, words = said
    heard = recogniser.transcribe(audio)
    right = {word.strip(".,?!").lower() for word in words.split()}
    assert len(right & {word.strip(".,?!").lower() for word in (heard.text or "").split()}) >= 3
    assert heard.language == "en"
    short = Audio(audio.samples[8000:8800], audio.sample_rate_hz)
    assert recogniser.transcribe(short).text != heard.text
    assert recogniser.transcribe(Audio(np.zeros(0, np.float32), 16000)) == NOTHING


@pytest.mark.weights
def test_transformers_never_says_what_the_package_forbids(package):
    """Its lists are those of the hub's ``generation_config.json``, which converters keep."""
    config = json.loads((package / "config.json").read_text())
    spec = parse_recogniser("whisper-tiny.en@engine=transformers")
    generation = load_recogniser(spec).model.generation_config
    assert generation.suppress_tokens == config["suppress_ids"]
    assert generation.begin_suppress_tokens == config["suppress_ids_begin"]


@pytest.mark.weights
def test_package_and_copies_share_the_transcripts_of_an_engine(package, tmp_path):
    copy = shutil.copytree(package, tmp_path / "mine")
    for engine in ("faster", "openai"):
        named = recogniser_fingerprint(parse_recogniser(f"whisper-tiny.en@engine={engine}"))
        assert recogniser_fingerprint(parse_recogniser(f"whisper:{copy}@engine={engine}")) == named


@pytest.mark.weights
def test_the_hash_of_the_package_is_the_one_that_is_known_without_it(package, monkeypatch):
    spec = parse_recogniser("whisper-tiny.en@engine=faster")
    known = recogniser_fingerprint(spec)
    monkeypatch.setattr(recognisers, "packaged_whisper", lambda _name: None)
    monkeypatch.setattr(recognisers, "find", lambda _source: None)
    assert recogniser_fingerprint(spec) == known


@pytest.mark.weights
def test_weights_that_were_cut_short_are_named(package, tmp_path):
    folder = shutil.copytree(package, tmp_path / "mine")
    (folder / "model.bin").write_bytes((package / "model.bin").read_bytes()[:100_000])
    with pytest.raises(WhisperLayoutError, match="is cut short"):
        load_recogniser(parse_recogniser(f"whisper:{folder}@engine=openai"))
    with pytest.raises(ValueError, match="is no model of faster-whisper"):
        load_recogniser(parse_recogniser(f"whisper:{folder}"))


def test_faster_whisper_refuses_what_it_does_not_read(folders):
    with pytest.raises(ValueError, match=r"reads folders of CTranslate2 .*leave the engine out"):
        load_recogniser(parse_recogniser(f"whisper:{folders['a@b.pt']}@engine=faster"))

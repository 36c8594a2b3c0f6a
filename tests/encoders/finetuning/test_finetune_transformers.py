"""Fine-tuning of transformers: it learns, repeats itself, loads again, says what it has seen."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.audio.reading import read_utterance
from encoders.audio.waveform import AudioError
from encoders.encoder import fingerprint_of, load_encoder
from encoders.finetuning.augmentation import Masks, WaveformChanges
from encoders.finetuning.finetune import Finetuned, finetune, held_out_score
from encoders.finetuning.settings import FinetuneError, Settings, default_settings
from encoders.pretrained.projection import FILE
from encoders.provenance import PROVENANCE, seen, trained_spec
from encoders.specs import BertSpec, SentenceSpec, SpeechSpec, WhisperEncoderSpec
from encoders.store import audio_key, text_key
from encoders.typed_names import parse_modality
from encoders.utterance import Utterance, one_hot
from tests.encoders.finetuning.tone_training import RATE, SILENT, TARGETS, embedded, quick, trained

SPEECH = ("wav2vec2-group-norm", "wav2vec2-layer-norm", "hubert", "wavlm", "data2vec", "whisper")
MODEL = "model.safetensors"


@pytest.fixture(scope="module")
def tuned(sides, speech_checkpoint, text_checkpoint):
    """A trained encoder of speech or of text, once each."""

    @cache
    def build(kind: str) -> Finetuned:
        folder = text_checkpoint("bert") if kind == "bert" else speech_checkpoint(SPEECH[0])
        family = BertSpec if kind == "bert" else SpeechSpec
        spec = family(checkpoint=str(folder))
        return trained(sides[0], sides[1], spec, quick(spec))

    return build


def content(utterance: Utterance, kind: str):
    return utterance.transcript if kind == "bert" else read_utterance(utterance)


# ---------------------------------------------------------------- it learns


@pytest.mark.parametrize("kind", ["speech", "bert"])
def test_two_kinds_are_learned_from_other_speakers(tuned, sides, kind):
    new = sides[2]
    assert held_out_score(tuned(kind), new) >= 0.75
    swapped = [replace(one, target=one.target[::-1]) for one in new]
    assert held_out_score(tuned(kind), swapped) <= 0.25
    with pytest.raises(FinetuneError, match="that is no held-out score"):
        held_out_score(tuned(kind), [*new, sides[1][0]])


@pytest.mark.parametrize("kind", ["speech", "bert"])
def test_labels_that_nothing_tells_are_not_learned(sides, kind, speech_checkpoint, text_checkpoint):
    """Without this a measure that is always 1 would satisfy the test above."""
    train, dev = (
        [replace(u, target=one_hot(TARGETS[n // 2 % 2], TARGETS)) for n, u in enumerate(side)]
        for side in sides[:2]
    )
    train = [replace(u, transcript=u.transcript[-1]) for u in train]
    dev = [replace(u, transcript="z") for u in dev]
    folder = text_checkpoint("bert") if kind == "bert" else speech_checkpoint(SPEECH[0])
    spec = (BertSpec if kind == "bert" else SpeechSpec)(checkpoint=str(folder))
    assert max(trained(train, dev, spec, quick(spec, epochs=4)).provenance.dev_uar) < 1.0


# ---------------------------------------------------------------- what is kept is what was trained


@pytest.mark.parametrize("pooling", ["mean", "sum", "max"])
@pytest.mark.parametrize("name", SPEECH)
def test_a_loaded_speech_encoder_gives_the_embedding_that_was_trained(
    few, sides, speech_checkpoint, tmp_path, name, pooling
):
    """Pooled over its own frames in whatever company; the stored statistics tell each pooling."""
    spec = parse_modality(str(speech_checkpoint(name)), "audio").encoder
    settings = quick(spec, epochs=1, batch_size=2, pooling=pooling)
    found = trained(*few, spec, settings)
    saved = found.save(tmp_path / "tuned")
    (hidden, _) = load_encoder(saved).encode([read_utterance(one) for one in sides[2][:2]])
    frames = hidden[0]
    assert hidden.shape == (1, len(frames), 8)
    own = {"mean": frames.mean(0), "sum": frames.mean(0) * len(frames), "max": frames.amax(0)}
    expected = embedded(found, sides[2])[0]
    assert (own[pooling] - expected).norm() <= 1e-5 * expected.norm()


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("name", ["bert", "roberta", "bertweet"])
def test_a_loaded_text_encoder_gives_the_embedding_that_was_trained(
    few, sides, text_checkpoint, tmp_path, name, pooling
):
    spec = BertSpec(checkpoint=str(text_checkpoint(name)), max_length=6, clean="s4")
    found = trained(*few, spec, quick(spec, epochs=1, batch_size=2, pooling=pooling))
    saved = found.save(tmp_path / "tuned")
    assert (saved.max_length, saved.clean) == (6, "s4")
    hidden = load_encoder(saved).encode([one.transcript for one in sides[2]])[0]
    assert hidden.shape == (len(load_layers(text_checkpoint(name))) + 1, 6, 32)
    own = hidden[-1, 0] if pooling == "cls" else hidden[-1].mean(0)
    expected = embedded(found, sides[2])[0]
    assert (own - expected).norm() <= 1e-5 * expected.norm()


def load_layers(folder: Path) -> range:
    return range(json.loads((folder / "config.json").read_text())["num_hidden_layers"])


def test_without_a_projection_every_hidden_layer_stays(few, sides, speech_checkpoint, tmp_path):
    spec = SpeechSpec(checkpoint=str(speech_checkpoint("wavlm")), layers=(2, 3))
    settings = quick(spec, epochs=1, batch_size=2, projection_dim=None)
    saved = trained(*few, spec, settings).save(tmp_path / "tuned")
    assert saved.layers == (2, 3)
    assert load_encoder(saved).encode([read_utterance(sides[2][0])])[0].shape[::2] == (4, 32)
    assert not (tmp_path / "tuned" / FILE).exists()
    projected = trained(*few, spec, replace(settings, projection_dim=5)).save(tmp_path / "other")
    assert projected.layers is None, "projected frames are one layer"
    plain = trained(*few, spec, settings).save(tmp_path / "other")
    assert fingerprint_of(plain) == fingerprint_of(saved), "the older projection is not taken"


def test_the_transformer_learns_and_its_front_end_is_frozen(few, speech_checkpoint):
    spec = SpeechSpec(checkpoint=str(speech_checkpoint("hubert")))
    found = trained(*few, spec, quick(spec, epochs=1, batch_size=2))
    from transformers import AutoModel

    before = AutoModel.from_pretrained(spec.checkpoint).state_dict()
    after = found.pupil.network.state_dict()
    for name, value in before.items():
        if name.startswith("feature_extractor"):
            assert torch.equal(value, after[name]), name
    moved = [n for n, v in before.items() if n in after and not torch.equal(v, after[n])]
    assert any(name.startswith("encoder.layers.0") for name in moved)
    assert any(name.startswith("feature_projection") for name in moved)


def test_whispers_layers_learn_and_the_rest_of_it_stays(few, speech_checkpoint):
    spec = WhisperEncoderSpec(checkpoint=str(speech_checkpoint("whisper")))
    found = trained(*few, spec, quick(spec, epochs=1, batch_size=2))
    from transformers import AutoModel

    before = AutoModel.from_pretrained(spec.checkpoint).state_dict()
    after = found.pupil.network.state_dict()
    assert before.keys() == after.keys()
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved
    # Positions are rounded to the 16 bits in which they were published.
    assert {name.split(".")[1] for name in moved} == {"layers", "layer_norm", "embed_positions"}
    assert all(name.startswith("encoder.") for name in moved)


@pytest.mark.parametrize("name", ["whisper", "wavlm"])
def test_forward_passes_of_8_bits_learn_in_float32(few, speech_checkpoint, name):
    spec = parse_modality(str(speech_checkpoint(name)), "audio").encoder
    settings = quick(spec, epochs=1, batch_size=2)
    exact, coarse = (
        trained(*few, spec, replace(settings, precision=precision)).pupil.state_dict()
        for precision in ("float32", "bfloat16")
    )
    assert {value.dtype for value in coarse.values()} == {torch.float32}
    assert not all(torch.equal(value, coarse[name]) for name, value in exact.items())


def test_whisper_learns_tones_of_other_speakers(sides, speech_checkpoint, tmp_path):
    """Its window is of one second here, and its convolutions let the sound through."""
    from transformers import AutoModel, WhisperFeatureExtractor, WhisperModel

    whole = AutoModel.from_pretrained(speech_checkpoint("whisper"))
    config = type(whole.config)(**{**whole.config.to_dict(), "max_source_positions": 50})
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        model = WhisperModel(config)
        for part in (model.encoder.conv1, model.encoder.conv2):
            torch.nn.init.normal_(part.weight, std=0.5)
    model.save_pretrained(tmp_path)
    WhisperFeatureExtractor(feature_size=8, chunk_length=1).save_pretrained(tmp_path)
    spec = WhisperEncoderSpec(checkpoint=str(tmp_path), window_s=1.0, overlap_s=0.2)
    found = trained(sides[0], sides[1], spec, quick(spec, learning_rate=5e-3))
    assert held_out_score(found, sides[2]) >= 0.75
    swapped = [replace(one, target=one.target[::-1]) for one in sides[2]]
    assert held_out_score(found, swapped) <= 0.25


def test_transformers_itself_reads_the_folder(tuned, tmp_path):
    from transformers import AutoModel

    for kind in ("speech", "bert"):
        tuned(kind).save(tmp_path / kind)
        _, about = AutoModel.from_pretrained(tmp_path / kind, output_loading_info=True)
        wanting = {name for name in about["missing_keys"] if "masked_spec_embed" not in name}
        assert (wanting, set(about["unexpected_keys"])) == (set(), set())


def test_half_precision_halves_the_file(tuned, tmp_path):
    whole, half = (
        tuned("bert").save(tmp_path / str(dtype), dtype) for dtype in (torch.float32, torch.float16)
    )
    sizes = [(Path(one.checkpoint) / MODEL).stat().st_size for one in (half, whole)]
    assert sizes[0] < 0.6 * sizes[1]
    one, other = (load_encoder(spec).encode(["high tone"])[0] for spec in (half, whole))
    assert 0 < (one - other).norm() / other.norm() < 1e-2


# ---------------------------------------------------------------- it repeats itself


@pytest.mark.parametrize("kind", ["speech", "bert"])
def test_the_same_arguments_give_the_same_bytes(tuned, few, kind, tmp_path):
    settings = quick(tuned(kind).spec, epochs=2, batch_size=2)
    folders = []
    for number, noise in enumerate((1, 2)):
        torch.manual_seed(noise)
        before = torch.random.get_rng_state()
        trained(*few, tuned(kind).spec, settings).save(tmp_path / str(number))
        assert torch.equal(torch.random.get_rng_state(), before), "the caller's draws stay"
        folders.append({p.name: p.read_bytes() for p in (tmp_path / str(number)).iterdir()})
    assert folders[0] == folders[1]


@pytest.mark.parametrize(
    "changes",
    [{"pooling": "max"}, {"pooling": "sum"}, {"precision": "bfloat16"}, {"projection_dim": 6}],
    ids=str,
)
def test_every_setting_changes_the_weights(few, speech_checkpoint, changes):
    spec = SpeechSpec(checkpoint=str(speech_checkpoint("hubert")))
    one = quick(spec, epochs=1, batch_size=2)
    before, after = (trained(*few, spec, s) for s in (one, replace(one, **changes)))
    name = "encoder.layers.0.attention.k_proj.weight"
    states = [found.pupil.network.state_dict()[name] for found in (before, after)]
    assert not torch.equal(*states)


def test_an_untrained_model_is_drawn_from_the_seed(few, speech_checkpoint):
    spec = SpeechSpec(checkpoint=str(speech_checkpoint("hubert")), untrained=True)
    settings = quick(spec, epochs=1, batch_size=2, learning_rate=1e-9)
    name = "encoder.layers.0.attention.k_proj.weight"
    found = [trained(*few, spec, settings, seed) for seed in (0, 1)]
    assert not torch.equal(*(one.pupil.network.state_dict()[name] for one in found))
    assert found[0].provenance.start == "random weights"


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["speech", "bert"])
def test_it_learns_on_a_gpu_and_comes_back(tuned, sides, kind):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    spec, settings = tuned(kind).spec, quick(tuned(kind).spec)
    found = finetune(*sides[:2], TARGETS, spec, settings, seed=0, corpus="tones", device="cuda")
    assert held_out_score(found, sides[2]) >= 0.75


# ---------------------------------------------------------------- windows, copies, company


def test_a_neighbour_changes_nothing_in_training_either(tuned, sides):
    whole = embedded(tuned("speech"), sides[2])
    for number, one in enumerate(sides[2]):
        alone = embedded(tuned("speech"), [one])[0]
        assert (whole[number] - alone).norm() <= 1e-5 * alone.norm()


def test_long_recordings_are_windows_and_copies_are_recordings(tuned, sides):
    pupil = tuned("speech").pupil
    pupil.spec = replace(pupil.spec, window_s=0.2, overlap_s=0.04)
    try:
        kept = pupil.prepare(sides[0], SILENT, np.random.default_rng(0))
        seconds = [read_utterance(one).duration_s for one in sides[0]]
        assert [count > 1 for count in kept.count.tolist()] == [one > 0.2 for one in seconds]
        assert max(map(len, kept.windows)) == round(0.2 * RATE)
        copied = pupil.prepare(sides[0], WaveformChanges(copies=1), np.random.default_rng(0))
        assert copied.keys == kept.keys
        assert torch.equal(copied.truth[::2], kept.truth)
        assert len(copied) == 2 * len(kept)
    finally:
        pupil.spec = replace(pupil.spec, window_s=30.0, overlap_s=4.0)


# ---------------------------------------------------------------- it says what it has seen


@pytest.mark.parametrize("kind", ["speech", "bert"])
def test_the_record_names_every_speaker_and_recording(tuned, sides, kind, tmp_path):
    saved = tuned(kind).save(tmp_path / "tuned")
    typed = parse_modality(str(tmp_path / "tuned"), saved.kind).encoder
    for spec in (saved, typed, trained_spec(tmp_path / "tuned")):
        found = seen(spec)
        assert found.speakers == {one.speaker for one in (*sides[0], *sides[1])}
        assert found.keys == {audio_key(read_utterance(one)) for one in (*sides[0], *sides[1])}
        assert found.holds("tones", "s7", None), "development counts"
        assert not found.holds("tones", "s9", audio_key(read_utterance(sides[2][-1])))
    assert trained_spec(tmp_path / "tuned") == typed == saved
    assert tuned(kind).provenance.start.split(",")[0] == Path(tuned(kind).spec.checkpoint).name
    # Whatever family is asked for the folder, the record is found.
    assert seen(SentenceSpec(checkpoint=str(tmp_path / "tuned"))).speakers == found.speakers


@pytest.mark.parametrize("kind", ["speech", "bert"])
def test_without_its_record_it_is_refused(tuned, kind, tmp_path):
    saved = tuned(kind).save(tmp_path / "tuned")
    before = fingerprint_of(saved)
    path = tmp_path / "tuned" / PROVENANCE
    kept = path.read_text()
    path.write_text(json.dumps(json.loads(kept) | {"train_speakers": ["s0"]}))
    assert fingerprint_of(saved) != before, "weights that have seen others are another encoder"
    path.unlink()
    for ask in (seen, fingerprint_of):
        with pytest.raises(ValueError, match=r"provenance\.json, which says on whose speech"):
            ask(saved)
    path.write_text(json.dumps(json.loads(kept) | {"weights_sha256": "0" * 64}))
    with pytest.raises(ValueError, match="is the record of weights with sha256 000000000000"):
        seen(saved)


def test_a_projection_that_is_gone_or_another_is_refused(tuned, tmp_path):
    saved = tuned("speech").save(tmp_path / "tuned")
    path = tmp_path / "tuned" / FILE
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(ValueError, match="put back the pair that was saved together"):
        fingerprint_of(saved)
    path.write_bytes(kept[:-4])
    with pytest.raises(ValueError, match="is no file of weights"):
        load_encoder(saved)


@pytest.mark.parametrize("kind", ["speech", "bert"])
def test_it_is_not_trained_again(tuned, few, kind, tmp_path):
    saved = tuned(kind).save(tmp_path / "tuned")
    with pytest.raises(FinetuneError, match="was fine-tuned before"):
        trained(*few, saved, quick(saved))


def test_text_alone_is_told_by_its_words(few, text_checkpoint):
    spec = BertSpec(checkpoint=str(text_checkpoint("bert")))
    train, dev = ([replace(one, audio=None) for one in side] for side in few)
    found = trained(train, dev, spec, quick(spec, epochs=1, batch_size=2))
    assert set(found.provenance.keys) == {text_key(one.transcript) for one in (*train, *dev)}


# ---------------------------------------------------------------- what is refused


def test_utterances_without_a_transcript_are_listed(few, text_checkpoint):
    spec = BertSpec(checkpoint=str(text_checkpoint("bert")))
    train = [replace(few[0][0], transcript=None), replace(few[0][1], transcript="  ")]
    with pytest.raises(FinetuneError, match="2 of 2 utterances have no transcript: 0-0, 0-1; a"):
        trained(train, few[1], spec, quick(spec))
    train = [few[0][0], replace(few[0][1], transcript="?!")]
    with pytest.raises(FinetuneError, match="0-1: clean=s4 leaves nothing of the transcript"):
        trained(train, few[1], replace(spec, clean="s4"), quick(spec))


def test_a_recording_shorter_than_a_frame_is_told(few, speech_checkpoint):
    spec = SpeechSpec(checkpoint=str(speech_checkpoint("hubert")))
    short = [replace(few[0][0], end_s=0.01), few[0][1]]
    with pytest.raises(AudioError, match="shorter than one frame"):
        trained(short, few[1], spec, quick(spec))


@pytest.mark.parametrize("how", ["default", "trained"])
def test_a_model_of_another_type_is_not_trained(few, text_checkpoint, how):
    spec = SpeechSpec(checkpoint=str(text_checkpoint("bert")))
    settings = default_settings(SpeechSpec())
    with pytest.raises(FinetuneError, match="is a bert model, which cannot be trained here"):
        default_settings(spec) if how == "default" else trained(*few, spec, settings)


@pytest.mark.parametrize(
    ("how", "said"),
    [({"window_s": 31.0}, "takes at most 30 s")],
)
def test_what_whisper_cannot_be_given_is_refused_before_training(few, speech_checkpoint, how, said):
    spec = WhisperEncoderSpec(checkpoint=str(speech_checkpoint("whisper")), **how)
    with pytest.raises(FinetuneError, match=said):
        trained(*few, spec, quick(spec))


def test_settings_that_mean_nothing_to_a_family_are_named_all_at_once(few):
    wrong = Settings(masks=Masks(), changes=WaveformChanges(copies=1))
    with pytest.raises(
        FinetuneError, match=r"speech: pooling None: expected mean or sum or max; frequency_masks, "
    ):
        trained(*few, SpeechSpec(), wrong)
    said = r"bert: pooling None: .*; time_masks 2: .*; copies 1: .*; projection_dim 256: a text m"
    with pytest.raises(FinetuneError, match=said):
        trained(*few, BertSpec(), wrong)

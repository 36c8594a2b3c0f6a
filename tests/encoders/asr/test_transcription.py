"""A recording that lacks words is recognised once, by its content, recogniser and options."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import encoders.asr.recognisers as recognisers
import encoders.asr.transcription as transcription
import encoders.decode_index as hints
from encoders.asr.recognisers import RecogniserSpec, recogniser_fingerprint
from encoders.asr.transcript import NOTHING, Segment, Transcript, normalise
from encoders.asr.transcription import TranscriptCache, load_recogniser, transcribe
from encoders.audio.waveform import Audio
from encoders.utterance import Utterance
from encoders.weights.sources import MissingWeightsError
from encoders.weights.whisper import WhisperLayoutError

RATE_HZ = 16000


def sound(seed, seconds=1.0, rate_hz=RATE_HZ):
    """Noise whose loudness and tone change with the seed and over time."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    tone = np.sin(2 * np.pi * (150 + 70 * seed) * t) * (1 + np.sin(2 * np.pi * 4 * t)) / 8
    noise = rng.normal(0, 0.01 * 3**seed, len(t))
    return Audio((tone + noise).clip(-1, 1).astype(np.float32), rate_hz)


def tiny_whisper(path, *, multilingual=True, seed=0):
    from whisper.model import ModelDimensions, Whisper

    dims = ModelDimensions(
        n_mels=80,
        n_audio_ctx=1500,
        n_audio_state=16,
        n_audio_head=2,
        n_audio_layer=1,
        n_vocab=51865 if multilingual else 51864,
        n_text_ctx=16,
        n_text_state=16,
        n_text_head=2,
        n_text_layer=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Whisper(dims)
        # Its positions are not initialised but taken from memory as it is found.
        torch.nn.init.normal_(model.decoder.positional_embedding)
        # Small weights would let every audio end in the same words.
        torch.nn.init.normal_(model.decoder.token_embedding.weight, std=1.0)
    torch.save({"dims": dims.__dict__, "model_state_dict": model.state_dict()}, path)
    return RecogniserSpec(checkpoint=str(path))


@pytest.fixture(scope="session")
def whisper_spec(tmp_path_factory):
    return tiny_whisper(tmp_path_factory.mktemp("whisper") / "tiny.pt")


@pytest.fixture
def utterances(tmp_path):
    made = []
    for seed in range(3):
        path = tmp_path / f"{seed}.wav"
        soundfile.write(path, sound(seed).samples, RATE_HZ)
        made.append(Utterance(id=f"u{seed}", audio=path))
    return made


@pytest.fixture
def nothing_loads(monkeypatch):
    def refuse(*_):
        raise AssertionError("the model was loaded though nothing is missing")

    monkeypatch.setattr(transcription, "load_recogniser", refuse)


# ---------------------------------------------------------------- text and names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        (" \n\t ", None),
        ("  so  it\ngoes ", "so it goes"),
        ("cafe\u0301", "caf\u00e9"),
    ],
)
def test_normalise(text, expected):
    assert normalise(text) == expected


def test_text_of_a_transcript_joins_its_segments():
    segments = (Segment(0.0, 1.0, "so it", None, None), Segment(1.0, 2.0, " goes", None, None))
    assert Transcript(segments, "en", None, None).text == "so it goes"
    assert NOTHING.text is None


# ---------------------------------------------------------------- Whisper


@pytest.mark.parametrize("multilingual", [True, False])
def test_whisper_hears_each_utterance_alone(tmp_path, multilingual):
    spec = tiny_whisper(tmp_path / "model.pt", multilingual=multilingual)
    sounds = [sound(0), sound(1, 3.0), sound(2, 0.3, 44100)]
    alone = [load_recogniser(spec).transcribe(audio) for audio in sounds]
    recogniser = load_recogniser(spec)
    assert [recogniser.transcribe(audio) for audio in sounds] == alone
    assert [recogniser.transcribe(audio) for audio in sounds[::-1]] == alone[::-1]
    assert len({transcript.avg_logprob for transcript in alone}) == 3
    assert multilingual or alone[0].language == "en"


def test_whisper_scores_and_times(whisper_spec):
    transcript = load_recogniser(whisper_spec).transcribe(sound(1, 3.0))
    assert transcript.text
    assert transcript.language
    assert transcript.avg_logprob < 0
    assert 0 <= transcript.no_speech_prob <= 1
    assert all(0 <= segment.start_s <= segment.end_s <= 3 for segment in transcript.segments)


def test_whisper_cuts_what_is_longer_than_its_window(whisper_spec):
    audio = sound(1, 33.0)
    transcript = load_recogniser(whisper_spec).transcribe(audio)
    assert transcript.segments[-1].start_s > 0
    assert transcript == load_recogniser(whisper_spec).transcribe(audio)


def test_whisper_takes_the_language_asked_for(whisper_spec):
    spec = replace(whisper_spec, language="de")
    assert load_recogniser(spec).transcribe(sound(0)).language == "de"


def test_an_english_model_refuses_another_language(tmp_path):
    spec = replace(tiny_whisper(tmp_path / "en.pt", multilingual=False), language="de")
    with pytest.raises(ValueError, match=r"en\.pt: no language 'de' here; known: en"):
        load_recogniser(spec)


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=r"model\.pt: holds no weights of Whisper"):
        load_recogniser(RecogniserSpec(checkpoint=str(path)))


def test_silence_is_not_shown_to_a_model(whisper_spec):
    recogniser = load_recogniser(whisper_spec)
    for samples in (np.zeros(0, np.float32), np.zeros(RATE_HZ, np.float32)):
        assert recogniser.transcribe(Audio(samples, RATE_HZ)) == NOTHING
    assert recogniser.transcribe(Audio(np.full(1, 0.5, np.float32), 48000)).text is None


def test_transformers_computes_the_same_with_the_file_of_openai(whisper_spec):
    theirs = load_recogniser(whisper_spec)
    ours = load_recogniser(replace(whisper_spec, engine="transformers"))
    mel, tokens = torch.randn(1, 80, 3000), torch.tensor([[50258, 50259, 50359, 50363]])
    with torch.inference_mode():
        expected = theirs.model(mel, tokens)
        logits = ours.model(mel, decoder_input_ids=tokens).logits
    assert torch.allclose(logits, expected, atol=1e-4, rtol=1e-4)
    assert expected.std() > 0.1
    heard = ours.transcribe(sound(1))
    assert heard.text
    assert 0 <= heard.no_speech_prob <= 1
    assert ours.languages[50259] == "en"


@pytest.mark.parametrize("engine", ["openai", "transformers"])
def test_half_a_model_is_named(tmp_path, whisper_spec, engine):
    content = torch.load(whisper_spec.checkpoint, weights_only=True)
    state = content["model_state_dict"]
    halves = {name: tensor for name, tensor in state.items() if not name.startswith("decoder.ln")}
    torch.save({**content, "model_state_dict": halves}, tmp_path / "half.pt")
    with pytest.raises(WhisperLayoutError, match=r"half\.pt: is no whole model of Whisper"):
        load_recogniser(RecogniserSpec(checkpoint=str(tmp_path / "half.pt"), engine=engine))


# ---------------------------------------------------------------- cache


def test_the_second_call_reads_and_loads_nothing(
    tmp_path, utterances, whisper_spec, monkeypatch, request
):
    steps = []
    first = transcribe(
        utterances, whisper_spec, tmp_path / "cache", progress=lambda *step: steps.append(step)
    )
    assert (first.recognised, first.cached, first.failures) == (3, 0, ())
    assert steps == [("transcripts", done, 3) for done in (1, 2, 3)]
    request.getfixturevalue("nothing_loads")
    second = transcribe(utterances[::-1], whisper_spec, tmp_path / "cache")
    assert (second.recognised, second.cached) == (0, 3)
    assert second.transcripts == first.transcripts
    (tmp_path / "cache" / "hints.json").unlink()
    assert transcribe(utterances, whisper_spec, tmp_path / "cache").transcripts == first.transcripts


def test_samples_that_are_held_are_not_decoded_again(
    tmp_path, utterances, whisper_spec, monkeypatch
):
    held = hints.DecodeIndex(tmp_path / "hints.json", 10**9)
    for one in utterances:
        held.decode(one)
    monkeypatch.setattr(hints, "read_utterance", lambda _utterance: 1 / 0)
    found = transcribe(utterances, whisper_spec, tmp_path, hints=held)
    assert found.recognised == len(utterances)


def test_equal_audio_is_recognised_once(tmp_path, utterances, whisper_spec):
    again = replace(utterances[0], id="again")
    done = transcribe([utterances[0], again], whisper_spec, tmp_path / "cache")
    assert (done.recognised, done.cached) == (1, 1)
    assert done.transcripts["again"] == done.transcripts["u0"]


def test_cached_transcripts_of_a_model_that_packages_carry_need_no_model(
    tmp_path, utterances, monkeypatch, nothing_loads
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr(recognisers, "find", lambda _source: None)
    spec, root = RecogniserSpec(checkpoint="base"), tmp_path / "cache"
    heard = Transcript((Segment(0.0, 1.0, "yes", -0.1, 0.0),), "en", -0.1, 0.0)
    for utterance in utterances:
        key = transcription.DecodeIndex(root / "hints.json").decode(utterance)[0].key
        TranscriptCache(root, spec).write(key, heard, "cpu")
    assert set(transcribe(utterances, spec, root).transcripts.values()) == {heard}


def test_the_folder_says_what_recognised(tmp_path, utterances, whisper_spec):
    transcribe(utterances[:1], whisper_spec, tmp_path)
    (folder,) = (tmp_path / "transcripts").iterdir()
    assert folder.name == f"whisper-openai-{recogniser_fingerprint(whisper_spec)[:32]}"
    described = json.loads((folder / "spec.json").read_text())
    assert described["spec"] == {
        "checkpoint": whisper_spec.checkpoint,
        "engine": "openai",
        "language": None,
        "task": "transcribe",
        "compute": None,
        "beam": 5,
        "fallback": False,
    }
    assert described["provenance"]["openai-whisper"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"[]",
        lambda content: b'{"transcript": {}}',
        lambda content: content.replace(b'"avg_logprob": -', b'"avg_logprob": ', 1),
        lambda content: b"\xff" + content,
    ],
    ids=["cut", "empty", "list", "fields", "value", "bytes"],
)
def test_a_damaged_transcript_is_made_again(tmp_path, utterances, whisper_spec, damage):
    first = transcribe(utterances[:1], whisper_spec, tmp_path)
    (path,) = (p for p in tmp_path.glob("transcripts/*/*.json") if p.name != "spec.json")
    content = path.read_bytes()
    path.write_bytes(damage(content))
    assert path.read_bytes() != content
    again = transcribe(utterances[:1], whisper_spec, tmp_path)
    assert (again.recognised, again.cached) == (1, 0)
    assert again.transcripts == first.transcripts
    assert path.read_bytes() == content


def test_fingerprint_follows_options_and_weights_not_places(tmp_path, whisper_spec):
    same = tmp_path / "elsewhere.pt"
    same.write_bytes(Path(whisper_spec.checkpoint).read_bytes())
    other = tiny_whisper(tmp_path / "other.pt", seed=1)
    fingerprint = recogniser_fingerprint(whisper_spec)
    assert recogniser_fingerprint(RecogniserSpec(checkpoint=str(same))) == fingerprint
    different = [
        other,
        replace(whisper_spec, language="de"),
        replace(whisper_spec, task="translate"),
    ]
    assert len({fingerprint, *map(recogniser_fingerprint, different)}) == 4


def test_fingerprint_follows_the_version_of_our_code(whisper_spec, monkeypatch):
    fingerprint = recogniser_fingerprint(whisper_spec)
    monkeypatch.setattr(recognisers, "NUMERICS_VERSION", -1)
    assert recogniser_fingerprint(whisper_spec) != fingerprint


def test_what_cannot_be_read_is_listed_and_the_others_are_done(tmp_path, utterances, whisper_spec):
    broken, silent = tmp_path / "broken.wav", tmp_path / "silent.wav"
    broken.write_bytes(b"RIFF no more")
    soundfile.write(silent, np.zeros(RATE_HZ), RATE_HZ)
    mixed = [
        Utterance(id="broken", audio=broken),
        Utterance(id="absent", audio=tmp_path / "absent.wav"),
        Utterance(id="none"),
        Utterance(id="silent", audio=silent),
        *utterances,
    ]
    done = transcribe(mixed, whisper_spec, tmp_path / "cache")
    assert [failure.utterance for failure in done.failures] == ["broken", "absent", "none"]
    assert "no such file" in done.failures[1].why
    assert set(done.transcripts) == {"silent", "u0", "u1", "u2"}
    assert done.transcripts["silent"].text is None
    assert (done.recognised, done.cached) == (4, 0)


# ---------------------------------------------------------------- weights


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "xdg" / "whisper"


def test_missing_weights_are_named_with_what_fetches_them(tmp_path, utterances, no_weights):
    with pytest.raises(MissingWeightsError) as caught:
        transcribe(utterances, RecogniserSpec(checkpoint="small"), tmp_path / "cache")
    for told in (
        "whisper-small",
        "484 MB",
        str(no_weights),
        "serfusion models fetch whisper-small",
        "--asr whisper-tiny.en",
        "serfusion[offline]",
    ):
        assert told in str(caught.value)


def test_a_missing_file_of_ones_own_is_named(tmp_path):
    with pytest.raises(MissingWeightsError, match=r"mine\.pt: no such file"):
        transcribe([], RecogniserSpec(checkpoint=str(tmp_path / "mine.pt")), tmp_path)

"""Noise: its level, its draw, whose voices are in it, and the keys that it makes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from encoders.decode_index import DecodeIndex
from encoders.extraction import Extraction, Extractor, shared_encoders
from encoders.specs import LogMelSpec
from encoders.store import EmbeddingStore
from encoders.utterance import Utterance
from experiments.ablation import noisy_audio as hearing
from experiments.ablation.cells import Noise
from experiments.ablation.noise import reverberated, white, with_noise
from experiments.ablation.noisy_audio import NoisyEmbedder, crowds
from experiments.config import ConfigError
from fusion.splitting.splits import Fold

SPEC = LogMelSpec(sample_rate_hz=16000)


ROWS = [f"u{k}" for k in range(12)]


def power(samples):
    return float(np.square(samples).mean())


@given(st.floats(-20, 40), st.integers(0, 5))
def test_the_ratio_of_powers_is_the_one_asked_for(snr_db, seed):
    rng = np.random.default_rng(seed)
    speech, noise = rng.standard_normal(500), 3 * rng.standard_normal(500)
    added = with_noise(speech, noise, snr_db) - speech
    assert 10 * np.log10(power(speech) / power(added)) == pytest.approx(snr_db)


def test_silence_stays_silent_in_any_noise():
    silent = np.zeros(100)
    rng = np.random.default_rng(0)
    assert not with_noise(silent, white(100, rng), 0.0).any()
    assert not reverberated(silent, 8000, 0.5, rng).any()


def test_a_click_in_a_room_decays_by_60_db_in_the_reverberation_time():
    click = np.zeros(8000)
    click[0] = 1.0
    wet = reverberated(click, 8000, 0.5, np.random.default_rng(0))
    assert power(wet) == pytest.approx(power(click))
    assert np.square(wet[1:]).sum() == pytest.approx(wet[0] ** 2, rel=1e-2)
    early, late = power(wet[80:480]), power(wet[2080:2480])
    # A quarter of a second is half of T60: 30 dB.
    assert 10 * np.log10(early / late) == pytest.approx(30, abs=3)


def ear(noise: Noise, seed: int = 0, around=None) -> NoisyEmbedder:
    return NoisyEmbedder(noise, seed, around or {})


def extracted(heard: NoisyEmbedder, voices: list[Utterance], store: EmbeddingStore) -> Extraction:
    return heard.extract(voices, Extractor(shared_encoders([SPEC]), store), store)


@pytest.fixture
def voices(write_tone) -> list[Utterance]:
    return [
        Utterance(
            id=f"u{k}",
            audio=write_tone(f"v{k}.wav", 0.5, hertz=200.0 + 30 * k, seed=k),
            speaker=f"s{k // 2}",
        )
        for k in range(12)
    ]


@pytest.mark.parametrize("noise", [Noise("white", 10, "test"), Noise("reverb", 0.3, "test")])
def test_noise_is_another_content_and_the_same_one_each_time(noise, voices, store):
    clean = extracted(ear(Noise("white", 60, "test")), voices, store)
    first = extracted(ear(noise), voices, store)
    again = extracted(ear(noise), voices, store)
    assert first.encoded == 12
    assert again.encoded == 0
    assert first.keys == again.keys
    assert not {*first.keys.values()} & {*clean.keys.values()}
    assert extracted(ear(noise, seed=1), voices, store).keys != first.keys


def test_louder_noise_is_the_same_noise(voices):
    low, high = (ear(Noise("white", snr, "test")).hear(voices[0]).samples for snr in (20.0, 0.0))
    clean = ear(Noise("white", 60, "test")).hear(voices[0]).samples
    one, other = low - clean, high - clean
    assert np.corrcoef(one, other)[0, 1] > 0.999


def test_a_hint_spares_decoding(voices, store, monkeypatch):
    hear = ear(Noise("white", 10, "test"))
    hints = DecodeIndex(store.root / "hints.json")
    for one in voices:
        hints.decode(one)
    hints.save()
    extracted(hear, voices, store)
    monkeypatch.setattr(hearing, "read_utterance", None)
    assert extracted(hear, voices, store).cached == 12


def test_a_damaged_hint_file_costs_time_and_nothing_else(voices, store):
    hear = ear(Noise("white", 10, "test"))
    keys = extracted(hear, voices, store).keys
    (store.root / hearing.HINTS).write_text("[1, 2")
    assert extracted(hear, voices, store).keys == keys


def folds_of(groups: list[list[str]], rows: list[Utterance]) -> list[Fold]:
    return [
        Fold(
            str(number),
            tuple(u.id for u in rows if u.speaker not in group),
            tuple(u.id for u in rows if u.speaker in group),
        )
        for number, group in enumerate(groups)
    ]


def test_babble_is_of_others_on_the_same_side_of_every_fold(voices):
    folds = folds_of([["s0", "s1", "s2"], ["s3", "s4", "s5"]], voices)
    found = crowds(voices, folds, 0, ROWS)
    for speaker, crowd in found.items():
        heard = {u.speaker for voice in crowd for u in voice}
        mates = {"s0", "s1", "s2"} if speaker in ("s0", "s1", "s2") else {"s3", "s4", "s5"}
        assert heard == mates - {speaker}


def test_nobody_of_the_other_side_is_heard_rather_than_no_babble(voices):
    folds = folds_of([[f"s{k}"] for k in range(6)], voices)
    with pytest.raises(ConfigError, match="--folds groups"):
        crowds(voices, folds, 0, ROWS)


def test_who_is_never_scored_needs_no_crowd(voices):
    train = tuple(u.id for u in voices if u.speaker in ("s0", "s1"))
    test = tuple(u.id for u in voices if u.id not in train)
    found = crowds(voices, [Fold("split", train, test)], 0, test)
    assert {*found} == {"s2", "s3", "s4", "s5"}


def test_babble_is_as_loud_as_asked_for(voices):
    folds = folds_of([["s0", "s1", "s2"], ["s3", "s4", "s5"]], voices)
    around = crowds(voices, folds, 0, ROWS)
    clean = NoisyEmbedder(Noise("white", 60, "test"), 0, {}).hear(voices[0]).samples
    noisy = ear(Noise("babble", 0, "test"), around=around).hear(voices[0]).samples
    assert power(noisy - clean) == pytest.approx(power(clean), rel=0.01)

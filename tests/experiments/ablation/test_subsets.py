"""Fewer training speakers and fewer transcripts: nested, and nothing else is touched."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise

import pytest

from encoders.decode_index import DecodeIndex
from experiments.ablation.noise import white
from experiments.ablation.seeds import generator
from experiments.ablation.subsets import most_speakers, shuffled, with_speakers, without_words
from experiments.ablation.word_errors import with_errors
from experiments.comparing.inputs import Ready, gather
from experiments.comparing.plan import Plan, make_plan
from experiments.comparing.preparation import chosen_arms, load_corpus
from experiments.comparing.transcripts import Transcripts
from experiments.config import ConfigError
from fusion.splitting.splits import speaker_of
from tests.experiments.ablation.tiny_corpora import features_study


@pytest.fixture
def plan(tmp_path, store) -> Plan:
    study = features_study(tmp_path, arms=("audio", "text"))
    corpus, arms = load_corpus(study), chosen_arms(study)
    hints = DecodeIndex(store.root / "hints.json")
    inputs = gather(
        Ready(study, corpus, corpus.utterances, arms), Transcripts({}), store, hints, None
    )
    return make_plan(corpus, inputs, study, arms)


def trained_speakers(plan: Plan) -> list[set[str]]:
    by_id = {u.id: speaker_of(u) for u in plan.inputs.utterances}
    return [{by_id[n] for n in one.train} for found in plan.inner for one in found.folds]


def test_subsets_of_speakers_are_nested_and_of_the_size_asked_for(plan):
    most = most_speakers(plan.inner, {u.id: u for u in plan.inputs.utterances})
    sets = [trained_speakers(with_speakers(plan, count, seed=0)) for count in range(1, most + 1)]
    assert [{len(own) for own in found} for found in sets] == [{k} for k in range(1, most + 1)]
    for smaller, larger in pairwise(sets):
        assert all(one <= other for one, other in zip(smaller, larger, strict=True))


def test_development_and_test_rows_stay(plan):
    fewer = with_speakers(plan, 1, seed=0)
    assert [[f.dev for f in one.folds] for one in fewer.inner] == [
        [f.dev for f in one.folds] for one in plan.inner
    ]
    assert fewer.folds == plan.folds
    assert [v.whole.inner for v in fewer.views] == list(fewer.inner)


def test_too_many_speakers_are_refused(plan):
    with pytest.raises(ConfigError, match="give fewer"):
        with_speakers(plan, 99, seed=0)


def test_transcripts_that_a_smaller_share_loses_a_larger_one_loses_too(plan):
    before = plan.inputs.data.inputs["text"].present
    found = [without_words(plan, share, seed=0).inputs.data for share in (0.3, 0.6)]
    low, high = (~data.inputs["text"].present for data in found)
    assert 0 < int(low.sum()) < int(high.sum()) < len(before)
    assert bool((high | ~low).all())
    assert found[0].inputs["audio"] is plan.inputs.data.inputs["audio"]


def test_a_seed_draws_what_it_drew_when_the_number_was_raised_last(plan):
    """Finished cells are kept by ``CHANGES_VERSION``, not by the code that draws."""
    rows = plan.inputs.utterances
    texts = {u.id: f"the door is open and {u.id} is there" for u in rows}
    wrong = dict(with_errors(Transcripts(texts), rows, 0.5, seed=0).texts)
    kept = sorted(set().union(*trained_speakers(with_speakers(plan, 2, seed=0))))
    lost = without_words(plan, 0.5, seed=0).inputs.data.inputs["text"].present.tolist()
    noise = white(5, generator("u1", 0)).round(4).tolist()
    drawn = [wrong, kept, lost, noise, shuffled(["a", "b", "c", "d"], 0)]
    content = json.dumps(drawn, sort_keys=True).encode()
    assert hashlib.sha256(content).hexdigest()[:16] == "dc667a67e014c00b", (
        "other draws of the same seed: raise CHANGES_VERSION (ablation/cell_variation.py)"
    )

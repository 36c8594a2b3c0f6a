"""Turns around utterances from a manifest to a run, a saved model, and what it says elsewhere."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from encoders.manifest import read_manifest
from experiments.comparing.comparison import Outcome, compare
from experiments.comparing.training import train
from experiments.config import ConfigError, Study
from experiments.embed import embed_corpus
from experiments.predicting.evaluate import evaluate
from experiments.predicting.predict import predict
from fusion.evaluation import predictions
from fusion.leakage.findings import LeakError
from fusion.model.fusion_model import FusionModel

LABELS, WORDS = ("calm", "sad"), ("no", "said", "horse", "the")
COLUMNS = ("id", "transcript", "speaker", "label", "dialogue", "turn", "fold")


def dialogues(path: Path, prefix: str = "s", **changed: str) -> Path:
    """Eight talks of two speakers and five turns, the last without a label, in four folds.

    Speakers' names begin with ``prefix``; ``changed`` are cells of all rows by column.
    """
    random = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        for talk in range(8):
            for turn in range(5):
                label = LABELS[(talk + turn) % 2]
                words = " ".join(random.choice(WORDS, 3))
                row = {
                    "id": "abcdefgh"[talk] + "vwxyz"[turn],
                    "transcript": words,
                    "speaker": f"{prefix}{talk}{turn % 2}",
                    "label": label if turn < 4 else "",
                    "dialogue": f"d{talk}",
                    "turn": str(turn),
                    "fold": str(talk // 2),
                }
                writer.writerow({**row, **changed}[name] for name in COLUMNS)
    return path


def study_of(manifest: Path, text: str, **changes: object) -> Study:
    given: dict[str, object] = {"arms": ("text",), "trials": 0, "seeds": 1, **changes}
    return Study(audio="logmel", text=text, manifest=str(manifest), **given)


@pytest.fixture
def bert(text_checkpoint) -> str:
    return str(text_checkpoint("bert"))


@pytest.fixture
def manifest(tmp_path) -> Path:
    return dialogues(tmp_path / "talks.csv")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def run(study: Study, folder: Path) -> Outcome:
    return compare(study, out=folder, jobs=1)


def test_a_run_reads_turns_and_unlabelled_ones_are_in_its_name(manifest, bert, tmp_path):
    alone = run(study_of(manifest, bert), tmp_path / "alone")
    talking = run(study_of(manifest, f"{bert}@context=2,ahead=1"), tmp_path / "talking")
    again = run(study_of(manifest, f"{bert}@context=0,ahead=1"), tmp_path / "again")
    text = manifest.read_text(encoding="utf-8")
    # The last turn of a talk is no row; it is read behind the one before it.
    last = next(line for line in text.splitlines() if line.startswith("az,"))
    changed = last.replace(last.split(",")[1], "horse horse")
    manifest.write_text(text.replace(last, changed), encoding="utf-8")
    other = run(study_of(manifest, f"{bert}@context=0,ahead=1"), tmp_path / "other")
    assert len({one.results.run for one in (alone, talking, again, other)}) == 4
    assert alone.results.facts.encoders == talking.results.facts.encoders
    names = {test.name: test.status for test in talking.results.certificate.tests}
    assert names["words in each other's context"] == "clean"


def test_words_of_a_row_are_encoded_anew_for_each_context(manifest, bert):
    corpus = read_manifest(manifest)
    first = embed_corpus(corpus, audio=None, text=f"{bert}@context=1", asr="none")
    again = embed_corpus(corpus, audio=None, text=f"{bert}@context=1", asr="none")
    assert (first.encoded > 0, again.encoded) == (True, 0)
    parts = [
        embed_corpus(corpus, audio=None, text=f"{bert}@context=2", asr="none", shard=shard)
        for shard in ("1/2", "2/2")
    ]
    whole = embed_corpus(corpus, audio=None, text=f"{bert}@context=2", asr="none")
    assert (sum(part.encoded for part in parts) > 0, whole.encoded) == (True, 0)


def test_folds_that_part_a_dialogue_are_refused_or_stamped(tmp_path, bert):
    parted = dialogues(tmp_path / "parted.csv")
    rows = [[*row.values()] for row in rows_of(parted)]
    for row in rows:
        # Each speaker of a talk in another fold.
        row[6] = row[2][-1]
    with parted.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([COLUMNS, *rows])
    with pytest.raises(LeakError, match="same dialogue"):
        run(study_of(parted, f"{bert}@context=1"), tmp_path / "run")
    leaky = run(study_of(parted, f"{bert}@context=1", folds="random:2"), tmp_path / "leaky")
    (line,) = (one for one in leaky.results.warnings if one.startswith("LEAKY"))
    assert "words in each other's context" in line
    alone = run(study_of(parted, bert, folds="random:2"), tmp_path / "alone")
    assert not any("context" in one for one in alone.results.warnings)


@pytest.mark.parametrize(
    ("text", "changed", "message"),
    [
        ("{}@context=1", {"dialogue": ""}, "no utterance has a dialogue: expected the column"),
        ("{}@context=1", {"turn": ""}, r"no dialogue has an order of turns.*'turn' \(1, 2"),
        ("finetuned:{}@context=1", {}, "trained on utterances alone"),
    ],
)
def test_what_cannot_be_read_is_told_before_any_work(text, changed, message, bert, tmp_path):
    study = study_of(dialogues(tmp_path / "talks.csv", **changed), text.format(bert))
    with pytest.raises(ConfigError, match=message):
        run(study, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_model_reads_the_turns_of_a_manifest_and_tells_where_there_are_none(
    manifest, bert, tmp_path
):
    train(study_of(manifest, f"{bert}@context=2"), tmp_path / "model", jobs=1)
    model = FusionModel.load(tmp_path / "model")
    assert {m.context for m in model.modalities.values()} == {2}
    assert "with 2 turns before" in (tmp_path / "model" / "README.md").read_text()
    in_talks = predict(tmp_path / "model", tmp_path / "p.csv", manifest=manifest)
    assert in_talks.warnings == ()
    lone = dialogues(tmp_path / "lone.csv", dialogue="")
    alone = predict(tmp_path / "model", tmp_path / "q.csv", manifest=lone)
    (line,) = alone.warnings
    assert line.startswith("40 utterances of 40 read without context")
    talks, singles = (rows_of(tmp_path / name) for name in ("p.csv", "q.csv"))
    for one, single in zip(talks, singles, strict=True):
        expected = model.predict(None, one["transcript"])
        assert float(single["calm"]) == pytest.approx(expected["calm"], abs=1e-5)
        # The first turn of a talk has none before it.
        assert (one["calm"] == single["calm"]) == one["id"].endswith("v")


def test_a_model_is_evaluated_with_unlabelled_turns_between(manifest, bert, tmp_path):
    train(study_of(manifest, f"{bert}@context=1,ahead=1"), tmp_path / "model", jobs=1)
    others = dialogues(tmp_path / "others.csv", prefix="other")
    predict(tmp_path / "model", tmp_path / "p.csv", manifest=others)
    done = evaluate(tmp_path / "model", tmp_path / "run", manifest=str(others))
    said = {row["id"]: float(row["calm"]) for row in rows_of(tmp_path / "p.csv")}
    for row in predictions.read(tmp_path / "run" / "predictions.safetensors"):
        if row.split == "test":
            assert row.scores[0] == pytest.approx(said[row.utterance], abs=1e-4)
    assert done.failures == ()

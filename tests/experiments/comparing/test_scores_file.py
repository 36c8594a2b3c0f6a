"""Scores of any other model as an arm (``scores:FILE``), from the table to results."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from encoders.manifest import read_manifest
from encoders.utterance import CorpusError
from experiments.comparing.comparison import Outcome, compare
from experiments.comparing.scores_file import read_scores
from experiments.comparing.verification import rebuild
from experiments.config import ConfigError, Study
from experiments.reporting.caveats import badges
from fusion.evaluation import predictions

pytestmark = pytest.mark.usefixtures("few_epochs")

LABELS = ("angry", "happy", "sad")
#: Six speakers say two utterances of each class.
ROWS = [(f"u{n}", f"s{n // 6}", LABELS[n % 3]) for n in range(36)]


def table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(header)
        writer.writerows(rows)
    return path


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return table(tmp_path / "corpus.csv", ["id", "speaker", "label"], ROWS)


@pytest.fixture
def study(tmp_path: Path, manifest: Path) -> Callable[..., Study]:
    """A study of features that know nothing."""
    values = np.random.default_rng(0).standard_normal((36, 4)).astype(np.float32)
    np.savez(tmp_path / "some.npz", id=[row[0] for row in ROWS], values=values)
    both = f"features:{tmp_path / 'some.npz'}"

    def make(*arms: str, **more: object) -> Study:
        about = {"manifest": str(manifest), "audio": both, "text": both, "trials": 0, "seeds": 2}
        return Study(**{**about, "arms": arms, **more})

    return make


def drawn(seed: int = 0, share: float = 0.8) -> np.ndarray:
    """Probabilities that name the class of about a share of the utterances."""
    generator = np.random.default_rng(seed)
    logits = generator.standard_normal((36, 3))
    logits[np.arange(36), np.arange(36) % 3] += np.where(generator.random(36) < share, 4, 0)
    return softmax(logits, axis=1).round(4)


def write(path: Path, values: np.ndarray, columns: Sequence[str] = LABELS, **more: object) -> str:
    rows = [[row[0], *map(str, numbers)] for row, numbers in zip(ROWS, values, strict=True)]
    return f"scores:{table(path, ['id', *columns], rows)}"


def read(arm: str, manifest: Path, *, asked: dict[str, str] | None = None, **more: bool):
    corpus = read_manifest(manifest)
    return read_scores(arm, corpus, asked or {}, corpus.utterances, **more)


def run(study: Study, folder: Path) -> Outcome:
    return compare(study, out=folder / "run", jobs=1)


# ---------------------------------------------------------------- an arm like the others


def test_it_is_an_arm_with_its_rows_scored_as_they_are(study, tmp_path):
    values = drawn()
    name = write(tmp_path / "theirs.csv", values)
    results = run(study("audio", name), tmp_path).results
    hits = values.argmax(axis=1) == np.arange(36) % 3
    recalls = [hits[k::3].mean() for k in range(3)]
    assert results.arms[name].uar.value == pytest.approx(np.mean(recalls))
    assert results.arms[name].trials == 0
    assert results.arms[name].calibration is not None
    rows = predictions.read(tmp_path / "run" / "predictions.safetensors")
    keys = {
        arm: sorted((r.outer_fold, r.split, r.inner_fold, r.seed, r.utterance) for r in own)
        for arm in ("audio", name)
        if (own := [r for r in rows if r.arm == arm])
    }
    assert keys["audio"] == keys[name]
    for row in rows:
        if row.arm == name:
            assert row.scores == pytest.approx(values[int(row.utterance[1:])], abs=2e-4)
    assert rebuild(tmp_path / "run").arms[name] == results.arms[name]


def test_it_is_paired_with_our_best_and_marked(study, tmp_path):
    first = write(tmp_path / "first.csv", drawn(1))
    second = write(tmp_path / "second.csv", drawn(2))
    results = run(study("audio", "text", first, second), tmp_path).results
    pairs = [(d.arm, d.against) for d in results.differences if d.metric == "uar"]
    assert pairs == [
        *[(first, "best_unimodal"), (second, "best_unimodal"), (second, first)],
    ]
    assert "scores:first.csv: not known what it saw" in badges(results)
    assert any("what it learned from is not known" in line for line in results.warnings)
    assert "scores:first.csv" in (tmp_path / "run" / "table.md").read_text()
    assert str(tmp_path) not in (tmp_path / "run" / "table.md").read_text()


def test_its_interval_takes_no_training_overlap(study, tmp_path):
    """No fold trains it: the interval is the same whatever the folds are."""
    name = write(tmp_path / "theirs.csv", drawn())
    folds = [run(study(name, folds=f), tmp_path / f).results for f in ("groups:3", "speaker")]
    low = [results.arms[name].uar.low for results in folds]
    assert folds[0].facts.training_overlap != folds[1].facts.training_overlap
    assert low[0] == low[1] is not None


def test_late_fusion_with_an_arm_of_ours_on_request(study, tmp_path):
    """The features know nothing and the file does: what is learned trusts the file."""
    name = write(tmp_path / "theirs.csv", drawn(share=0.9))
    joint = f"late:audio+{name}"
    results = run(study(joint, trials=6), tmp_path).results
    assert list(results.arms) == ["audio", name, joint, "best_unimodal"]
    pairs = [(d.arm, d.against) for d in results.differences if d.metric == "uar"]
    assert {(joint, "audio"), (joint, name)} <= set(pairs)
    assert results.arms[joint].trials == 6
    assert results.arms[joint].uar.value > results.arms["audio"].uar.value + 0.2
    weights = [fold.hyperparameters["our_weight"] for fold in results.arms[joint].folds]
    assert all(0 <= weight <= 1 for weight in weights)
    assert "audio + scores:theirs.csv" in (tmp_path / "run" / "table.md").read_text()
    assert rebuild(tmp_path / "run").arms[joint] == results.arms[joint]


def test_rows_that_the_file_lacks_leave_every_arm_and_are_told(study, tmp_path):
    name = write(tmp_path / "theirs.csv", drawn())
    lines = Path(name.removeprefix("scores:")).read_text().splitlines()
    Path(name.removeprefix("scores:")).write_text("\n".join(lines[:-2]))
    results = run(study("audio", name), tmp_path).results
    assert results.rows.used == 34
    assert {row.why for row in results.rows.dropped} == {"has no row in theirs.csv"}
    assert any("has no row for 2 utterances" in line for line in results.warnings)


def test_a_file_of_labels_is_scored_and_not_calibrated(study, tmp_path):
    said = ["angry", "happy", "happy"]
    rows = [(row[0], said[n % 3]) for n, row in enumerate(ROWS)]
    name = f"scores:{table(tmp_path / 'llm.csv', ['id', 'prediction'], rows)}"
    results = run(study("audio", name), tmp_path).results
    assert results.arms[name].uar.value == pytest.approx(2 / 3)
    assert results.arms[name].calibration is None
    assert results.facts.scores[0].form == "labels"
    assert (tmp_path / "run" / "report.html").is_file()


def test_alone_it_leaves_a_report_and_no_model(study, tmp_path):
    outcome = run(study(write(tmp_path / "theirs.csv", drawn())), tmp_path)
    assert not (outcome.folder / "model").exists()


@pytest.mark.parametrize(
    ("header", "cells", "column"),
    [
        (["id", "speaker", "valence"], lambda n: (f"{n % 5}.0",), "valence"),
        (["id", "speaker", "label"], lambda n: ("a|b" if n % 2 else "none",), "a"),
    ],
)
def test_values_and_sets_of_labels_have_such_arms_too(
    header, cells, column, study, manifest, tmp_path
):
    table(manifest, header, [(*row[:2], *cells(n)) for n, row in enumerate(ROWS)])
    columns = ["valence"] if column == "valence" else ["b", "a"]
    numbers = np.array([[n % 5] if column == "valence" else [n % 2] * 2 for n in range(36)], float)
    name = write(tmp_path / "theirs.csv", numbers, columns)
    results = run(study("audio", name), tmp_path).results
    metric = "ccc" if column == "valence" else "macro_f1"
    assert results.arms[name].score(metric).value == pytest.approx(1.0)


# ---------------------------------------------------------------- what numbers are


def test_logits_votes_and_probabilities_are_told_apart(manifest, tmp_path):
    logits = np.log(drawn() + 1e-3)
    votes = (drawn() * 100).round()
    forms = {
        form: read(write(tmp_path / f"{form}.csv", values), manifest)
        for form, values in (("probabilities", drawn()), ("logits", logits), ("votes", votes))
    }
    for form, scores in forms.items():
        assert scores.form == form
        shares = softmax(np.array([scores.rows[row[0]] for row in ROWS]), axis=1)
        np.testing.assert_allclose(shares, drawn(), atol=0.02)
    assert "36 rows of logits" in forms["logits"].remark


def test_a_form_that_the_numbers_do_not_tell_is_said(manifest, tmp_path):
    name = write(tmp_path / "percent.csv", 100 * drawn() + 0.5)
    with pytest.raises(CorpusError, match=r"not to 1.*@as=logits"):
        read(name, manifest)
    scores = read(f"{name}@as=votes", manifest)
    shares = softmax(np.array(list(scores.rows.values())), axis=1)
    np.testing.assert_allclose(shares, drawn(), atol=0.01)
    with pytest.raises(ConfigError, match="expected one of probabilities, logits, votes"):
        read(f"{name}@as=percent", manifest)


def test_columns_are_classes_by_name_synonym_and_map(manifest, tmp_path):
    name = write(tmp_path / "theirs.csv", drawn(), ["anger", "Happiness", "grief"])
    with pytest.raises(ConfigError, match="no column is sad, and the numbers of grief"):
        read(name, manifest)
    scores = read(name, manifest, asked={"grief": "sad"})
    assert scores.labels.pairs == {"anger": "angry", "Happiness": "happy", "grief": "sad"}
    assert scores.labels.columns == (0, 1, 2)


def test_what_is_no_class_column_is_not_read_and_told(manifest, tmp_path):
    rows = [(row[0], n % 4, row[2], *drawn()[n]) for n, row in enumerate(ROWS)]
    path = table(tmp_path / "theirs.csv", ["id", "fold", "emotion", *LABELS], rows)
    scores = read(f"scores:{path}", manifest)
    assert scores.unread == ("fold", "emotion")
    assert "not read: fold, emotion" in scores.remark


# ---------------------------------------------------------------- refused before any work


def _changed(values: np.ndarray, change: Callable[[np.ndarray], object]) -> np.ndarray:
    cells = values.astype(object)
    change(cells)
    return cells


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.__setitem__((3, 0), "nan"), "line 5 (id u3): angry 'nan' is not a finite"),
        (lambda v: v.__setitem__((3, 0), "inf"), "is not a finite number"),
        (lambda v: v.__setitem__((3, 1), ""), "happy '' is not a finite number"),
        (lambda v: v.__setitem__((3, 1), "much"), "happy 'much' is not a finite number"),
        (lambda v: v.__setitem__(3, [0.5, 0.1, 0.1]), "line 5 (id u3): its probabilities add up"),
        (lambda v: v.__setitem__(3, [1.2, -0.1, -0.1]), "-0.1 is no probability"),
    ],
)
def test_a_number_that_cannot_be_is_refused_with_its_line(change, message, manifest, tmp_path):
    name = write(tmp_path / "theirs.csv", _changed(drawn(), change))
    with pytest.raises(CorpusError, match=re.escape(message)):
        read(name, manifest)


def test_ids_of_nobody_are_refused_with_the_nearest(manifest, tmp_path):
    name = write(tmp_path / "theirs.csv", drawn())
    path = Path(name.removeprefix("scores:"))
    path.write_text(path.read_text().replace("\nu3,", "\nuu3,"))
    with pytest.raises(CorpusError, match="'uu3' is no utterance of corpus: did you mean u3"):
        read(name, manifest)
    assert read(name, manifest, chosen=True).strange == 1
    path.write_text(path.read_text().replace("\nu4,", "\nu5,"))
    with pytest.raises(CorpusError, match="duplicate id, first on line 6"):
        read(name, manifest, chosen=True)


def test_other_classes_are_refused(manifest, tmp_path):
    values = np.hstack([drawn() * 0.9, np.full((36, 1), 0.1)])
    name = write(tmp_path / "theirs.csv", values, [*LABELS, "disgust"])
    with pytest.raises(ConfigError, match=r"disgust are no classes of corpus.*--map disgust=none"):
        read(name, manifest)
    scores = read(name, manifest, asked={"disgust": "none"})
    assert scores.labels.unused == ("disgust",)
    labels = table(tmp_path / "llm.csv", ["id", "prediction"], [("u0", "angry"), ("u1", "bored")])
    with pytest.raises(CorpusError, match="'bored' is none of angry, happy, sad"):
        read(f"scores:{labels}", manifest)


@pytest.mark.parametrize(
    ("arms", "more", "error"),
    [
        (("scores:missing.csv",), {}, "no such file"),
        (("scores:",), {}, "expected some of"),
        (("late:audio+text",), {}, "expected some of"),
        (("late:nothing+scores:x.csv",), {}, "expected some of"),
        (("scores:x/a.csv", "scores:y/a.csv"), {}, "several are named a.csv"),
        (("scores:a.csv",), {"rows": "all"}, "--rows all cannot go with scores:a.csv"),
    ],
)
def test_what_cannot_be_is_refused_before_work(arms, more, error, study, tmp_path):
    with pytest.raises(ValueError, match=re.escape(error)):
        run(study(*arms, **more), tmp_path)


def test_a_map_that_nothing_has_is_refused(study, tmp_path):
    name = write(tmp_path / "theirs.csv", drawn())
    with pytest.raises(ConfigError, match="--map: nothing says joyous"):
        run(study(name, map=("joyous=happy",)), tmp_path)


def test_a_corpus_without_votes_has_no_listeners(study, tmp_path):
    with pytest.raises(ConfigError, match="corpus has no votes of listeners beside its labels"):
        run(study("audio", "listeners"), tmp_path)


# ---------------------------------------------------------------- published scores


@pytest.mark.realdata
def test_the_published_posteriors_of_ravdess_give_the_published_figures(tmp_path, data_folder):
    """Luna-Jiménez et al. 2022 (Applied Sciences 12:327): five subject-wise folds by actor."""
    path = data_folder / "posteriors" / "luna-jimenez-2022.csv"
    if not path.is_file():
        pytest.skip(f"no {path}")
    with path.open(newline="") as handle:
        rows = [(r["id"], r["actor"], r["emotion"], r["fold"]) for r in csv.DictReader(handle)]
    people = {fold: {int(row[1]) for row in rows if row[3] == fold} for fold in "12345"}
    assert people["1"] == {2, 5, 14, 15, 16}
    made = table(tmp_path / "luna.csv", ["id", "speaker", "label", "fold"], rows)
    name = f"scores:{path}"
    study = Study(
        manifest=str(made), audio="logmel", text="minilm", arms=(name,), trials=0, seeds=1
    )
    arm = run(study, tmp_path).results.arms[name]
    assert arm.uar.value == pytest.approx(0.8184, abs=5e-5)
    by_fold = [fold.accuracy for fold in arm.folds]
    assert np.mean(by_fold) == pytest.approx(0.8182, abs=5e-5)
    assert np.round(by_fold, 3).tolist() == [0.857, 0.830, 0.790, 0.827, 0.788]

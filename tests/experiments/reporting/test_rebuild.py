"""A report made again: from predictions alone, and only of a run that nobody changed."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import pytest

from experiments.comparing.verification import rebuild
from experiments.reporting.results_file import parsed
from experiments.reporting.results_schema import FORMATS, as_json, carried
from fusion.evaluation import predictions
from fusion.evaluation.predictions import AGAIN
from tests.experiments.finished_runs import change, files, save_run


@pytest.fixture
def run(tmp_path):
    return save_run(tmp_path / "run")


def refused(run, message):
    """The run is refused with this message, with the next step, and nothing is written."""
    with pytest.raises(ValueError, match=message) as caught:
        rebuild(run)
    assert AGAIN in str(caught.value)
    assert type(caught.value) is ValueError
    assert files(run) == {"results.json", "predictions.jsonl"}
    return str(caught.value)


def forge(run):
    """Make both hashes fit what now lies in the folder, as somebody who means it would."""
    content = json.loads((run / "results.json").read_text())
    try:
        results = parsed((run / "results.json").read_bytes())
    except ValueError:
        return  # no hash can mend it
    content["hashes"] = {
        "facts": carried(results).digest(),
        "predictions": sha256((run / "predictions.jsonl").read_bytes()).hexdigest(),
    }
    (run / "results.json").write_text(json.dumps(content))


def test_rebuilt_numbers_are_the_stored_ones(run):
    stored = json.loads((run / "results.json").read_text())
    assert as_json(rebuild(run)) == stored
    assert "table.md" in files(run)


def test_results_that_were_only_formatted_again_are_the_same_run(run):
    path = run / "results.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=3, sort_keys=True))
    rebuild(run)


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda r: r["arms"]["audio"]["uar"].update(value=0.99), "arms.audio.uar.value is 0.99"),
        (lambda r: r["arms"]["concat"].update(confusion=[[1, 0], [0, 1]]), "confusion"),
        (lambda r: r["differences"][0].update(p=0.001), r"differences\[0\].p is 0.001"),
        (lambda r: r["differences"].pop(), "differences"),
        (lambda r: r["arms"].pop("best_fused"), "arms.best_fused"),
        (lambda r: r["rows"].update(used=1000), "rows.used is 1000, computed 36"),
        (lambda r: r.update(run="other"), "predictions of run abc123"),
        (lambda r: r.update(targets=["a", "b", "c"]), "expected 3 scores"),
    ],
)
@pytest.mark.parametrize("by", ["accident", "forger"])
def test_a_number_that_no_run_made_is_refused(run, edit, message, by):
    change(run, edit)
    if by == "forger":
        forge(run)
    refused(run, message)


def test_changed_predictions_are_refused(run):
    path = run / "predictions.jsonl"
    rows = predictions.read(path)
    wrong = [row for row in rows if not (row.arm == "audio" and row.utterance == "s0-0")]
    predictions.write(wrong, path)
    refused(run, "values that its predictions do not give: arms.audio")


def test_predictions_that_give_the_same_numbers_are_not_the_same_file(run):
    path = run / "predictions.jsonl"
    rows = [replace(row, scores=tuple(2 * v for v in row.scores)) for row in predictions.read(path)]
    predictions.write(rows, path)
    refused(run, r"predictions\.jsonl changed since the run: expected sha256 \w{12}…, got \w{12}…")


def test_best_arms_are_chosen_again_and_not_read(run):
    """A best arm whose rows were bettered by hand is the honest one again."""
    path = run / "predictions.jsonl"
    stored = json.loads((run / "results.json").read_text())
    rows = [
        replace(row, scores=row.target) if row.arm == "best_fused" else row
        for row in predictions.read(path)
    ]
    predictions.write(rows, path)
    forge(run)
    assert as_json(rebuild(run))["arms"]["best_fused"]["uar"] == stored["arms"]["best_fused"]["uar"]


# ---------------------------------------------------------------- what predictions cannot give


@pytest.mark.parametrize(
    "edit",
    [
        lambda r: r["warnings"].clear(),
        lambda r: r["facts"].update(folds=10),
        lambda r: r["facts"].update(recognised=0),
        lambda r: r["facts"].update(synthetic=True),
        lambda r: r["facts"].update(untrained=True),
        lambda r: r["facts"]["encoders"].update(audio="0" * 64),
        lambda r: r["rows"].update(dropped=[{"id": "u9", "why": "unreadable"}]),
        lambda r: r.update(corpus="another"),
        lambda r: [
            fold["hyperparameters"].update(hidden=512)
            for arm in r["arms"].values()
            for fold in arm["folds"]
        ],
    ],
)
def test_what_is_only_carried_over_is_checked_for_change(run, edit):
    change(run, edit)
    refused(run, "changed since the run: expected sha256")


def test_a_run_without_hashes_is_refused(run):
    change(run, lambda r: r.pop("hashes"))
    refused(run, "hashes: expected, but it is not there")


def test_the_page_says_what_is_computed_and_what_is_only_checked(run):
    rebuild(run)
    page = (run / "report.html").read_text()
    assert "computes every score, interval, p and count of this page" in page
    assert "only checked for change, by the sha256" in page


# ---------------------------------------------------------------- other formats


@pytest.mark.parametrize("name", ["results.json", "predictions.jsonl", "folds.json"])
def test_a_file_of_another_format_is_named(run, name):
    file = name.partition(".")[0]
    change(run, lambda r: r["format"].update({file: 9}))
    expected = getattr(FORMATS, file)
    told = refused(
        run, f"1 fault: expected format {expected} of {name}, got 9: another version of serf"
    )
    assert "results.json: not what a run wrote" in told


def test_a_run_from_before_there_were_formats_is_refused(run):
    change(run, lambda r: r.pop("format"))
    refused(run, rf"3 faults: expected format {FORMATS.results} of results\.json, got none")


# ---------------------------------------------------------------- what is none of ours


@pytest.mark.parametrize("lacking", ["results.json", "predictions.jsonl"])
def test_a_folder_that_is_no_run_is_named(run, lacking):
    (run / lacking).unlink()
    with pytest.raises(ValueError, match=f"no finished run: expected {lacking}"):
        rebuild(run)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda r: r.pop("arms"), "arms: expected, but it is not there"),
        (lambda r: r.update(targets=None), "targets: expected a valid array, got None"),
        (lambda r: r.update(run=[1]), r"run: expected a valid string, got \[1\]"),
        (lambda r: r.update(corpus=3), "corpus: expected a valid string, got 3"),
        (lambda r: r["facts"].update(study="x"), "facts.study: expected an object, got x"),
        (lambda r: r["rows"].update(dropped=[{"x": 1}]), "3 faults: rows.dropped.0.id: expected"),
        (lambda r: r["rows"].update(dropped=3), "rows.dropped: expected a valid array, got 3"),
        (lambda r: r["facts"].update(text_probe={"sentences": 1}), "facts.text_probe.shared"),
        (lambda r: r["facts"].update(folds="\x1b[31m5"), "facts.folds: expected a valid integer"),
        (lambda r: r["facts"]["text_probe"].update(uar=float("nan")), "a finite number, got nan"),
        (lambda r: r["facts"].update(other=1), "facts.other: not expected"),
        (lambda r: r["arms"]["audio"]["uar"].update(value=True), "uar.value: expected a valid num"),
        (lambda r: r["arms"]["audio"]["uar"].update(high=float("inf")), "a finite number, got inf"),
        (lambda r: r["arms"].update(audio=[]), "arms.audio: expected an object"),
        (lambda r: r["arms"]["audio"]["folds"][0].update(trials=3), "folds.0.trials: expected"),
        (lambda r: r.update(differences={}), "differences: expected a valid array"),
        (lambda r: r.update(warnings=[None]), "warnings.0: expected a valid string, got None"),
        (lambda r: r.update(facts=None), "facts: expected"),
    ],
)
def test_a_value_of_another_kind_is_one_message(run, edit, message):
    change(run, edit)
    told = refused(run, message)
    assert "results.json: not what a run wrote" in told
    assert "\x1b" not in told


@pytest.mark.parametrize(
    "edit",
    [
        lambda r: [fold.update(hyperparameters={}) for fold in r["arms"]["audio"]["folds"][1:]],
        lambda r: r["arms"]["audio"]["folds"][1].pop("hyperparameters"),
        lambda r: r["facts"].pop("study"),
        lambda r: r.update(targets=["a", "a"]),
        lambda r: r.update(facts={}),
        lambda r: r["arms"]["audio"]["folds"][0].update(trials=[1e308]),
        lambda r: r["facts"]["text_probe"].update(shared=1e308),
        lambda r: r["rows"].update(speakers=-1),
    ],
)
def test_a_forger_gets_a_report_or_one_message_and_no_traceback(run, edit):
    change(run, edit)
    forge(run)
    try:
        rebuild(run)
    except ValueError as error:
        assert AGAIN in str(error)  # noqa: PT017 - a report of what was forged is as good


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "expected JSON"),
        (b"[]", "content: expected an object, got"),
        (b"\xff\xfe", "expected JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "recursion limit"),
        (b'{"run": "\\ud800"}', "expected JSON"),
    ],
)
def test_a_broken_file_is_named(run, content, message):
    (run / "results.json").write_bytes(content)
    refused(run, message)


def test_nesting_too_deep_for_what_comes_after_is_refused(run):
    path = run / "results.json"
    deep = ',"z":' + "[" * 5000 + "]" * 5000 + "}"
    path.write_text(path.read_text()[:-1] + deep)
    refused(run, "recursion limit")


@pytest.mark.parametrize(
    ("change_row", "message"),
    [
        (
            {"run": 1},
            r"predictions\.jsonl:1: not a prediction: run: expected a valid string",
        ),
        ({"scores": [[0.5], [0.5]]}, r"scores\.0: expected a valid number, got \[0\.5\]"),
        ({"scores": [float("nan"), 0.5]}, "scores: expected finite numbers, got"),
        ({"scores": [float("inf"), 0.5]}, "scores: expected finite numbers, got"),
        ({"scores": None}, "scores: expected a valid array, got None"),
        ({"scores": {"0": 1}}, "scores: expected a valid array"),
        ({"target": ["1", "0"]}, r"target\.0: expected a valid number"),
        ({"seed": True}, "seed: expected a valid integer"),
        ({"split": "train"}, "split: expected 'dev' or 'test', got train"),
        ({"speaker": ["s"]}, "speaker: expected a valid string"),
        ({"more": 1}, "more: not expected"),
    ],
)
def test_a_prediction_of_another_kind_is_one_message(run, change_row, message):
    path = run / "predictions.jsonl"
    first, rest = path.read_text().split("\n", 1)
    path.write_text(json.dumps(json.loads(first) | change_row) + "\n" + rest)
    forge(run)
    refused(run, message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no predictions in it"),
        ("{\n", ":1: not a prediction"),
        ('{"run": "abc123"}\n', "not a prediction: corpus: expected, but it is"),
        ("[" * 100_000 + "\n", "recursion limit"),
    ],
)
def test_predictions_that_are_none_are_named(run, content, message):
    (run / "predictions.jsonl").write_text(content)
    refused(run, message)

"""A report made again: from predictions alone, and only of a run that nobody changed."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from experiments.comparing.verification import rebuild
from experiments.reporting.results_file import parsed
from experiments.reporting.results_schema import FORMATS, as_json, carried
from fusion.evaluation import predictions
from fusion.evaluation.columns import Subject
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
    assert files(run) == {"results.json", "predictions.safetensors"}
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
        "predictions": sha256((run / "predictions.safetensors").read_bytes()).hexdigest(),
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
    path = run / "predictions.safetensors"
    rows = predictions.read(path)
    wrong = [row for row in rows if not (row.arm == "audio" and row.utterance == "s0-0")]
    predictions.write(wrong, path)
    refused(run, "values that its predictions do not give: arms.audio")


def test_predictions_that_give_the_same_numbers_are_not_the_same_file(run):
    path = run / "predictions.safetensors"
    rows = [replace(row, scores=tuple(2 * v for v in row.scores)) for row in predictions.read(path)]
    predictions.write(rows, path)
    refused(
        run, r"predictions\.safetensors changed since the run: expected sha256 \w{12}…, got \w{12}…"
    )


def test_best_arms_are_chosen_again_and_not_read(run):
    """A best arm whose rows were bettered by hand is the honest one again."""
    path = run / "predictions.safetensors"
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


@pytest.mark.parametrize("name", ["results.json", "predictions.safetensors", "folds.json"])
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


@pytest.mark.parametrize("lacking", ["results.json", "predictions.safetensors"])
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


def _table(rows: object) -> np.ndarray:
    return np.frombuffer(json.dumps(rows).encode(), np.uint8)


def _subjects(tensors: dict[str, np.ndarray], **change: object) -> dict[str, np.ndarray]:
    """The table of utterances with something else about the first."""
    rows = [dict(zip(Subject._fields, row, strict=False)) for row in
            json.loads(tensors["subjects"].tobytes())]  # fmt: skip
    first, *rest = rows
    changed = [*(first | change).values()]
    return {"subjects": _table([changed, *([*other.values()] for other in rest)])}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: _subjects(t, corpus=1), r"predictions\.safetensors: not predictions: 0\.0: exp"),
        (lambda t: _subjects(t, speaker=["s"]), r"0\.2: expected a valid string"),
        (lambda t: _subjects(t, turn=True), r"0\.5: expected a valid integer"),
        (lambda t: _subjects(t, more=1), "0: expected .* at most 6"),
        (
            lambda t: {"places": _table([["abc123", "audio", "0", 0, 0, "train"]])},
            "'dev' or 'test'",
        ),
        (lambda t: {"places": _table({})}, "expected a valid array"),
        (lambda t: {"places": np.frombuffer(b"[" * 100_000, np.uint8)}, "recursion limit"),
        (lambda t: {"scores": t["scores"][:, 0]}, r"scores: expected numbers \[rows, targets\]"),
        (lambda t: {"scores": t["scores"] * np.nan}, "scores: expected finite numbers"),
        (lambda t: {"scores": t["scores"].astype(np.float32)}, "scores: .* got float32"),
        (lambda t: {"scores": t["scores"][1:]}, r"subject: expected int32\[\d+\], got int32\["),
        (lambda t: {"targets": t["targets"][:, 1:]}, "expected 1 scores in every row, got 2"),
        (lambda t: {"targets": t["targets"][1:]}, r"targets: expected \d+ rows, got \d+"),
        (
            lambda t: {"subject": t["subject"] + 1},
            r"subject: expected numbers from 0 to \d+, got 1",
        ),
        (lambda t: {"place": t["place"] - 1}, "place: expected numbers from 0 to"),
        (lambda t: {"window": t["window"] - 1}, "window: expected numbers from -1 to"),
        (lambda t: {"window": t["window"].astype(np.int64)}, "window: expected int32"),
        (lambda t: {"more": t["window"]}, "expected tensors .*, got more, place"),
    ],
)
def test_predictions_of_another_kind_are_one_message(run, change, message):
    path = run / "predictions.safetensors"
    tensors = load_file(path)
    save_file(tensors | change(tensors), path)
    forge(run)
    refused(run, message)


def test_predictions_without_rows_are_named(run):
    predictions.write([], run / "predictions.safetensors")
    refused(run, "no predictions in it")


@pytest.mark.parametrize("content", [b"", b"{}\n", b"\xff" * 100])
def test_predictions_that_are_none_are_named(run, content):
    (run / "predictions.safetensors").write_bytes(content)
    refused(run, "not predictions")

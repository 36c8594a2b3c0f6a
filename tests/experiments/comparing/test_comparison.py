"""A comparison from manifest to folder: same rows and folds for all, every number recomputable."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch

from encoders.utterance import CorpusError
from experiments.comparing import preparation
from experiments.comparing.comparison import Outcome, compare
from experiments.comparing.inputs import check_sequences, reads_words
from experiments.comparing.preparation import chosen_arms
from experiments.comparing.transcripts import to_recognise
from experiments.config import ConfigError, Study, read_study, write_study
from experiments.reporting.cost import read_cost
from experiments.reporting.results import summarise
from experiments.reporting.results_file import read_results
from experiments.reporting.results_schema import Dropped, as_json, carried
from fusion.evaluation import predictions
from fusion.model.fusion_model import FusionModel
from fusion.networks.heads import HEADS
from fusion.splitting.splits import SplitError
from fusion.training import train
from fusion.tuning.storage import StorageError
from tests.experiments.tones import tones_study, write_tones

TRAINED = ("audio", "text", "audio_frames", "concat", "late", "attention")
FILES = (
    *("config.toml", "environment.json", "folds.json", "predictions.safetensors", "results.json"),
    *("report.html", "table.md", "table.tex"),
)
DIM = 4


def write_corpus(
    folder: Path,
    *,
    speakers: int = 6,
    repeats: int = 2,
    classes: tuple[str, ...] = ("a", "b", "c"),
    audio_of: tuple[int, ...] = (0, 1, 2),
    text_of: tuple[int, ...] = (0, 1, 2),
    noise: float = 1.0,
    sequences: bool = True,
    words: str | None = None,
    shuffled: bool = False,
    without_audio: tuple[str, ...] = (),
    without_text: tuple[str, ...] = (),
    **study: object,
) -> Study:
    """Manifest and two feature files; ``audio_of`` and ``text_of`` say which classes each tells."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = [(s, k) for s in range(speakers) for _ in range(repeats) for k in range(len(classes))]
    truth = rng.permutation([k for _, k in rows]) if shuffled else [k for _, k in rows]
    ids = [f"u{n}" for n in range(len(rows))]
    with (folder / "manifest.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "speaker", "label", "fold", *(["transcript"] if words else [])])
        for name, (speaker, _), label in zip(ids, rows, truth, strict=True):
            told = [name, f"s{speaker}", classes[label], speaker % 3]
            writer.writerow([*told, *([words] if words else [])])
    for kind, told in (("audio", audio_of), ("text", text_of)):
        centre = 2.0 * rng.standard_normal((max(told) + 1, DIM))
        lengths = rng.integers(2, 6, len(rows)) if sequences else np.ones(len(rows), int)
        frames = [
            centre[told[k]] * (max(told) > 0) + noise * rng.standard_normal((length, DIM))
            for (_, k), length in zip(rows, lengths, strict=True)
        ]
        absent = without_text if kind == "text" else without_audio
        there = [n for n, name in enumerate(ids) if name not in absent]
        np.savez(
            folder / f"{kind}.npz",
            id=np.array([ids[n] for n in there]),
            values=np.concatenate([frames[n] for n in there]).astype(np.float32),
            lengths=lengths[there],
        )
    settings = {"trials": 2, "seeds": 2, **study}
    return Study(
        audio=f"features:{folder / 'audio.npz'}",
        text=f"features:{folder / 'text.npz'}",
        manifest=str(folder / "manifest.csv"),
        **settings,
    )


def run(study: Study, out: Path, jobs: int = 1) -> Outcome:
    return compare(study, out=out, jobs=jobs)


@pytest.fixture(scope="module", autouse=True)
def _few_epochs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "MAX_EPOCHS", 2)
        yield


@pytest.fixture
def thorough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults that learn within few epochs."""
    monkeypatch.setattr(train, "MAX_EPOCHS", 25)
    quick = {
        kind: replace(head, defaults=replace(head.defaults, learning_rate=1e-2))
        for kind, head in HEADS.items()
    }
    monkeypatch.setattr("fusion.training.arms.HEADS", quick)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Outcome]:
    """One run with every arm."""
    folder = tmp_path_factory.mktemp("tiny")
    study = write_corpus(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
        return study, run(study, folder / "run")


@pytest.fixture(scope="module")
def rows(tiny: tuple[Study, Outcome]) -> list[predictions.Prediction]:
    return predictions.read(tiny[1].folder / "predictions.safetensors")


@pytest.fixture(scope="module")
def results(tiny: tuple[Study, Outcome]) -> dict:
    return json.loads((tiny[1].folder / "results.json").read_text())


# ---------------------------------------------------------------- what a run leaves


@pytest.mark.parametrize("name", FILES)
def test_a_run_leaves_its_files(name, tiny):
    assert (tiny[1].folder / name).stat().st_size > 0


def test_every_arm_with_heads_tells_its_learning_curve_and_best_arms_do_not(results):
    for arm, summary in results["arms"].items():
        for fold in summary["folds"]:
            told = arm not in ("late", "best_unimodal", "best_fused")
            assert ("curve" in fold) == ("epochs" in fold) == told, arm
            if told:
                # Two seeds of each inner fold, two epochs.
                assert len(fold["epochs"]) == fold["curve"]["heads"][0]
                assert len(fold["curve"]["train"]) == len(fold["curve"]["dev"]) <= 2


def test_a_run_leaves_figures(tiny):
    assert list((tiny[1].folder / "figures").glob("*.svg"))


def test_a_run_leaves_a_model(tiny):
    assert (tiny[1].folder / "model" / "heads.safetensors").is_file()


def test_a_run_leaves_no_work_behind(tiny):
    assert [
        p.name for p in tiny[1].folder.rglob("*") if p.name == "work" or "tmp" in p.suffix
    ] == []


def test_the_config_repeats_the_run(tiny):
    assert read_study(tiny[1].folder / "config.toml") == tiny[0]


def test_results_name_what_the_design_names(results):
    names = {"run", "corpus", "task", "targets", "rows", "arms", "differences", "warnings"}
    assert names <= results.keys()


def test_every_arm_is_there(results):
    assert list(results["arms"]) == [*TRAINED, "best_unimodal", "best_fused"]


def test_an_arm_has_what_the_design_names(results):
    names = {
        "uar",
        "accuracy",
        "macro_f1",
        "weighted_f1",
        "per_class",
        "folds",
        "trials",
        "confusion",
    }
    assert all(names <= arm.keys() for arm in results["arms"].values())


def test_an_interval_has_value_bounds_and_method(results):
    for arm in results["arms"].values():
        assert {"value", "low", "high", "method"} <= arm["uar"].keys()


def test_a_difference_has_what_the_design_names(results):
    names = {"arm", "against", "metric", "value", "low", "high", "p", "p_holm", "primary"}
    assert all(names <= row.keys() for row in results["differences"])


def test_every_number_is_recomputed_from_predictions(rows, tiny, results):
    stored = read_results(tiny[1].folder)
    assert stored == tiny[1].results
    assert as_json(summarise(rows, carried(stored))) == results


def test_every_prediction_names_its_run(rows, results):
    assert {row.run for row in rows} == {results["run"]}


# ---------------------------------------------------------------- law 5


def test_every_arm_tests_the_same_rows_in_the_same_folds(rows):
    found = {
        arm: sorted((r.outer_fold, r.utterance, r.seed) for r in rows if _is(r, arm, "test"))
        for arm in (*TRAINED, "best_unimodal", "best_fused")
    }
    assert all(keys == found["audio"] for keys in found.values())


def test_every_row_is_tested_once_per_seed(rows):
    found = sorted((r.utterance, r.seed) for r in rows if _is(r, "audio", "test"))
    assert found == sorted((f"u{n}", seed) for n in range(36) for seed in (0, 1))


def test_every_arm_has_the_same_development_rows(rows):
    found = {
        arm: sorted((r.outer_fold, r.inner_fold, r.utterance) for r in rows if _is(r, arm, "dev"))
        for arm in TRAINED
    }
    assert all(keys == found["audio"] for keys in found.values())


def test_every_arm_spends_the_same_trials(results):
    spent = {len(f["trials"]) for arm in TRAINED for f in results["arms"][arm]["folds"]}
    assert spent == {2}


def test_folds_of_the_file_share_no_speaker(rows, tiny):
    speaker = {r.utterance: r.speaker for r in rows}
    for fold in json.loads((tiny[1].folder / "folds.json").read_text()):
        for inner in fold["inner"]:
            sides = [
                {speaker[i] for i in ids} for ids in (fold["test"], inner["train"], inner["dev"])
            ]
            assert sum(map(len, sides)) == len(set.union(*sides))


def test_predictions_are_those_of_the_folds_in_the_file(rows, tiny):
    folds = json.loads((tiny[1].folder / "folds.json").read_text())
    expected = {(f["name"], name) for f in folds for name in f["test"]}
    assert {(r.outer_fold, r.utterance) for r in rows if _is(r, "concat", "test")} == expected


@pytest.mark.parametrize(
    ("best", "group"),
    [
        ("best_unimodal", ("audio", "text", "audio_frames")),
        ("best_fused", ("concat", "late", "attention")),
    ],
)
def test_best_rows_are_copies_of_the_best_arm_on_development_rows(best, group, rows):
    for fold in {r.outer_fold for r in rows}:
        chosen = max(group, key=lambda arm: _dev_uar(rows, arm, fold))
        found, expected = (
            [r.scores for r in rows if _is(r, arm, "test") and r.outer_fold == fold]
            for arm in (best, chosen)
        )
        assert found == expected


def _is(row: predictions.Prediction, arm: str, split: str) -> bool:
    return row.arm == arm and row.split == split


def _dev_uar(rows: list[predictions.Prediction], arm: str, fold: str) -> float:
    own = [r for r in rows if _is(r, arm, "dev") and r.outer_fold == fold]
    hits: dict[tuple[int, int], list[bool]] = {}
    for row in own:
        truth = row.target.index(1.0)
        hits.setdefault((row.seed, truth), []).append(row.scores.index(max(row.scores)) == truth)
    return round(float(np.mean([np.mean(cell) for cell in hits.values()])), 12)


# ---------------------------------------------------------------- determinism


def _bytes(outcome: Outcome) -> bytes:
    return (outcome.folder / "predictions.safetensors").read_bytes()


#: What tells seconds, and the seal over them.
CLOCKED = ("cost.json", "report.html", ".serfusion.json")


def _files(outcome: Outcome) -> dict[str, bytes]:
    """Every file of a run but those that tell how long it took."""
    every = (path for path in outcome.folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(outcome.folder)): path.read_bytes()
        for path in every
        if path.name not in CLOCKED
    }


def _elsewhere(study: Study, folder: Path, jobs: int = 1) -> Outcome:
    """The run of a study that finds nothing in its cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
        return run(study, folder / "run", jobs)


def test_the_same_command_gives_the_same_bytes(tiny, tmp_path):
    again = _files(_elsewhere(tiny[0], tmp_path))
    assert again == _files(tiny[1])
    assert {
        "results.json",
        "predictions.safetensors",
        "folds.json",
        "model/model.json",
    } <= again.keys()


def test_a_repeated_command_gives_the_same_bytes(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("SERFUSION_CACHE", str(tiny[1].folder.parent / "cache"))
    assert _bytes(run(tiny[0], tmp_path / "run")) == _bytes(tiny[1])


def test_the_spelling_of_a_manifest_changes_neither_id_nor_fits(tmp_path, monkeypatch):
    study = write_corpus(tmp_path / "in", repeats=1, arms=("audio",), trials=0, seeds=1)
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    spelled = [str(tmp_path / "in" / "manifest.csv"), "in/manifest.csv", "in/../in/manifest.csv"]
    lines: list[str] = []
    studies = [replace(study, manifest=path) for path in spelled]
    outcomes = [compare(one, jobs=1, notify=lines.append) for one in studies]
    assert len({one.results.run for one in outcomes}) == 1
    assert len({one.folder for one in outcomes}) == 1
    assert sum(line.startswith("0 fits trained") for line in lines) == 2


@pytest.mark.slow
def test_the_number_of_jobs_changes_no_byte(tmp_path, monkeypatch):
    # Other processes do not see what a test has patched: 100 is what they know.
    monkeypatch.setattr(train, "MAX_EPOCHS", 100)
    study = write_corpus(tmp_path / "in", repeats=1, arms=("audio",), trials=0, seeds=1)
    one, two = (_elsewhere(study, tmp_path / str(jobs), jobs) for jobs in (1, 2))
    assert _bytes(one) == _bytes(two)


@pytest.mark.slow
def test_the_number_of_threads_changes_no_decision(tmp_path):
    study = tones_study(write_tones(tmp_path), audio="logmel")
    rows, before = [], torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            outcome = _elsewhere(study, tmp_path / str(count))
            rows.append(list(predictions.read(outcome.folder / "predictions.safetensors")))
    finally:
        torch.set_num_threads(before)
    one, two = (np.array([row.scores for row in each]) for each in rows)
    assert [replace(row, scores=()) for row in rows[0]] == [replace(r, scores=()) for r in rows[1]]
    assert np.array_equal(one.argmax(axis=1), two.argmax(axis=1))
    np.testing.assert_allclose(one, two, atol=1e-4)


def test_a_run_that_was_stopped_ends_as_an_undisturbed_one(tiny, tmp_path, monkeypatch):
    calls = []

    def break_down(*given, **named):
        calls.append(given)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return train.stacks_of(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr("fusion.training.arms.stacks_of", break_down)
        with pytest.raises(KeyboardInterrupt):
            run(tiny[0], tmp_path / "run")
    assert _bytes(run(tiny[0], tmp_path / "run")) == _bytes(tiny[1])


@pytest.mark.slow
def test_the_same_command_twice_at_once_gives_one_result(tmp_path, monkeypatch):
    """Two processes on one cache and one folder: one fits, the other waits and reads."""
    # Other processes do not see what a test has patched: 100 is what they know.
    monkeypatch.setattr(train, "MAX_EPOCHS", 100)
    study = write_corpus(tmp_path / "in", repeats=1, arms=("audio", "text"), trials=3, seeds=1)
    write_study(study, tmp_path / "study.toml")
    command = [
        sys.executable,
        "-c",
        "from experiments.commands.main import main; main()",
        "compare",
    ]
    command += ["--config", str(tmp_path / "study.toml"), "--jobs", "1", "--out"]
    both = [
        subprocess.Popen([*command, str(tmp_path / "run")], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    (tmp_path / "alone").mkdir()
    assert (tmp_path / "run" / "predictions.safetensors").read_bytes() == _bytes(
        _elsewhere(study, tmp_path / "alone")
    )


def test_a_shared_storage_gives_a_lone_run_what_it_has_and_stands_in_no_file(tmp_path, monkeypatch):
    study = write_corpus(tmp_path / "in", **{**SMALL, "trials": 3})
    first = run(study, tmp_path / "run")
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "another"))
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    again = compare(study, out=tmp_path / "shared", jobs=1, storage=url)
    for name in ("results.json", "predictions.safetensors"):
        assert (first.folder / name).read_bytes() == (again.folder / name).read_bytes()
    written = (path for path in again.folder.rglob("*") if path.is_file())
    assert not [path for path in written if b"studies.db" in path.read_bytes()]
    names = optuna.get_all_study_names(url)
    # One for each fold, and that of the model.
    assert all(re.fullmatch("audio-[0-9a-f]{32}", name) for name in names)
    assert len(names) == 4


def test_a_storage_that_does_not_answer_is_told_of_before_work(tmp_path):
    study = write_corpus(tmp_path / "in", **SMALL)
    with pytest.raises(StorageError, match="cannot be opened"):
        compare(study, out=tmp_path / "run", storage="nosuch://me:secret@host/db")
    assert not (tmp_path / "run").exists()


def test_seconds_are_in_no_result_and_stand_in_the_cost(tiny, results):
    assert "seconds" not in json.dumps(results["arms"])
    found = read_cost(tiny[1].folder)
    assert list(found.arms) == [arm for arm in results["arms"] if arm in TRAINED]
    for arm, folds in found.arms.items():
        assert all(len(fold.trial_seconds) == 2 for fold in folds), arm
        assert all((fold.final_seconds > 0) == (arm != "late") for fold in folds), arm


@pytest.mark.parametrize("damage", ["scores", "heads"])
def test_a_damaged_fit_is_made_again(tmp_path, damage):
    study = write_corpus(tmp_path / "in", **SMALL)
    first = _bytes(run(study, tmp_path / "run"))
    damaged = list((tmp_path / "cache" / "fits").glob(f"*.{damage}"))
    # Three folds have scores, and the final model with one seed and with those of its answers;
    # heads are kept of the first of these alone.
    assert len(damaged) == (5 if damage == "scores" else 1)
    for path in damaged:
        path.write_bytes(path.read_bytes()[:100])
    assert _bytes(run(study, tmp_path / "run")) == first
    assert FusionModel.load(tmp_path / "run" / "model").arm == "audio"


def test_a_model_knows_whether_a_synthesiser_spoke(tiny, tmp_path, monkeypatch):
    read = preparation.load_source
    study = write_corpus(tmp_path / "in", **SMALL)
    run(study, tmp_path / "people")
    made = lambda *given: replace(read(*given), synthetic=True)  # noqa: E731
    monkeypatch.setattr(preparation, "load_source", made)
    run(study, tmp_path / "machine")
    found = [FusionModel.load(tmp_path / name / "model") for name in ("people", "machine")]
    assert [one.origin.synthetic for one in found] == [False, True]
    assert found[0].origin.corpora == found[1].origin.corpora != ()


def test_a_folder_that_cannot_be_written_is_told_of_before_work(tmp_path, monkeypatch):
    study = write_corpus(tmp_path / "in", **SMALL)
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr("fusion.training.arms.stacks_of", None)
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"--out .*: .*file is a file; give a folder"):
            run(study, out)


SMALL = {"arms": ("audio",), "trials": 1, "seeds": 1, "repeats": 1}


@pytest.mark.parametrize("column", ["label", "fold", "speaker"])
def test_fits_of_other_rows_are_not_taken_over(column, tmp_path):
    study = write_corpus(tmp_path / "in", **SMALL)
    run(study, tmp_path / "before")
    path = Path(study.manifest)
    with path.open(newline="") as handle:
        table = list(csv.DictReader(handle))
    cells = {
        "label": lambda row: {"a": "b", "b": "a"}.get(row["label"], "c"),
        "fold": lambda row: int(row["speaker"][1]) // 2,
        "speaker": lambda row: f"s{int(row['speaker'][1]) + 3 * (row['label'] == 'a')}",
    }
    table = [{**row, column: cells[column](row)} for row in table]
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, table[0])
        writer.writeheader()
        writer.writerows(table)
    assert _bytes(run(study, tmp_path / "after")) == _bytes(_elsewhere(study, tmp_path / "x"))


def test_fits_of_other_inputs_are_not_taken_over(tmp_path):
    study = write_corpus(tmp_path / "in", **SMALL)
    run(study, tmp_path / "before")
    (tmp_path / "in" / "text.npz").rename(tmp_path / "in" / "audio.npz")
    study = replace(study, text=study.audio)
    assert _bytes(run(study, tmp_path / "after")) == _bytes(_elsewhere(study, tmp_path / "x"))


@pytest.mark.parametrize("speaker", ["../../x", "a/b", "...", "é" * 100], ids=range(4))
def test_a_fold_may_be_named_after_anything(speaker, tmp_path):
    study = write_corpus(tmp_path / "in", **SMALL, speakers=4, folds="speaker")
    manifest = Path(study.manifest)
    manifest.write_text(manifest.read_text().replace("s0", speaker))
    run(study, tmp_path / "a" / "b" / "run")
    outside = [p for p in tmp_path.rglob("*.npz") if "cache" not in p.parts and "in" not in p.parts]
    assert outside == []


# ---------------------------------------------------------------- rows

LACKING = ("u3", "u20")


@pytest.fixture
def lacking(tmp_path: Path) -> Study:
    return write_corpus(
        tmp_path / "in", without_audio=LACKING, arms=("audio", "text", "concat"), trials=0, seeds=1
    )


def _tested(outcome: Outcome) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in predictions.read(outcome.folder / "predictions.safetensors"):
        found.setdefault(row.arm, set()).add(row.utterance)
    return found


def test_rows_that_lack_a_modality_leave_every_arm(lacking, tmp_path):
    found = _tested(run(lacking, tmp_path / "run"))
    assert all(names & set(LACKING) == set() for names in found.values())


def test_rows_that_leave_are_listed(lacking, tmp_path):
    assert run(lacking, tmp_path / "run").results.rows.dropped == tuple(
        Dropped(name, "is not in the audio features") for name in LACKING
    )


def test_rows_that_leave_are_warned_of(lacking, tmp_path):
    warnings = run(lacking, tmp_path / "run").results.warnings
    assert "2 utterances left every arm; they are listed" in warnings


def test_with_all_rows_none_leaves(lacking, tmp_path):
    found = _tested(run(replace(lacking, rows="all"), tmp_path / "run"))
    assert all(set(LACKING) <= names for names in found.values())


def test_with_all_rows_nothing_is_listed(lacking, tmp_path):
    assert run(replace(lacking, rows="all"), tmp_path / "run").results.rows.dropped == ()


#: Of every class and of four speakers, who say each class once more.
TEN = tuple(f"u{6 * speaker + 3 + k}" for speaker in range(4) for k in range(3))[:10]


def _without_words(tmp_path: Path, rows: str) -> list[predictions.Prediction]:
    study = write_corpus(tmp_path / "in", without_text=TEN, trials=0, seeds=1, arms=TRAINED)
    outcome = run(replace(study, rows=rows), tmp_path / rows)
    return [
        r for r in predictions.read(outcome.folder / "predictions.safetensors") if r.split == "test"
    ]


def test_ten_rows_without_words_leave_every_arm_alike(tmp_path):
    found: dict[str, set[str]] = {}
    for row in _without_words(tmp_path, "complete"):
        found.setdefault(row.arm, set()).add(row.utterance)
    assert set(found) >= set(TRAINED)
    left = {f"u{n}" for n in range(36)} - set(TEN)
    assert all(names == left for names in found.values())


def test_with_all_rows_those_without_words_are_judged_by_the_token_that_stands_for_them(tmp_path):
    rows = _without_words(tmp_path, "all")
    assert {arm: sum(r.arm == arm for r in rows) for arm in TRAINED} == dict.fromkeys(TRAINED, 36)
    said = [{r.scores for r in rows if (r.arm, r.outer_fold) == ("text", f)} for f in "012"]
    lost = [
        {r.scores for r in rows if (r.arm, r.outer_fold) == ("text", f) and r.utterance in TEN}
        for f in "012"
    ]
    assert [len(scores) for scores in lost] == [1, 1, 1], "nothing is known of any of them"
    assert min(map(len, said)) > 5
    heard = {r.scores for r in rows if r.arm == "audio" and r.utterance in TEN}
    assert len(heard) == len(TEN)


# ---------------------------------------------------------------- sequences


def test_attention_by_name_over_single_frames_is_refused(tmp_path):
    study = write_corpus(tmp_path / "in", sequences=False, arms=("audio", "attention"))
    with pytest.raises(ConfigError, match=r"--arms .*attention: .*an MLP in disguise.*'lengths'"):
        run(study, tmp_path / "run")


def test_a_refused_study_writes_nothing(tmp_path):
    study = write_corpus(tmp_path / "in", sequences=False, arms=("attention",))
    with pytest.raises(ConfigError):
        run(study, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_attention_among_the_defaults_is_left_out_with_a_warning(tmp_path):
    study = write_corpus(tmp_path / "in", sequences=False)
    arms, warnings = check_sequences(study, chosen_arms(study))
    assert arms == ("audio", "text", "concat", "late")
    assert "left out audio_frames, attention" in warnings[0]


def test_frames_of_audio_do_not_need_tokens(tmp_path):
    study = write_corpus(tmp_path / "in", sequences=True, arms=("audio_frames",))
    flat = write_corpus(tmp_path / "flat", sequences=False)
    mixed = replace(study, text=flat.text)
    assert check_sequences(mixed, chosen_arms(mixed)) == (("audio_frames",), ())


def test_a_comparison_of_single_frames_is_made(tmp_path):
    study = write_corpus(tmp_path / "in", sequences=False, trials=0, seeds=1)
    arms = run(study, tmp_path / "run").results.arms
    assert list(arms) == ["audio", "text", "concat", "late", "best_unimodal", "best_fused"]


# ---------------------------------------------------------------- arms asked for


def test_late_fusion_brings_its_sides():
    study = Study(audio="a", text="t", corpus="demo", arms=("late",))
    assert chosen_arms(study) == ("audio", "text", "late")


def test_attention_brings_frames_of_audio():
    study = Study(audio="a", text="t", corpus="demo", arms=("attention",))
    assert chosen_arms(study) == ("audio_frames", "attention")


def test_an_unknown_arm_is_refused():
    study = Study(audio="a", text="t", corpus="demo", arms=("audio", "early"))
    with pytest.raises(ConfigError, match="--arms early: expected some of audio, text"):
        chosen_arms(study)


def test_features_for_words_need_no_recogniser(tmp_path, write_tone):
    from encoders.utterance import Utterance

    study = write_corpus(tmp_path / "in")
    spoken = Utterance(id="u0", audio=write_tone("in/u0.wav"), speaker="s0")
    assert to_recognise([spoken], "gold_else_asr") == [spoken]
    assert not reads_words(study, ("audio", "text"))


def test_arms_without_words_need_no_recogniser():
    study = Study(audio="logmel", text="minilm", corpus="demo")
    assert not reads_words(study, ("audio", "audio_frames"))
    assert reads_words(study, ("audio", "concat"))


# ---------------------------------------------------------------- faults before work starts


def edited(study: Study, header: str, cell) -> Study:
    """The study with one column of its manifest in the place of ``fold``."""
    path = Path(study.manifest)
    with path.open(newline="") as handle:
        table = list(csv.DictReader(handle))
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, ["id", "speaker", "label", header])
        writer.writeheader()
        columns = ("id", "speaker", "label")
        writer.writerows([{**{c: row[c] for c in columns}, header: cell(row)} for row in table])
    return study


def refused(study: Study, tmp_path: Path, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        run(study, tmp_path / "run")
    assert not (tmp_path / "run").exists()


SPLIT = {"s0": "dev", "s1": "test"}


def test_a_class_missing_in_official_development_is_named(tmp_path):
    study = edited(
        write_corpus(tmp_path / "in"), "split", lambda row: SPLIT.get(row["speaker"], "train")
    )
    path = Path(study.manifest)
    lines = [line for line in path.read_text().splitlines() if ",s0,c," not in line]
    path.write_text("\n".join(lines))
    refused(study, tmp_path, SplitError, "development holds no utterance of c")


def test_a_class_missing_in_official_training_is_named(tmp_path):
    study = edited(
        write_corpus(tmp_path / "in"),
        "split",
        lambda row: "test" if row["label"] == "c" or row["speaker"] == "s1" else "train",
    )
    path = Path(study.manifest)
    lines = [
        line for line in path.read_text().splitlines() if ",c,test" not in line or ",s1," in line
    ]
    path.write_text("\n".join(lines))
    refused(study, tmp_path, SplitError, "holds no utterance of c")


def test_a_class_of_one_speaker_is_named(tmp_path):
    study = write_corpus(tmp_path / "in")
    path = Path(study.manifest)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if ",c" not in line or ",s1," in line))
    refused(study, tmp_path, SplitError, "'c' is spoken by 1 of them")


def test_a_missing_speaker_is_named(tmp_path):
    study = write_corpus(tmp_path / "in")
    path = Path(study.manifest)
    path.write_text(path.read_text().replace("u5,s0", "u5,"))
    refused(study, tmp_path, SplitError, "u5: the speaker is not known")


def test_two_speakers_are_refused(tmp_path):
    study = write_corpus(tmp_path / "in", speakers=2)
    refused(study, tmp_path, SplitError, "2 speakers")


def test_one_class_is_refused(tmp_path):
    study = write_corpus(tmp_path / "in", classes=("a",), audio_of=(0,), text_of=(0,))
    refused(study, tmp_path, CorpusError, "at least two are needed")


def test_labels_that_nobody_has_are_refused(tmp_path):
    study = write_corpus(tmp_path / "in", labels=("a", "b", "c", "d"))
    refused(study, tmp_path, CorpusError, "no utterance of d")


def test_features_of_another_corpus_are_refused(tmp_path):
    study = write_corpus(tmp_path / "in")
    path = Path(study.manifest)
    path.write_text(path.read_text().replace("\nu", "\nx"))
    refused(study, tmp_path, ConfigError, "none of its 36 ids is an utterance's")


def test_an_official_split_with_development_is_kept(tmp_path):
    study = edited(
        write_corpus(tmp_path / "in", arms=("audio",), trials=0, seeds=1),
        "split",
        lambda row: SPLIT.get(row["speaker"], "train"),
    )
    rows = predictions.read(run(study, tmp_path / "run").folder / "predictions.safetensors")
    assert {r.split: r.speaker for r in rows if r.arm == "audio"} == {"dev": "s0", "test": "s1"}


# ---------------------------------------------------------------- what arms can know


def test_fusion_wins_where_each_modality_carries_half_of_the_label(tmp_path, thorough):
    study = write_corpus(
        tmp_path / "in",
        classes=("a", "b", "c", "d"),
        audio_of=(0, 0, 1, 1),
        text_of=(0, 1, 0, 1),
        noise=0.5,
        repeats=4,
        trials=0,
        seeds=1,
        arms=("audio", "text", "concat", "late"),
    )
    arms = run(study, tmp_path / "run").results.arms
    best = max(arms[name].uar.value for name in ("audio", "text"))
    assert min(arms[name].uar.value for name in ("concat", "late")) > best + 0.2


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("shuffled")
    study = write_corpus(folder / "in", shuffled=True, trials=1, seeds=1, repeats=8)
    return _elsewhere(study, folder).results.arms


# Pooled cross-validation scores of a null model lie below chance, most of all on few rows: what a
# leak would do is raise them, so that is what must not happen.


def test_shuffled_labels_raise_no_arm_above_chance(shuffled):
    assert all(arm.uar.value - 1 / 3 < 0.12 for arm in shuffled.values())


def test_shuffled_labels_leave_no_interval_above_chance(shuffled):
    assert all(arm.uar.low < 1 / 3 for arm in shuffled.values())


@pytest.fixture(scope="module")
def constant(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("constant")
    study = write_corpus(
        folder / "in",
        text_of=(0, 0, 0),
        noise=0.0,
        words="always the same",
        trials=1,
        seeds=2,
        arms=("audio", "text"),
    )
    return _elsewhere(study, folder)


def test_constant_text_is_exactly_at_chance(constant):
    found = constant.results.arms["text"].uar
    assert [found.low, found.value, found.high] == pytest.approx([1 / 3] * 3, abs=1e-12)


def test_constant_text_is_warned_of(constant):
    assert any(
        "the transcript is constant with respect to the label" in line
        for line in constant.results.warnings
    )


def test_constant_text_does_not_hurt_audio(constant):
    assert constant.results.arms["audio"].uar.value > 0.45

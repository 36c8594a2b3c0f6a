"""An encoder per fold: no test speaker is in its training, and every page says how it was."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner

from encoders.finetuning.settings import Settings
from encoders.provenance import WEIGHTS, read_provenance
from experiments.cache import collect_garbage, damaged, trained_encoders
from experiments.commands.main import app
from experiments.comparing import encoder_training, fold_encoders as views
from experiments.comparing.comparison import Outcome, compare
from experiments.comparing.verification import rebuild
from experiments.config import ConfigError, Study
from fusion.evaluation import predictions
from fusion.leakage.findings import LeakError
from tests.experiments.tones import ENCODER, change_rows, relabel, tones_study, write_tones

pytestmark = pytest.mark.usefixtures("few_epochs")

CROSSED = ("audio", "audio_linear", "text_linear", "concat_linear", "concat_crossfit")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Study, Outcome, Path]:
    """A run with cross-fitted arms, its study and its cache."""
    folder = tmp_path_factory.mktemp("tones")
    study = tones_study(write_tones(folder / "corpus"), arms=CROSSED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        return study, compare(study, out=folder / "run", jobs=1), folder / "cache"


@pytest.fixture
def manifest(tmp_path) -> Path:
    return write_tones(tmp_path / "corpus")


def folds_of(outcome: Outcome) -> list[dict]:
    return json.loads((outcome.folder / "folds.json").read_text())


def speaker(name: str, each: int = 4) -> str:
    return f"s{int(name[1:]) // each}"


def taught(monkeypatch) -> list[tuple[list, list]]:
    """Every training from now on: the utterances it is given."""
    found: list[tuple[list, list]] = []
    true = encoder_training.finetune

    def spy(heard, held, *rest, **options):
        found.append((list(heard), list(held)))
        return true(heard, held, *rest, **options)

    monkeypatch.setattr(encoder_training, "finetune", spy)
    return found


# ---------------------------------------------------------------- law 4


def test_no_training_is_given_a_test_speaker(monkeypatch, manifest, tmp_path):
    given = taught(monkeypatch)
    outcome = compare(tones_study(manifest), out=tmp_path / "run", jobs=1)
    folds = folds_of(outcome)
    assert len(given) == len(folds) == 2
    for fold, (heard, held) in zip(folds, given, strict=True):
        for one in (*heard, *held):
            assert one.speaker not in fold["test_speakers"]
            assert one.id in fold["train"]
        assert not {one.speaker for one in heard} & {one.speaker for one in held}


def test_records_in_the_cache_name_no_test_speaker(finished):
    _, outcome, cache = finished
    records = {path.name: read_provenance(path / WEIGHTS) for path in cache.glob("finetuned/*/")}
    told = outcome.results.facts.finetuned
    assert len(records) == len(told) == 3 * 2
    by_speakers = {frozenset((*r.train_speakers, *r.dev_speakers)) for r in records.values()}
    everyone = {f"s{number}" for number in range(6)}
    for fold in folds_of(outcome):
        left = everyone - set(fold["test_speakers"])
        assert left in by_speakers
    assert everyone not in by_speakers


def test_test_recordings_and_labels_change_no_bit_of_the_encoder(manifest, tmp_path):
    def split(row: list[str]) -> None:
        row[-1] = {"fold": "split", "0": "train", "1": "test"}[row[-1]]

    def poison(row: list[str]) -> None:
        if row[-1] == "test":
            row[3] = {"high": "low", "low": "high"}[row[3]]
            samples, rate = soundfile.read(manifest.parent / row[1], dtype="float32")
            soundfile.write(manifest.parent / row[1], samples[::-1] / 2, rate, subtype="FLOAT")

    change_rows(manifest, split)
    found = []
    for number in range(2):
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        study = tones_study(manifest, folds="split")
        results = compare(study, out=tmp_path / f"run{number}", jobs=1).results
        found.append([one.fingerprint for one in results.facts.finetuned])
        change_rows(manifest, poison)
    assert len(found[0]) == 1
    assert found[0] == found[1]


def test_a_record_that_names_a_test_speaker_stops_the_run(monkeypatch, manifest, tmp_path):
    true = views.trained_encoder

    def doctored(*given):
        found = true(*given)
        everyone = tuple(f"s{number}" for number in range(6))
        return replace(found, provenance=replace(found.provenance, train_speakers=everyone))

    monkeypatch.setattr(views, "trained_encoder", doctored)
    with pytest.raises(ConfigError, match="encoder has seen 12 utterances that it would be scored"):
        compare(tones_study(manifest), out=tmp_path / "run", jobs=1)
    assert not (tmp_path / "run").exists()


def test_a_recording_under_two_speakers_names_is_refused_before_training(
    monkeypatch, manifest, tmp_path
):
    shutil.copy(manifest.parent / "0.wav", manifest.parent / "20.wav")
    given = taught(monkeypatch)
    with pytest.raises(LeakError, match="identical audio: 2 of 24 scored utterances"):
        compare(tones_study(manifest), out=tmp_path / "run", jobs=1)
    assert not given


# ---------------------------------------------------------------- heads


def test_heads_are_selected_on_the_speakers_that_the_encoder_was_stopped_on(
    monkeypatch, manifest, tmp_path
):
    given = taught(monkeypatch)
    outcome = compare(tones_study(manifest), out=tmp_path / "run", jobs=1)
    for fold, (heard, held) in zip(folds_of(outcome), given, strict=True):
        (inner,) = fold["inner"]
        assert inner["dev"] == [one.id for one in held]
        assert inner["train"] == [one.id for one in heard]


def test_cross_fitted_heads_learn_from_rows_that_their_encoder_has_not_seen(finished):
    _, outcome, _ = finished
    told = outcome.results.facts.finetuned
    for fold in folds_of(outcome):
        own = [one for one in told if one.fold == fold["name"]]
        assert [one.part for one in own] == ["all", "first half", "second half"]
        (inner,), (one, other) = fold["inner"], fold["halves"]
        assert sorted((*one["train"], *other["train"])) == sorted(inner["train"])
        assert one["dev"] == other["dev"] == inner["dev"]
        # The first encoder is trained on what the second one's heads learn from.
        assert own[1].utterances == len(other["train"])
        assert own[2].utterances == len(one["train"])
        assert not {*map(speaker, one["train"])} & {*map(speaker, other["train"])}


def test_every_arm_has_the_same_test_rows_and_trials(finished):
    _, outcome, _ = finished
    rows = predictions.read(outcome.folder / "predictions.safetensors")
    tested = {arm: {(r.utterance, r.outer_fold) for r in rows if r.arm == arm} for arm in CROSSED}
    assert len({frozenset(own) for own in tested.values()}) == 1
    assert {outcome.results.arms[arm].trials for arm in CROSSED} == {0}


def test_a_row_without_audio_is_kept_where_that_is_asked(manifest, tmp_path):
    change_rows(manifest, lambda row: row[0] == "u2" and row.__setitem__(1, ""))
    study = tones_study(manifest, arms=("audio", "concat"), rows="all")
    outcome = compare(study, out=tmp_path / "run", jobs=1)
    assert outcome.results.rows.used == 24
    counts = {one.utterances for one in outcome.results.facts.finetuned}
    assert counts <= {7, 8}


# ---------------------------------------------------------------- what is kept


def test_a_repeated_command_trains_nothing_and_says_the_same(finished, monkeypatch, tmp_path):
    study, outcome, cache = finished
    monkeypatch.setenv("SERFUSION_CACHE", str(cache))
    given = taught(monkeypatch)
    again = compare(study, out=tmp_path / "again", jobs=1)
    assert not given
    parts = ("run", "arms", "differences", "warnings")
    assert [getattr(again.results, p) for p in parts] == [
        getattr(outcome.results, p) for p in parts
    ]
    told = (one.results.facts.finetuned for one in (again, outcome))
    assert next(told) == next(told)


def test_an_interrupted_command_goes_on_with_the_next_encoder(monkeypatch, manifest, tmp_path):
    given = taught(monkeypatch)
    spied = encoder_training.finetune

    def interrupted(*told, **options):
        if len(given) == 1:
            raise KeyboardInterrupt
        return spied(*told, **options)

    study = tones_study(manifest)
    monkeypatch.setattr(encoder_training, "finetune", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(study, out=tmp_path / "run", jobs=1)
    monkeypatch.setattr(encoder_training, "finetune", spied)
    compare(study, out=tmp_path / "run", jobs=1)
    assert len(given) == 2


def test_damaged_weights_are_found_removed_and_trained_again(monkeypatch, manifest, tmp_path):
    study = tones_study(manifest)
    first = compare(study, out=tmp_path / "run", jobs=1).results
    assert not list(damaged())
    hurt = trained_encoders()[0]
    content = bytearray((hurt / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (hurt / WEIGHTS).write_bytes(content)
    assert [path for path, _ in damaged()] == [hurt]
    assert hurt in collect_garbage()
    assert not list(damaged())
    given = taught(monkeypatch)
    again = compare(study, out=tmp_path / "run", jobs=1).results
    assert len(given) == 1
    assert again.run == first.run, "the same arguments give the same bytes"


def test_the_cache_lists_and_forgets_encoders(manifest, tmp_path):
    compare(tones_study(manifest), out=tmp_path / "run", jobs=1)
    assert "2 fine-tuned encoders" in CliRunner().invoke(app, ["cache", "ls"]).output
    assert CliRunner().invoke(app, ["cache", "verify"]).exit_code == 0
    CliRunner().invoke(app, ["cache", "gc"])
    assert len(trained_encoders()) == 2
    told = CliRunner().invoke(app, ["cache", "gc", "--encoders"]).output
    assert "2 fine-tuned encoders removed" in told
    assert not trained_encoders()


# ---------------------------------------------------------------- what is said


def test_the_report_says_who_was_heard_how_long_and_what_it_cost(finished):
    _, outcome, _ = finished
    page = (outcome.folder / "report.html").read_text()
    assert "Encoders trained in each fold, on its training speakers alone" in page
    assert "no test speaker was heard in training" in page
    assert "minutes of training in all" in page
    warnings = " ".join(outcome.results.warnings)
    assert f"the audio encoder ({ENCODER}) was fine-tuned in every fold on" in warnings
    assert "never on test speakers: 6 encoders" in warnings
    assert "embeddings of the same rows that the fine-tuned encoder was fitted on" in warnings
    assert "no model was left" in warnings
    assert not (outcome.folder / "model").exists()
    for one in outcome.results.facts.finetuned:
        assert one.precision == "float32"
        assert 1 <= one.epoch <= one.epochs <= 2
        assert 0 <= one.dev_uar <= 1
        assert one.seconds >= 0


def test_the_run_is_not_called_untrained(finished):
    _, outcome, _ = finished
    assert not outcome.results.facts.untrained


def test_linear_arms_are_compared_with_linear_arms(finished):
    _, outcome, _ = finished
    pairs = {
        (row.arm, row.against)
        for row in outcome.results.differences
        if not row.primary and row.metric == "uar"
    }
    assert pairs == {
        ("concat_linear", "audio_linear"),
        ("concat_linear", "text_linear"),
        ("concat_crossfit", "audio_linear"),
        ("concat_crossfit", "text_linear"),
        ("concat_crossfit", "concat_linear"),
    }


def test_a_report_is_made_again_and_a_changed_record_is_refused(finished, tmp_path):
    _, outcome, _ = finished
    folder = tmp_path / "copy"
    shutil.copytree(outcome.folder, folder)
    rebuild(folder)
    results = json.loads((folder / "results.json").read_text())
    results["facts"]["finetuned"][0]["train_speakers"] += 1
    (folder / "results.json").write_text(json.dumps(results))
    with pytest.raises(ValueError, match="changed since the run"):
        rebuild(folder)
    results["facts"]["finetuned"][0]["train_speakers"] = "<b>all</b>"
    (folder / "results.json").write_text(json.dumps(results))
    with pytest.raises(ValueError, match="not what a run wrote"):
        rebuild(folder)


def test_a_class_without_two_groups_of_speakers_is_told_before_training(
    monkeypatch, manifest, tmp_path
):
    change_rows(manifest, lambda row: row[2] in ("s4", "s5") and row.__setitem__(3, "low"))
    given = taught(monkeypatch)
    study = tones_study(manifest, arms=("audio_linear", "concat_crossfit"))
    with pytest.raises(ValueError, match="'high' is spoken by"):
        compare(study, out=tmp_path / "run", jobs=1)
    assert not given


# ---------------------------------------------------------------- other targets than one class


@pytest.mark.parametrize(
    ("task", "metric", "told"),
    [
        ("regression", "CCC", "development CCC"),
        ("multi-label", "weighted accuracy", "development weighted accuracy"),
        ("distribution", "UAR", "development UAR"),
    ],
)
def test_encoders_are_trained_on_values_sets_and_shares(tmp_path, task, metric, told):
    study = tones_study(relabel(write_tones(tmp_path / "corpus"), task), arms=("audio", "text"))
    outcome = compare(study, out=tmp_path / "run", jobs=1)
    assert outcome.results.task == task
    trained = outcome.results.facts.finetuned
    assert [one.dev_metric for one in trained] == [metric] * 2
    assert told in str(trained[0])
    assert told in (outcome.folder / "report.html").read_text()
    (again,) = {one.seconds for one in trained[:1]}
    repeated = compare(study, out=tmp_path / "again", jobs=1).results.facts.finetuned
    assert repeated[0].seconds == again, "what was trained is found again"


def test_a_loss_of_values_is_an_option_of_training(monkeypatch, tmp_path):
    manifest = relabel(write_tones(tmp_path / "corpus"), "regression")
    found = [
        compare(
            tones_study(manifest, audio=f"{ENCODER}{option}"),
            out=tmp_path / f"run{number}",
            jobs=1,
        ).results.facts.finetuned[0]
        for number, option in enumerate(("", ",train.loss=ccc", ",train.loss=mse"))
    ]
    assert found[0].dev_uar == found[1].dev_uar != found[2].dev_uar
    study = tones_study(write_tones(tmp_path / "classes"), audio=f"{ENCODER},train.loss=mse")
    with pytest.raises(ConfigError, match=r"train\.loss=mse: is a loss of values"):
        compare(study, out=tmp_path / "none", jobs=1)


def test_encoders_that_older_versions_kept_are_found(tmp_path):
    """Their hash, of settings that came later left out, is what it was."""
    settings = encoder_training._settings(Settings())
    assert list(settings) == [
        *("epochs", "patience", "batch_size", "learning_rate", "weight_decay", "dropout"),
        *("label_smoothing", "projection_dim", "pooling", "precision", "masks", "changes"),
    ]

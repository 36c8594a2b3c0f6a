"""Comparisons with more training data: what is scored, what is told, what the certificate finds."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from encoders.utterance import Corpus
from experiments.commands.main import app
from experiments.comparing.comparison import compare
from experiments.comparing.training import train as train_model
from experiments.comparing.verification import verify
from experiments.config import Study, identity_of
from experiments.corpora import load_source
from experiments.corpora.merged import merge
from fusion.evaluation import predictions
from fusion.leakage.findings import LeakError
from fusion.model.fusion_model import FusionModel
from fusion.splitting.splits import outer_folds
from fusion.training import train
from tests.experiments.tones import ENCODER, change_rows, tones_study, write_tones


@pytest.fixture(autouse=True)
def _few_epochs(monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 2)


@pytest.fixture
def both(tmp_path) -> tuple[Path, Path]:
    """Six speakers, and two others who say the same with other pitches."""
    main, more = write_tones(tmp_path / "main"), write_tones(tmp_path / "more", speakers=8)
    kept = more.read_text().splitlines()
    more = more.rename(more.with_name("more.csv"))
    more.write_text("\n".join([kept[0], *kept[-8:]]).replace(",high,", ",loud,") + "\n")
    change_rows(more, lambda row: row.pop())
    change_rows(more, lambda row: row.__setitem__(3, {"loud": "high"}.get(row[3], row[3])))
    return main, more


def study_of(both: tuple[Path, Path], **changes: object) -> Study:
    return tones_study(both[0], **{"audio": "logmel", "extra": str(both[1]), **changes})


def test_extra_rows_train_in_every_fold_and_stand_in_no_prediction(both, tmp_path):
    outcome = compare(study_of(both), out=tmp_path / "run", jobs=1)
    folds = json.loads((outcome.folder / "folds.json").read_text())
    extra = {f"extra/more/u{n}" for n in range(24, 32)}
    for fold in folds:
        assert extra <= {*fold["train"]}
        for inner in fold["inner"]:
            assert extra <= {*inner["train"]}
    rows = predictions.read(outcome.folder / "predictions.safetensors")
    assert not extra & {row.utterance for row in rows}
    assert {row.utterance for row in rows if row.split == "test"} == {f"u{n}" for n in range(24)}
    told = " ".join(outcome.results.warnings)
    assert "extra more: 8 utterances of 2 speakers join the training rows of every fold" in told
    assert "--extra" in (outcome.folder / "report.html").read_text()
    assert verify(outcome.folder).sound
    assert FusionModel.load(outcome.folder / "model").origin.corpora == ("tones", "more")


def test_heads_learn_from_it(both, tmp_path):
    scores = []
    for number, extra in enumerate((None, str(both[1]))):
        study = study_of(both, extra=extra)
        rows = predictions.read(compare(study, out=tmp_path / str(number), jobs=1).folder
                                / "predictions.safetensors")  # fmt: skip
        scores.append([row.scores for row in rows if row.split == "test"])
    assert scores[0] != scores[1]


def test_without_it_a_run_has_the_name_that_it_had(both):
    assert "extra" not in identity_of(study_of(both, extra=None))
    assert identity_of(study_of(both))["extra"] == str(both[1])


def test_a_speaker_who_is_tested_is_an_error_of_the_certificate(both, tmp_path):
    change_rows(both[1], lambda row: row[2] == "s7" and row.__setitem__(2, "s3"))
    with pytest.raises(LeakError, match="same speaker: 4 of 24 scored utterances"):
        compare(study_of(both), out=tmp_path / "run", jobs=1)


def test_a_copy_of_a_test_row_is_an_error_of_the_certificate(both, tmp_path):
    shutil.copy(both[0].parent / "3.wav", both[1].parent / "30.wav")
    with pytest.raises(LeakError, match="identical audio: 1 of 24 scored utterances"):
        compare(study_of(both), out=tmp_path / "run", jobs=1)
    source = ["check", "--manifest", str(both[0]), "--extra", str(both[1])]
    found = CliRunner().invoke(app, source)
    assert (found.exit_code, "identical audio" in found.output) == (1, True)


def test_an_encoder_of_a_fold_is_trained_on_it_too(both, tmp_path):
    results = compare(study_of(both, audio=ENCODER), out=tmp_path / "run", jobs=1).results
    alone = compare(study_of(both, audio=ENCODER, extra=None), out=tmp_path / "alone", jobs=1)
    counts = [[one.utterances for one in run.facts.finetuned] for run in (results, alone.results)]
    assert [more - less for more, less in zip(*counts, strict=True)] == [8, 8]


def test_a_model_of_everybody_is_trained_on_it_too(both, tmp_path):
    done = train_model(study_of(both), tmp_path / "model")
    assert (done.utterances, done.speakers) == (32, 8)
    assert done.model.origin.corpora == ("tones", "more")


# ---------------------------------------------------------------- both sides of a crossing


def merged(*manifests: Path) -> Corpus:
    return load_source(None, tuple(map(str, manifests)), None)


def test_a_corpus_on_both_sides_is_tested_in_folds_of_its_own(both):
    corpus = merged(*both)
    rows = {
        name: {u.id for u in corpus.utterances if u.corpus == name} for name in ("tones", "more")
    }
    folds = outer_folds(corpus.utterances, "cross:more+tones/tones")
    assert len(folds) == 5
    for fold in folds:
        assert rows["more"] <= {*fold.train}
        assert {*fold.train, *fold.test} == rows["more"] | rows["tones"]
    assert {name for fold in folds for name in fold.test} == rows["tones"]


def test_its_own_split_is_kept(both):
    def split(row: list[str]) -> None:
        row[-1] = {"fold": "split", "0": "train", "1": "test"}[row[-1]]

    change_rows(both[0], split)
    corpus = merged(*both)
    (fold,) = outer_folds(corpus.utterances, "cross:more+tones/tones")
    assert {u.split for u in corpus.utterances if u.id in fold.test} == {"test"}
    assert len(fold.train) == 12 + 8


def test_extra_data_join_several_corpora(both):
    corpus = merged(*both)
    more = replace(corpus, name="third", utterances=corpus.utterances[:4])
    assert merge([corpus, more]).name == "tones+more+third"
    third = both[1].with_name("third.csv")
    shutil.copy(both[1], third)
    whole = load_source(None, tuple(map(str, both)), None, None, str(third))
    assert {u.corpus for u in whole.utterances} == {"tones", "more", "third"}
    assert {u.speaker for u in whole.utterances if u.id in whole.extra} == {"third/s6", "third/s7"}

"""``--normalise``: refused where it cannot be, named beside every number, kept with the model."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from encoders.files import sealed
from encoders.utterance import Utterance
from experiments.comparing.comparison import compare, retrain
from experiments.comparing.own_statistics import check_groups, groups_of
from experiments.comparing.training import train
from experiments.comparing.verification import verify
from experiments.config import ConfigError, identity_of, study_from_options
from experiments.predicting.evaluate import evaluate
from experiments.predicting.predict import predict
from fusion.evaluation import predictions
from fusion.model.fusion_model import FusionModel
from fusion.model.onnx_export import export_onnx
from fusion.training.normalise import LEAST
from tests.experiments.comparing.test_cross_corpus import write_corpora
from tests.experiments.tones import change_rows, tones_study, write_tones

MARK = "transductive: standardised by the rows of each corpus, labels unread"


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return write_tones(tmp_path_factory.mktemp("tones"))


# ---------------------------------------------------------------- whose rows


def test_rows_are_of_their_corpus_speaker_or_recording():
    rows = [
        Utterance(id="a", speaker="ann", dialogue="1", session="x"),
        Utterance(id="b", speaker="ann", audio=Path("b.wav")),
        Utterance(id="c", speaker="ann", audio=Path("b.wav"), corpus="two"),
        Utterance(id="d", speaker="bob", audio=Path("d.wav")),
    ]

    def of(by):
        groups = groups_of(by, rows, "one", {"d": "more"})
        return [list(dict.fromkeys(groups)).index(group) for group in groups]

    assert of("corpus") == [0, 0, 1, 2]
    assert of("speaker") == [0, 0, 1, 2], "a name in another corpus is another person"
    assert of("recording") == [0, 1, 2, 3]


def test_a_dialogue_is_told_apart_in_each_session():
    rows = [Utterance(id=s, dialogue="1", session=s) for s in "xyx"]
    one, two, three = groups_of("recording", rows, "one", {})
    assert one == three != two


@pytest.mark.parametrize(("by", "column"), [("speaker", "speaker"), ("recording", "dialogue")])
def test_rows_that_do_not_say_whose_they_are_are_refused(by, column):
    rows = [Utterance(id="a", speaker="ann", dialogue="1"), Utterance(id="b")]
    with pytest.raises(ConfigError, match=f"1 row of 2 without a {by} .first b.*column {column}"):
        groups_of(by, rows, "one", {})


def test_groups_of_too_few_rows_are_refused():
    check_groups("speaker", [("one", "ann")] * LEAST)
    groups = [("one", "ann")] * LEAST + [("one", "bob")] * (LEAST - 1)
    with pytest.raises(ConfigError, match=r"1 of 2 have fewer than 3 rows .first bob with 2"):
        check_groups("speaker", groups)


# ---------------------------------------------------------------- studies


def test_a_study_that_does_not_use_it_keeps_its_name():
    given = {"corpus": "demo", "audio": "logmel", "text": "minilm"}
    plain, named, other = (
        identity_of(study_from_options(**given, **more))
        for more in ({}, {"normalise": "training"}, {"normalise": "corpus"})
    )
    assert plain == named
    assert "normalise" not in plain
    assert other == {**plain, "normalise": "corpus"}


def test_what_is_none_of_them_is_refused():
    with pytest.raises(ConfigError, match=r"normalise.*'training', 'corpus', 'speaker'"):
        study_from_options(corpus="demo", audio="logmel", text="minilm", normalise="person")


def test_each_file_alone_is_refused_as_a_recording_before_work(tones, tmp_path):
    study = tones_study(tones, audio="logmel", normalise="recording")
    for work in (
        lambda: compare(study, out=tmp_path / "run", jobs=1),
        lambda: train(study, tmp_path / "run"),
    ):
        with pytest.raises(ConfigError, match="--normalise recording: 24 of 24 have fewer than 3"):
            work()
    assert not (tmp_path / "run").exists()


# ---------------------------------------------------------------- runs


@pytest.fixture(scope="module")
def across(tmp_path_factory):
    """Two corpora, one of them far from the other; as they are and each by its own rows."""
    folder = tmp_path_factory.mktemp("across")
    study = replace(write_corpora(folder), folds="cross:one/two", seeds=2)
    stored = dict(np.load(folder / "audio.npz"))
    away = np.char.startswith(stored["id"], "two/")
    stored["values"][away] = 3 * stored["values"][away] + 40
    np.savez(folder / "audio.npz", **stored)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
        found = {
            by: compare(replace(study, normalise=by), out=folder / by, jobs=1)
            for by in ("training", "corpus", "speaker")
        }
    return found


def test_a_corpus_far_away_is_heard_by_its_own_rows(across):
    uar = {by: outcome.results.arms["audio"].uar.value for by, outcome in across.items()}
    assert uar["training"] == 0.5
    assert uar["corpus"] > 0.9


def test_it_is_named_in_results_tables_report_and_certificate(across):
    for by, outcome in across.items():
        mark = MARK.replace("corpus", by)
        assert outcome.results.facts.study["normalise"] == by
        report = (outcome.folder / "report.html").read_text(encoding="utf-8")
        tests = {test.name: test for test in outcome.results.certificate.tests}
        if by == "training":
            assert "transductive" not in report
            assert "statistics of other test rows" not in tests
            continue
        captions = [part.split("</caption>")[0] for part in report.split("<caption>")[1:]]
        assert mark in report
        assert all(f"TRANSDUCTIVE (by {by}): " in caption for caption in captions)
        for table in ("table.md", "table.tex"):
            assert mark in (outcome.folder / table).read_text(encoding="utf-8")
        looked = tests["statistics of other test rows"]
        assert (looked.status, looked.found, looked.of) == ("warning", 24, 24)
        assert f"their own {by}" in looked.note
        assert any("transductive" in line for line in outcome.results.warnings)
        assert f'normalise = "{by}"' in (outcome.folder / "config.toml").read_text()
        assert verify(outcome.folder).sound


def test_the_same_study_gives_the_same_again(across, monkeypatch):
    monkeypatch.setenv("SERFUSION_CACHE", str(across["corpus"].folder.parent / "cache"))
    again = retrain(across["corpus"].folder, jobs=1)
    assert again.results.arms == across["corpus"].results.arms


def test_labels_of_test_rows_change_no_score(across, tmp_path, monkeypatch):
    """Those of a test corpus as they are, and turned round."""
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "cache"))
    folder = across["corpus"].folder.parent
    for name in ("one.csv", "two.csv", "audio.npz"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    swap = {"angry": "happy", "happy": "angry"}
    change_rows(tmp_path / "two.csv", lambda row: row.__setitem__(2, swap.get(row[2], row[2])))
    study = replace(write_study(tmp_path), normalise="corpus", folds="cross:one/two", seeds=2)
    outcome = compare(study, out=tmp_path / "run", jobs=1)
    assert scores(outcome.folder) == scores(folder / "corpus")


def write_study(folder: Path):
    study = write_corpora(folder / "unused") if (folder / "unused").mkdir() is None else None
    assert study is not None
    return replace(
        study,
        audio=f"features:{folder / 'audio.npz'}",
        manifest=tuple(str(folder / f"{name}.csv") for name in ("one", "two")),
    )


def scores(run: Path) -> dict[tuple[str, str], list[float]]:
    """Scores of single predictions of test rows by arm and row."""
    return {
        (row.arm, row.utterance, row.seed): list(row.scores)
        for row in predictions.read(run / "predictions.safetensors")
        if row.split == "test"
    }


# ---------------------------------------------------------------- models


@pytest.fixture(scope="module")
def model(tones, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
        # Few, so that answers are not all 0 and 1.
        patch.setattr("fusion.training.train.MAX_EPOCHS", 2)
        train(tones_study(tones, audio="logmel", normalise="speaker"), folder / "model")
    return folder / "model"


def test_a_saved_model_knows_how_it_standardises(model, tmp_path):
    loaded = FusionModel.load(model)
    assert loaded.normaliser is not None
    assert loaded.normaliser.by == "speaker"
    assert "same speaker" in (model / "README.md").read_text(encoding="utf-8")
    loaded.save(tmp_path / "again")
    for name in ("model.json", "heads.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (model / name).read_bytes()


@pytest.mark.parametrize(
    ("arm", "audio", "inputs"),
    [
        ("late", "logmel", ["audio", "text"]),
        ("attention", "logmel", ["audio_frames", "text_tokens"]),
        (
            "audio",
            "alexnet:untrained@window_s=0.3,hop_s=0.1,windows=each",
            ["audio_windows"],
        ),
    ],
)
def test_whatever_an_arm_reads_is_standardised(tones, tmp_path, monkeypatch, arm, audio, inputs):
    monkeypatch.setattr("fusion.training.train.MAX_EPOCHS", 1)
    study = tones_study(tones, audio=audio, arms=(arm,), normalise="speaker")
    train(study, tmp_path / "model", jobs=1)
    loaded = FusionModel.load(tmp_path / "model")
    assert sorted(loaded.normaliser.training) == inputs
    assert not predict(tmp_path / "model", tmp_path / "p.csv", manifest=tones).failures


@pytest.mark.parametrize("by", ["person", None, 3, {"by": "training"}])
def test_a_rule_that_is_none_is_refused(model, tmp_path, by):
    FusionModel.load(model).save(tmp_path / "m")
    about = json.loads((tmp_path / "m" / "model.json").read_text())
    about["normalise"] = by if isinstance(by, dict) else {"by": by, "prior": 3.0}
    (tmp_path / "m" / "model.json").write_text(json.dumps(sealed(about)))
    with pytest.raises(ValueError, match="expected corpus, speaker or recording"):
        FusionModel.load(tmp_path / "m")


def test_a_model_whose_rule_was_taken_out_is_refused(model, tmp_path):
    FusionModel.load(model).save(tmp_path / "m")
    about = json.loads((tmp_path / "m" / "model.json").read_text())
    del about["normalise"]
    (tmp_path / "m" / "model.json").write_text(json.dumps(sealed(about)))
    with pytest.raises(ValueError, match="take the folder as it was written"):
        FusionModel.load(tmp_path / "m")


def test_rows_of_a_table_are_predicted_by_their_speaker(model, tones, tmp_path):
    predict(model, tmp_path / "p.csv", manifest=tones)
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    loaded = FusionModel.load(model)
    alone = [loaded.predict(Path(row["audio"])) for row in rows]
    found = [[float(row[name]) for name in loaded.targets] for row in rows]
    assert not np.allclose(found, [list(one.values()) for one in alone], atol=1e-3)
    # A person who is asked about alone, and only once more, is as among all the others.
    part = tmp_path / "part.csv"
    lines = tones.read_text().splitlines()
    part.write_text("\n".join([lines[0], *lines[5:9]]))
    predict(model, tmp_path / "q.csv", manifest=part, root=tones.parent)
    with (tmp_path / "q.csv").open(newline="", encoding="utf-8") as handle:
        again = [[float(row[name]) for name in loaded.targets] for row in csv.DictReader(handle)]
    np.testing.assert_allclose(again, found[4:8], atol=1e-5)


def test_files_without_a_speaker_are_refused(model, tones, tmp_path):
    with pytest.raises(ConfigError, match=r"24 rows of 24 without a speaker .*column speaker"):
        predict(model, tmp_path / "p.csv", folder=tones.parent)
    assert not (tmp_path / "p.csv").exists()


def test_an_evaluation_is_named_transductive(model, tmp_path):
    manifest = write_tones(tmp_path / "elsewhere", speakers=5, each=8)
    import soundfile

    for path in manifest.parent.glob("*.wav"):
        samples, rate = soundfile.read(path)
        soundfile.write(path, (0.7 * samples[:-200]).astype("f4"), rate, subtype="FLOAT")
    change_rows(manifest, lambda row: row.__setitem__(2, row[2].replace("s", "other ", 1)))
    change_rows(manifest, lambda row: row.__setitem__(2, row[2].replace("other peaker", "speaker")))
    outcome = evaluate(model, tmp_path / "run", manifest=str(manifest.rename(
        manifest.with_name("else.csv"))))  # fmt: skip
    assert outcome.results.facts.study["normalise"] == "speaker"
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "standardised by the rows of each speaker" in page
    assert any("transductive" in line for line in outcome.results.warnings)


def test_a_graph_of_single_rows_is_refused(model, tmp_path):
    pytest.importorskip("onnxruntime")
    with pytest.raises(ValueError, match=r"standardises by speaker.*--normalise training"):
        export_onnx(FusionModel.load(model), tmp_path / "m.onnx")

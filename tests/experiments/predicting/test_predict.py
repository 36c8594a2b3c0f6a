"""``serfusion predict``: a row for each file or segment, whatever cannot be read."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from encoders.files import sealed
from experiments.commands.main import app
from experiments.comparing.training import train
from experiments.config import OptionError
from experiments.predicting import answers
from experiments.predicting.predict import predict
from fusion.evaluation.backoff import LevelRule
from fusion.evaluation.conformal import PredictionSets
from fusion.evaluation.emotions import derived_values
from fusion.model.fusion_model import FusionModel
from tests.experiments.tones import tones_study, write_tones


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return write_tones(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def models(tones, tmp_path_factory):
    """A model of voice alone, and one of voice and words."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
        train(tones_study(tones, audio="logmel"), folder / "audio", jobs=1)
        patch.setattr("fusion.training.train.MAX_EPOCHS", 2)
        train(tones_study(tones, audio="logmel", arms=("late",)), folder / "late", jobs=1)
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_every_file_below_a_folder_has_a_row(models, tones, tmp_path):
    done = predict(models / "audio", tmp_path / "p.csv", folder=tones.parent)
    rows = rows_of(tmp_path / "p.csv")
    assert [row["id"] for row in rows] == sorted(str(n) for n in range(24))
    assert not done.failures
    model = FusionModel.load(models / "audio")
    for row in rows:
        expected = model.predict(Path(row["audio"]))
        assert [float(row[name]) for name in model.targets] == pytest.approx(
            list(expected.values()), abs=1e-5
        )
        assert row["most_probable"] == ("high", "low")[int(row["id"]) % 2]
        assert row["decision"] in ("", row["most_probable"])
        assert row["level"] == ("class" if row["decision"] else "")
        assert row["probability"] in ("", max(row["high"], row["low"]))
        # "high" and "low" are no words for emotions.
        assert row["derived_valence"] == row["derived_arousal"] == ""
        assert "prediction_set" not in row
    assert "24 encoded" in list(done.lines())[-1]


def test_a_coarser_answer_a_set_and_derived_values_are_columns(models, tones, tmp_path):
    model = FusionModel.load(models / "audio")
    made = replace(
        model,
        targets=("angry", "fear"),
        abstention=replace(model.abstention, threshold=1.1),
        levels=(LevelRule("class", 1.1, 0.0, None), LevelRule("group", 0.9, 1.0, 1.0)),
        sets=PredictionSets(9, (0.5, 0.0)),
    )
    made.save(tmp_path / "model")
    done = predict(
        tmp_path / "model", tmp_path / "p.csv", files=[tones.parent / "0.wav"], sets=0.51
    )
    (row,) = rows_of(tmp_path / "p.csv")
    assert (row["decision"], row["level"]) == ("negative, aroused", "group")
    assert float(row["probability"]) == pytest.approx(1)
    first, second = sorted(("angry", "fear"), key=lambda name: -float(row[name]))
    assert row["prediction_set"] == f"{first}|{second}"
    expected = derived_values((float(row["angry"]), float(row["fear"])), ("angry", "fear"))
    found = (float(row["derived_valence"]), float(row["derived_arousal"]))
    assert found == pytest.approx(expected, abs=1e-5)
    assert not done.failures


def test_sets_need_a_model_that_keeps_them(models, tones, tmp_path):
    FusionModel.load(models / "audio").save(tmp_path / "model")
    about = json.loads((tmp_path / "model" / "model.json").read_text())
    del about["sets"], about["levels"]
    (tmp_path / "model" / "model.json").write_text(json.dumps(sealed(about)))
    with pytest.raises(OptionError, match=r"--sets 0.8: the model keeps no thresholds of sets"):
        predict(tmp_path / "model", tmp_path / "p.csv", files=[tones.parent / "0.wav"], sets=0.8)
    assert not (tmp_path / "p.csv").exists()


def test_the_same_call_goes_on_from_the_cache(models, tones, tmp_path, monkeypatch):
    files = [tones.parent / f"{n}.wav" for n in range(4)]
    first = predict(models / "audio", tmp_path / "p.csv", files=files[:2])
    monkeypatch.setattr(answers, "CHUNK", 1)
    second = predict(models / "audio", tmp_path / "p.csv", files=files)
    third = predict(models / "audio", tmp_path / "q.csv", files=files)
    assert [one.answers.encoded for one in (first, second, third)] == [2, 2, 0]
    assert (tmp_path / "p.csv").read_bytes() == (tmp_path / "q.csv").read_bytes()


def test_voice_and_words_say_what_each_says_alone(models, tones, tmp_path):
    predict(models / "late", tmp_path / "p.csv", manifest=tones, asr="none")
    (row, *_) = rows_of(tmp_path / "p.csv")
    model = FusionModel.load(models / "late")
    both = model.predict(tones.parent / "0.wav", "said")
    voice = model.predict(tones.parent / "0.wav")
    assert float(row["high"]) == pytest.approx(both["high"], abs=1e-5)
    assert float(row["voice_high"]) == pytest.approx(voice["high"], abs=1e-5)
    assert {"words_high", "words_low"} < set(row)
    assert (row["transcript"], row["transcript_from"]) == ("said", "given")


def test_words_are_recognised_where_they_are_asked_for(models, tones, tmp_path, monkeypatch):
    asked = []

    def found(utterances, source, asr, *_):
        asked.append((len(utterances), source, asr))
        texts = {utterance.id: "=said" for utterance in utterances}
        return answers.Transcripts(texts, frozenset(texts), asr)

    monkeypatch.setattr(answers, "find_words", found)
    monkeypatch.setattr(answers, "recogniser_fingerprint", lambda _spec: "x")
    files = [tones.parent / "0.wav"]
    predict(models / "late", tmp_path / "p.csv", files=files, asr="whisper-tiny")
    predict(models / "audio", tmp_path / "q.csv", files=files, asr="whisper-tiny")
    assert asked == [(1, "gold_else_asr", "whisper-tiny"), (1, "gold", "whisper-tiny")]
    (row,) = rows_of(tmp_path / "p.csv")
    # A spreadsheet takes it for no formula.
    assert (row["transcript"], row["transcript_from"]) == ("'=said", "recognised")


def test_segments_of_one_file_are_rows(models, tones, tmp_path):
    (tmp_path / "m.csv").write_text(
        "id,audio,start_s,end_s\na,0.wav,0,0.3\nb,0.wav,0.3,0.7\n", encoding="utf-8"
    )
    predict(models / "audio", tmp_path / "p.csv", manifest=tmp_path / "m.csv", root=tones.parent)
    rows = rows_of(tmp_path / "p.csv")
    assert [(row["id"], row["start_s"], row["end_s"]) for row in rows] == [
        ("a", "0", "0.3"),
        ("b", "0.3", "0.7"),
    ]


def test_what_cannot_be_read_has_a_row_that_says_why(models, tones, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), 8000)
    (tmp_path / "m.csv").write_text(
        "id,audio,transcript\nbad,bad.wav,\nwords,,yes\nquiet,silent.wav,\n"
    )
    done = predict(models / "audio", tmp_path / "p.csv", manifest=tmp_path / "m.csv")
    rows = {row["id"]: row for row in rows_of(tmp_path / "p.csv")}
    assert rows["bad"]["high"] == rows["words"]["high"] == ""
    assert rows["bad"]["note"]
    assert rows["words"]["note"] == "has no audio"
    assert rows["quiet"]["note"] == "silent"
    assert {failure.utterance for failure in done.failures} == {"bad", "words"}


def test_a_long_file_is_one_utterance_and_its_row_says_so(models, tones, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.predicting.predict.LONG_S", 0.5)
    predict(models / "audio", tmp_path / "p.csv", files=[tones.parent / "0.wav"])
    (row,) = rows_of(tmp_path / "p.csv")
    assert "serfusion interview finds its segments" in row["note"]


def test_names_that_are_alike_are_told_apart_by_their_folders(models, tones, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.wav").write_bytes((tones.parent / "0.wav").read_bytes())
    (tmp_path / ".hidden.wav").write_bytes(b"")
    predict(models / "audio", tmp_path / "p.csv", folder=tmp_path)
    assert [row["id"] for row in rows_of(tmp_path / "p.csv")] == ["one/0.wav", "two/0.wav"]


def test_the_table_is_an_arm_of_a_comparison(models, tones, tmp_path):
    """``scores:`` reads the columns of the targets, and tells what else there is."""
    from encoders.manifest import read_manifest
    from experiments.comparing.scores_file import read_scores

    predict(models / "late", tmp_path / "p.csv", manifest=tones, asr="none")
    corpus = read_manifest(tones)
    scores = read_scores(f"scores:{tmp_path / 'p.csv'}", corpus, {}, corpus.utterances)
    assert (scores.form, len(scores.rows)) == ("probabilities", 24)
    assert "voice_high" in scores.unread


# ---------------------------------------------------------------- refused before any work


def test_a_model_of_another_format_is_refused_and_nothing_written(models, tones, tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    for file in (models / "audio").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    about = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(sealed({**about, "format": 1})))
    with pytest.raises(ValueError, match="a model of format 1, but this version reads"):
        predict(folder, tmp_path / "p.csv", folder=tones.parent)
    assert not (tmp_path / "p.csv").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "none is given"),
        ({"files": [Path("a.wav")], "folder": Path()}, "several are given"),
        ({"files": [Path("nowhere/a.wav")]}, "1 file not there"),
        ({"folder": Path("nowhere")}, "is no folder"),
        ({"manifest": Path("nowhere.csv")}, "no such file"),
    ],
)
def test_nothing_to_predict_for_is_an_error(given, message, models, tmp_path):
    with pytest.raises(ValueError, match=message):
        predict(models / "audio", tmp_path / "p.csv", **given)


def test_a_folder_is_no_table(models, tones, tmp_path):
    with pytest.raises(OptionError, match="give a file"):
        predict(models / "audio", tmp_path, folder=tones.parent)


def test_the_command_writes_and_says_where(models, tones, tmp_path):
    words = ["predict", models / "audio", tones.parent / "0.wav", tones.parent / "1.wav"]
    words += ["--out", tmp_path / "p.csv"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert "2 rows" in done.output
    assert len(rows_of(tmp_path / "p.csv")) == 2


def test_what_people_said_is_their_owner_s_alone(models, tones, tmp_path):
    (tmp_path / "there").mkdir(mode=0o755)
    for folder in (tmp_path / "made", tmp_path / "there"):
        predict(models / "audio", folder / "p.csv", files=[tones.parent / "0.wav"])
        assert (folder / "p.csv").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o700
    # A folder that was there is its owner's to open.
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o755


def test_no_cell_starts_a_formula(models, tones, tmp_path):
    evil = tmp_path / "=HYPERLINK(1).wav"
    evil.write_bytes((tones.parent / "0.wav").read_bytes())
    manifest = tmp_path / "m.csv"
    (tmp_path / "damaged.wav").write_bytes(b"no sound")
    manifest.write_text(f"id,audio,transcript\n@id,{evil.name},=cmd()|x\n-2+3,damaged.wav,+1+1\n")
    predict(models / "audio", tmp_path / "p.csv", manifest=manifest)
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as handle:
        cells = [cell for row in csv.reader(handle) for cell in row]
    assert "'@id" in cells
    assert not [
        cell for cell in cells if cell.startswith(("=", "+", "-", "@")) and not is_number(cell)
    ]


def is_number(cell: str) -> bool:
    try:
        return float(cell) is not None
    except ValueError:
        return False

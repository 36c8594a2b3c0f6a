"""Which rows and arms a comparison takes, what it refuses before any work, what arms can know."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from encoders.utterance import CorpusError
from experiments.comparing.comparison import Outcome
from experiments.comparing.inputs import check_sequences, reads_words
from experiments.comparing.preparation import chosen_arms
from experiments.comparing.transcripts import to_recognise
from experiments.config import ConfigError, Study
from experiments.reporting.results_schema import Dropped
from fusion.evaluation import predictions
from fusion.networks.heads import HEADS
from fusion.splitting.splits import SplitError
from fusion.training import train
from tests.experiments.feature_studies import TRAINED, run, run_elsewhere, write_corpus

pytestmark = pytest.mark.usefixtures("few_epochs")


@pytest.fixture
def thorough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults that learn within few epochs."""
    monkeypatch.setattr(train, "MAX_EPOCHS", 25)
    quick = {
        kind: replace(head, defaults=replace(head.defaults, learning_rate=1e-2))
        for kind, head in HEADS.items()
    }
    monkeypatch.setattr("fusion.training.arms.HEADS", quick)


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
    refused(
        study, tmp_path, CorpusError, "'d': no class or set of manifest; its classes are a, b, c"
    )


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
    return run_elsewhere(study, folder).results.arms


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
    return run_elsewhere(study, folder)


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

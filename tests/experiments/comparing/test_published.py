"""A published classifier beside trained arms, from manifest to results."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from encoders.audio.reading import read_segment
from encoders.encoder import load_encoder
from encoders.pretrained.classifiers import ClassifierError, classifier_spec
from encoders.specs import SpeechSpec
from encoders.typed_names import SHORT_NAMES
from experiments.commands import main as cli
from experiments.comparing.comparison import Outcome, compare
from experiments.comparing.preparation import chosen_arms
from experiments.comparing.published import checkpoint_of
from experiments.comparing.verification import rebuild
from experiments.config import ConfigError, Study, read_study
from experiments.reporting.results_schema import PublishedFact
from fusion.evaluation import predictions
from fusion.training.published import in_units

pytestmark = pytest.mark.usefixtures("few_epochs")

LABELS = ("happy", "neutral", "surprised")
Corpus = Callable[..., Study]


@pytest.fixture
def corpus(write_tone: Callable[..., Path], tmp_path: Path) -> Corpus:
    """A manifest of tones with words, six speakers, one utterance of each class."""

    def make(*arms: str, **study: object) -> Study:
        with (tmp_path / "manifest.csv").open("w", newline="") as handle:
            rows = csv.writer(handle)
            rows.writerow(["id", "audio", "speaker", "label", "transcript"])
            for n in range(18):
                path = write_tone(f"{n}.wav", 0.2 + 0.01 * n, hertz=100.0 + 30 * n, seed=n)
                words = ("no", "the horse", "very loud")[n % 3]
                rows.writerow([f"u{n}", path.name, f"s{n // 3}", LABELS[n % 3], words])
        features = np.random.default_rng(0).standard_normal((18, 4)).astype(np.float32)
        np.savez(tmp_path / "text.npz", id=[f"u{n}" for n in range(18)], values=features)
        text = f"features:{tmp_path / 'text.npz'}"
        settings = {"audio": "logmel", "text": text, "trials": 0, "seeds": 2, **study}
        return Study(manifest=str(tmp_path / "manifest.csv"), arms=arms, **settings)

    return make


def run(study: Study, folder: Path) -> Outcome:
    return compare(study, out=folder / "run", jobs=1)


def test_a_published_classifier_is_an_arm_like_the_others(corpus, speech_classifier, tmp_path):
    folder = speech_classifier("hubert")
    name = f"pretrained:{folder}"
    told: list[str] = []
    done = compare(corpus("audio", name), out=tmp_path / "run", jobs=1, notify=told.append).results
    arm = done.arms[name]
    assert list(done.arms) == ["audio", name, "best_unimodal"]
    assert arm.trials == 0
    assert f"{name}: neu is neutral, hap is happy" in told
    assert done.facts.published[name] == PublishedFact(
        checkpoint=str(folder),
        kind="audio",
        map={"neu": "neutral", "hap": "happy"},
        unused=("ang", "sad"),
        absent=("surprised",),
    )
    rows = predictions.read(tmp_path / "run" / "predictions.safetensors")
    keys = {
        one: sorted((r.outer_fold, r.split, r.inner_fold, r.seed, r.utterance) for r in own)
        for one in ("audio", name)
        if (own := [r for r in rows if r.arm == one])
    }
    assert keys["audio"] == keys[name]
    _check_scores([row for row in rows if row.arm == name], folder, tmp_path)
    assert rebuild(tmp_path / "run").arms[name] == arm


def _check_scores(rows: list[predictions.Prediction], folder: Path, audio: Path) -> None:
    """Of every fold, split and seed the shares of the two labels that the corpus has."""
    encoder = load_encoder(classifier_spec(str(folder)))
    for row in rows:
        sound = read_segment(audio / f"{row.utterance.removeprefix('u')}.wav")
        neutral, happy = np.exp(encoder.encode([sound])[0].numpy()[0, 0, :2].astype(float))
        expected = (happy / (happy + neutral), neutral / (happy + neutral), 0)
        assert row.scores == pytest.approx(expected, abs=2e-6)


def test_its_differences_are_exploratory_and_its_row_is_warned_of(
    corpus, speech_classifier, tmp_path
):
    name = f"pretrained:{speech_classifier('hubert')}"
    results = run(corpus("audio", "text", "late", name), tmp_path).results
    pairs = [(d.arm, d.against) for d in results.differences if d.metric == "uar"]
    assert pairs == [
        *[("best_fused", "best_unimodal"), ("late", "audio"), ("late", "text")],
        (name, "audio"),
    ]
    (own,) = [d for d in results.differences if d.arm == name and d.metric == "uar"]
    assert not own.primary
    assert own.p_holm >= own.p
    chosen = {
        fold.chosen for b in ("best_unimodal", "best_fused") for fold in results.arms[b].folds
    }
    assert chosen <= {"audio", "text", "late"}
    warned = [line for line in results.warnings if line.startswith(name)]
    assert [len(warned), "may have been trained on this corpus" in warned[0]] == [3, True]
    assert "never says surprised" in warned[1]
    assert "ang, sad stand for no class" in warned[2]


def test_a_second_run_reads_the_logits_from_the_cache(corpus, speech_classifier, tmp_path):
    study = corpus(f"pretrained:{speech_classifier('hubert')}")
    first = run(study, tmp_path / "first").results
    second = run(study, tmp_path / "second").results
    assert (first.facts.encoded, second.facts.encoded) == (18, 0)
    assert first.arms == second.arms


def test_alone_it_leaves_a_report_and_no_model(corpus, speech_classifier, tmp_path):
    outcome = run(corpus(f"pretrained:{speech_classifier('hubert')}"), tmp_path)
    assert (outcome.folder / "report.html").is_file()
    assert not (outcome.folder / "model").exists()


def test_a_text_classifier_reads_the_words_and_stands_against_the_text_arm(
    corpus, text_classifier, tmp_path
):
    name = f"pretrained:{text_classifier('bert')}"
    results = run(corpus("text", name), tmp_path).results
    assert results.facts.published[name].kind == "text"
    assert {(d.arm, d.against) for d in results.differences} == {(name, "text")}


def test_rows_that_it_cannot_hear_leave_every_arm(corpus, speech_classifier, tmp_path):
    study = corpus("text", f"pretrained:{speech_classifier('hubert')}")
    lines = (tmp_path / "manifest.csv").read_text().replace("17.wav", "")
    (tmp_path / "manifest.csv").write_text(lines)
    results = run(study, tmp_path).results
    assert results.rows.used == 17
    (dropped,) = results.rows.dropped
    assert dropped.id == "u17"
    assert "has no input for pretrained:" in dropped.why


def test_another_map_is_another_result(corpus, speech_classifier, tmp_path):
    name = f"pretrained:{speech_classifier('hubert')}"
    study = corpus(name, map=("ang=surprised", "neu=none"))
    results = run(study, tmp_path).results
    assert results.facts.published[name].map == {"hap": "happy", "ang": "surprised"}
    config = (tmp_path / "run" / "config.toml").read_text()
    assert 'map = ["ang=surprised", "neu=none"]' in config


def test_the_command_takes_arms_and_map_and_tells_what_is_what(
    corpus, speech_classifier, tmp_path, monkeypatch, capsys
):
    name = f"pretrained:{speech_classifier('hubert', ('neu', '[red]', 'x', 'sad'))}"
    study = corpus(name)
    words = ["--manifest", study.manifest, "--audio", "logmel", "--text", study.text]
    words += ["--arms", name, "--map", "[red]=happy,x=surprised", "--out", tmp_path / "run"]
    words += ["--trials", 0, "--seeds", 1]
    monkeypatch.setattr(sys, "argv", ["serfusion", "compare", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    told = " ".join(capsys.readouterr().err.split())
    assert "neu is neutral, [red] is happy, x is surprised" in told
    study = read_study(tmp_path / "run" / "config.toml")
    assert (study.arms, study.map) == ((name,), ("[red]=happy", "x=surprised"))


def test_short_names_of_transformers_are_taken(corpus, speech_classifier, tmp_path, monkeypatch):
    assert checkpoint_of("pretrained:ser-hubert-large") == "superb/hubert-large-superb-er"
    assert checkpoint_of("pretrained:roberta-base") == "FacebookAI/roberta-base"
    assert checkpoint_of("pretrained:superb/other") == "superb/other"
    spec = SpeechSpec(checkpoint=str(speech_classifier("hubert")))
    monkeypatch.setitem(SHORT_NAMES, "tiny-ser", spec)
    outcome = run(corpus("pretrained:tiny-ser"), tmp_path)
    assert outcome.results.facts.published["pretrained:tiny-ser"].checkpoint == spec.checkpoint


# ---------------------------------------------------------------- values


@pytest.fixture
def values(corpus) -> Corpus:
    """The same tones with valence from 1 to 7 and arousal from 0 to 100, in two folds."""

    def make(*arms: str, **study: object) -> Study:
        made = corpus(*arms, **study)
        with Path(made.manifest).open(newline="") as handle:
            head, *rows = csv.reader(handle)
        with Path(made.manifest).open("w", newline="") as handle:
            table = csv.writer(handle)
            table.writerow([*head[:3], "transcript", "valence", "arousal", "fold"])
            for n, row in enumerate(rows):
                table.writerow([*row[:3], row[4], 1 + 6 * n / 17, 100 - 5 * n, n // 3 % 2])
        return made

    return make


DIMENSIONS = ("arousal", "dominance", "valence")


def test_values_of_a_published_model_are_an_arm_in_the_units_of_the_corpus(
    values, speech_classifier, tmp_path
):
    folder = speech_classifier("hubert", DIMENSIONS)
    arm = f"pretrained:{folder}"
    study = values("audio", arm)
    outcome = run(study, tmp_path)
    every = predictions.read(outcome.folder / "predictions.safetensors")
    rows = [row for row in every if row.arm == arm and row.split == "test"]
    assert {row.utterance for row in rows} == {f"u{n}" for n in range(18)}
    paths = [Path(study.manifest).parent / f"{n}.wav" for n in range(18)]
    encoder = load_encoder(classifier_spec(str(folder)))
    said = np.stack([encoder.encode([read_segment(path)])[0][0, 0].numpy() for path in paths])
    said = said[:, [2, 0]].astype(float)
    n = np.arange(18)
    true = np.stack([1 + 6 * n / 17, 100.0 - 5 * n], axis=1)
    for row in rows:
        number = int(row.utterance[1:])
        train = n // 3 % 2 != number // 3 % 2
        scale = true[train].std(axis=0) / said[train].std(axis=0)
        found = (said[number] - said[train].mean(axis=0)) * scale + true[train].mean(axis=0)
        np.testing.assert_allclose(row.scores, found, rtol=1e-3)
    assert outcome.results.arms[arm].ccc is not None
    warned = [line for line in outcome.results.warnings if line.startswith(arm)]
    assert "its values are brought to the units of the corpus" in warned[-1]


def test_values_that_never_vary_become_the_mean():
    found = in_units(np.ones((3, 1)), np.array([[1.0], [3.0], [9.0]]), np.array([0, 1]))
    np.testing.assert_array_equal(found, np.full((3, 1), 2.0))


def test_values_and_classes_are_not_taken_for_each_other(
    values, corpus, speech_classifier, tmp_path
):
    of_values, of_classes = (
        f"pretrained:{speech_classifier('hubert', labels)}"
        for labels in (DIMENSIONS, ("hap", "neu", "sur"))
    )
    with pytest.raises(ConfigError, match=r"predicts values \(arousal, .*targets are classes"):
        run(corpus("audio", of_values), tmp_path)
    with pytest.raises(ConfigError, match=r"predicts classes \(hap, .*targets are values"):
        run(values("audio", of_classes), tmp_path)
    with pytest.raises(ConfigError, match="expected one of its values for each: say which as in"):
        run(values("audio", of_values, map=("valence=none",)), tmp_path)
    with pytest.raises(ConfigError, match="expected one of its values for each"):
        run(values("audio", of_values, map=("dominance=valence",)), tmp_path)


# ---------------------------------------------------------------- refused before any work


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ser-hubert-larg", "no such checkpoint; did you mean ser-hubert-large"),
        ("minilm", "minilm is no transformer with a head"),
        ("alexnet", "alexnet is no transformer with a head"),
    ],
)
def test_a_short_name_of_nothing_with_a_head_is_refused(name, message, corpus, tmp_path):
    with pytest.raises(ConfigError, match=rf"--arms pretrained:{name}: {message}"):
        run(corpus("audio", f"pretrained:{name}"), tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rows": "all"}, "--rows all cannot go with pretrained:"),
        ({"map": ("joy=happy",)}, "no published classifier says joy; they say ang, hap, neu, sad"),
        ({"map": ("hap=glad",)}, "the corpus has happy, neutral, surprised"),
        ({"map": ("hap=none", "neu=none")}, "none of its labels is a class of the corpus"),
    ],
)
def test_what_cannot_be_is_refused_before_work(
    changed, message, corpus, speech_classifier, tmp_path
):
    study = corpus(f"pretrained:{speech_classifier('hubert')}", **changed)
    with pytest.raises(ConfigError, match=message):
        run(study, tmp_path)
    assert not (tmp_path / "cache").exists()


def test_a_map_without_a_published_classifier_is_refused(corpus, tmp_path):
    with pytest.raises(ConfigError, match="no arm to map"):
        run(corpus("audio", map=("hap=happy",)), tmp_path)


def test_a_checkpoint_without_a_head_is_refused_before_work(corpus, speech_checkpoint, tmp_path):
    with pytest.raises(ClassifierError, match="found no head"):
        run(corpus("audio", f"pretrained:{speech_checkpoint('hubert')}"), tmp_path)
    assert not (tmp_path / "cache").exists()


def test_a_published_arm_needs_a_name(corpus):
    study = corpus("audio", "pretrained:")
    with pytest.raises(ConfigError, match=r"--arms pretrained:: expected .*pretrained:NAME"):
        chosen_arms(study)
    assert chosen_arms(replace(study, arms=("pretrained:a/b", "audio", "pretrained:a/b"))) == (
        *("audio", "pretrained:a/b"),
    )

"""From options to cells: values, references, and every combination that is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.ablation.cells import CellChanges
from experiments.ablation.encoder_options import option_value, with_option
from experiments.ablation.factors import find_factor
from experiments.ablation.grid import FactorSpec, Grid, make_grid, paired_values
from experiments.commands.ablate import FACTORS
from experiments.config import ConfigError, OptionError, Study

STUDY = Study(audio="logmel", text="minilm", corpus="demo", asr="whisper-tiny.en")


def grid_of(factor: str, values: str | None = None, study: Study = STUDY, **how) -> Grid:
    return make_grid(study, [FactorSpec(factor, values)], **how)


def titles(grid: Grid) -> list[str]:
    return [cell.title for cell in grid.cells]


@pytest.mark.parametrize(
    ("factor", "values", "expected", "reference"),
    [
        ("modality", None, ["audio+text", "audio", "text"], "audio+text"),
        ("head", "late,concat", ["late", "concat"], "late"),
        ("audio", "mfcc,logmel", ["mfcc", "logmel"], "logmel"),
        ("audio", "mfcc,mfcc13", ["mfcc", "mfcc13"], "mfcc"),
        ("audio", "mfcc", ["logmel", "mfcc"], "logmel"),
        ("trials", "0,5", ["0", "5"], "0"),
        ("trials", "0,20", ["0", "20"], "20"),
        ("audio@n_mels", "40,80", ["40", "80"], "80"),
        ("window", "25.0,50", ["25", "50"], "25"),
        ("hop", "5,20", ["5", "20"], "5"),
        ("pooling", "mean+std+max,mean", ["mean+std+max", "mean"], "mean+std+max"),
        ("transcript", "wer=0.1,0.2", ["gold", "wer=0.1", "wer=0.2"], "gold"),
        ("transcript", "asr,gold", ["whisper-tiny.en", "gold"], "gold"),
        ("speakers", "4,2", ["4", "2", "all"], "all"),
        ("noise", "white:10,reverb:0.60", ["clean", "white:10", "reverb:0.6"], "clean"),
        ("noise", "reverb", ["clean", "reverb:0.3", "reverb:0.6", "reverb:1"], "clean"),
        ("head@loss", "focal,cross_entropy", ["focal", "cross_entropy"], "cross_entropy"),
    ],
)
def test_values_are_tidied_and_one_of_them_is_the_reference(factor, values, expected, reference):
    grid = grid_of(factor, values)
    assert titles(grid) == expected
    assert grid.reference.title == reference


def test_a_cell_has_the_study_with_its_value_and_nothing_else_changed():
    grid = grid_of("audio@n_mels", "40,80")
    assert [cell.draft.study.audio for cell in grid.cells] == [
        "logmel@n_mels=40",
        "logmel@n_mels=80",
    ]
    assert {cell.draft.study.text for cell in grid.cells} == {"minilm"}
    assert {cell.draft.changes for cell in grid.cells} == {CellChanges()}


def test_what_changes_nothing_has_no_identity_of_its_own():
    assert not CellChanges(seed=3, arm="audio").identity
    assert CellChanges(word_errors=0.1).identity != CellChanges(word_errors=0.1, seed=1).identity


def test_two_factors_are_crossed_and_an_encoder_comes_before_its_options():
    over = [FactorSpec("audio@n_mels", "40,80"), FactorSpec("audio", "logmel,mfcc")]
    grid = make_grid(STUDY, over)
    assert len(grid.cells) == 4
    typed = {cell.draft.study.audio for cell in grid.cells}
    assert typed == {f"{name}@n_mels={n}" for name in ("logmel", "mfcc") for n in (40, 80)}
    assert grid.reference.values == {"audio@n_mels": "80", "audio": "logmel"}


def test_cells_have_folders_of_their_own_whatever_their_values():
    grid = grid_of("labels", "a,b;a, c;../x")
    names = [cell.folder for cell in grid.cells]
    assert len(set(names)) == len(names)
    assert all("/" not in name and not name.startswith(".") for name in names)


def test_the_learning_curve_without_values_doubles_up_to_all():
    assert titles(grid_of("speakers", None, most=11)) == ["2", "4", "8", "all"]


@pytest.mark.parametrize(
    ("factor", "values", "words"),
    [
        ("windw", None, "did you mean window"),
        ("zzz", None, "known are modality"),
        ("trials", "5,5", "given twice"),
        ("audio", None, "give two or more"),
        ("labels", "a", "give two or more"),
        ("trials", "0,,5", "value 2 of 3 is empty"),
        ("trials", "0,5,", "value 3 of 3 is empty"),
        ("audio", "logmel;;mfcc", "value 2 of 3 is empty"),
        ("speakers", None, "trained on 0 speakers"),
    ],
)
def test_what_makes_no_grid_is_a_fault_of_the_options(factor, values, words):
    with pytest.raises(OptionError, match=words):
        grid_of(factor, values)


@pytest.mark.parametrize(
    ("factor", "values", "study", "words"),
    [
        ("trials", "0,many", {}, "whole number"),
        ("missing", "0.5", {}, "needs --rows all"),
        ("missing", "1.5", {"rows": "all"}, "expected a share"),
        ("noise", "white:loud", {}, "--values white:loud: white noise, expected a number"),
        ("transcript", "wer=much", {}, "--values wer=much: word error rate, expected a number"),
        ("noise", "white:900", {}, "-60 to 60 dB"),
        ("noise", "reverb:-1", {}, "reverberation time"),
        ("noise", "pink:3", {}, "no such noise"),
        ("noise", "white:3", {"audio": "features:a.npz"}, "computed from clean recordings"),
        ("noise", "white:3", {"audio": "finetuned:alexnet"}, "clean recordings of its fold"),
        ("noise", "white:3", {"arms": ("audio", "pretrained:x/y")}, "trained elsewhere"),
        ("speakers", "2", {"audio": "finetuned:alexnet"}, "name a frozen one"),
        ("transcript", "wer=0.1", {"text": "features:t.npz"}, "computed from fixed words"),
        ("transcript", "wer=0.1", {"arms": ("audio",)}, "no arm reads words"),
        ("transcript", "wer=2", {}, "expected a share"),
        ("audio@n_mells", "40,80", {}, "did you mean n_mels"),
        ("audio@n_mels", "forty,80", {}, "not a whole number"),
        ("window", "1,2", {"audio": "egemaps"}, "has no window"),
        ("window", "1,2", {"audio": "features:a.npz"}, "has no options"),
        ("modality", "audio,video", {}, "no such arm"),
        ("head@colour", "red,blue", {}, "heads have no colour"),
        ("layer", "0,1", {}, "keeps one layer"),
        ("layer", "0,13", {"audio": "wav2vec2-base"}, "13 layers, 0 to 12"),
        ("audio@weights", "x,y", {}, "unknown option 'weights'"),
        ("time_pool", "2,4", {"arms": ("audio",)}, "no arm reads frames"),
    ],
)
def test_what_cannot_be_is_refused_with_a_clear_word(factor, values, study, words):
    fields = {"audio": "logmel", "text": "minilm", "corpus": "demo", **study}
    with pytest.raises(ConfigError, match=words):
        grid_of(factor, values, Study(**fields))


@pytest.mark.parametrize("values", [None, "focal,class_balanced", "class_balanced,cross_entropy"])
def test_the_reference_of_a_loss_is_the_default_one(values):
    grid = grid_of("head@loss", values)
    assert grid.reference.title == "cross_entropy"
    fixed = grid_of("head@loss", "class_balanced,focal", replace(STUDY, head=("loss=focal",)))
    assert fixed.reference.title == "focal"


def test_three_factors_and_a_factor_given_twice_are_refused():
    with pytest.raises(OptionError, match="at most 2"):
        make_grid(STUDY, [FactorSpec("head"), FactorSpec("trials"), FactorSpec("noise")])
    with pytest.raises(OptionError, match="given twice"):
        make_grid(STUDY, [FactorSpec("head"), FactorSpec("head")])
    with pytest.raises(OptionError, match="give fewer"):
        make_grid(STUDY, [FactorSpec("trials", ",".join(map(str, range(201))))])


def test_values_go_to_their_factors_in_order():
    assert paired_values(["head", "trials"], ["", "0,5"]) == (
        FactorSpec("head"),
        FactorSpec("trials", "0,5"),
    )
    with pytest.raises(OptionError, match="2 --values for 1"):
        paired_values(["head"], ["a", "b"])


def test_options_of_encoders_are_set_and_read():
    assert with_option("alexnet", "window_s", "1") == "alexnet@window_s=1"
    assert option_value("alexnet", "audio", "window_s") == "2"
    assert option_value("alexnet", "audio", "windows") == "pooled"
    assert option_value("alexnet@windows=each,pooling=mean", "audio", "windows") == "each"
    assert option_value("wav2vec2-base@layer=-1", "audio", "layer") == "12"
    assert titles(
        grid_of("layer", None, Study(audio="wav2vec2-base", text="minilm", corpus="demo"))
    )[-3:] == ["12", "mix", "concat"]


def test_every_name_in_the_help_is_a_factor():
    study = Study(audio="wav2vec2-base", text="minilm", corpus="demo")
    for name in FACTORS.removesuffix(" for any option").replace(";", ",").split(", "):
        key = name.replace("KEY", "loss" if name.startswith("head") else "pooling")
        own = study if key == "layer" else STUDY
        assert find_factor(key, own, "test").label

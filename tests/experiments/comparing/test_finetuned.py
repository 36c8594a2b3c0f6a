"""``finetuned:NAME`` as it is typed: options of the encoder, of its training, what is refused."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from encoders.finetuning.settings import default_settings
from encoders.typed_names import parse_modality
from encoders.utterance import Corpus
from encoders.weights.sources import MissingWeightsError
from experiments.commands.main import app
from experiments.comparing.inputs import preflight
from experiments.comparing.trainable import check_trainable, is_finetuned, parse_trainable
from experiments.config import (
    RECIPE_ARMS,
    ConfigError,
    OptionError,
    Study,
    read_study,
    study_from_options,
    write_study,
)
from experiments.embed import embed_corpus

ALEXNET = "finetuned:alexnet:untrained"


def test_options_of_the_encoder_and_of_its_training_are_told_apart():
    found = parse_trainable(f"{ALEXNET}@window_s=2.0,train.epochs=7,pooling=mean", "audio")
    assert found.modality == parse_modality("alexnet:untrained@window_s=2.0,pooling=mean", "audio")
    assert found.settings.epochs == 7
    assert found.settings.patience == default_settings(found.modality.encoder).patience


def test_adapters_of_a_transformer_are_asked_for_by_their_rank():
    found = parse_trainable("finetuned:wav2vec2-base:untrained@train.lora_rank=8", "audio")
    assert found.settings.lora_rank == 8
    assert parse_trainable("finetuned:bert-base:untrained", "text").settings.lora_rank is None


def test_without_options_it_is_the_family_s_own_way():
    found = parse_trainable(ALEXNET, "audio")
    assert found.modality == parse_modality("alexnet:untrained", "audio")
    assert found.settings == default_settings(found.modality.encoder)
    assert is_finetuned(ALEXNET)
    assert not is_finetuned("alexnet")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("train.epoch=3", r"unknown option 'train.epoch'; did you mean train.epochs\?"),
        ("train.masks=3", "unknown option 'train.masks'"),
        ("train.epochs=3,train.epochs=4", "train.epochs is set twice"),
        ("train.epochs=many", "train.epochs 'many' is not a whole number"),
        ("train.epochs=0", "epochs 0: expected 1 or more"),
        ("train.learning_rate=nan", "not a number"),
        ("train.precision=int8", "expected one of float32, bfloat16"),
        ("train.time_masks=-1", "time_masks -1: expected 0 or more"),
        ("train.most_bands=0", "most_bands 0: expected 1 or more"),
        ("train.dropout=1", "dropout 1: expected 0 to 0.99"),
        ("train.copies=1,train.pitch_semitones=99", "pitch_semitones 99: expected 0 to 24"),
        ("train.copies=1,train.gain_db=-3", "gain_db -3: expected 0 to 60"),
        ("train.copies=1,train.noise_snr_db=loud", "noise_snr_db 'loud' is not a number"),
        (
            "train.gain_db=3",
            "train.gain_db changes nothing without train.copies: add train.copies=1",
        ),
        ("train.time_masks=0,train.most_frames=9", "changes nothing without train.time_masks"),
        ("train.lora_rank=8", "lora_rank 8: adapters are of transformers"),
        ("train.pooling=mean", "pooling mean: expected None"),
        ("window=2", "unknown option 'window'"),
    ],
)
def test_options_that_cannot_be_are_told(options, said):
    with pytest.raises(ValueError, match=said) as caught:
        parse_trainable(f"{ALEXNET}@{options}", "audio")
    assert str(caught.value).startswith("--audio")


def test_a_family_that_cannot_be_trained_is_told_before_any_work():
    with pytest.raises(ConfigError, match=r"--audio finetuned:logmel: .*cannot be trained"):
        parse_trainable("finetuned:logmel", "audio")


def test_published_weights_that_are_not_there_are_told_with_the_other_way(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(MissingWeightsError) as caught:
        check_trainable(parse_trainable("finetuned:alexnet-imagenet@window_s=2.0", "audio"))
    assert "finetuned:alexnet-imagenet:untrained starts from random weights instead" in str(
        caught.value
    )


def test_cross_fitting_needs_an_encoder_that_is_trained():
    study = Study(audio="logmel", text="minilm", corpus="demo", arms=("concat_crossfit",))
    with pytest.raises(ConfigError, match="cross-fits encoders that are trained here, and none is"):
        preflight(study, (), ("concat_crossfit",))


def test_there_is_nothing_to_embed_with_before(tmp_path):
    corpus = Corpus(
        name="none", root=tmp_path, task="single-label", targets=("a", "b"), utterances=()
    )
    with pytest.raises(OptionError, match="is trained in every fold of a comparison"):
        embed_corpus(corpus, audio=ALEXNET, text=None, asr="whisper-base")


# ---------------------------------------------------------------- the recipe


@pytest.mark.parametrize("name", ["alexnet", "mfcc-cnn1d-3"])
def test_what_has_no_published_weights_starts_from_random_ones(name):
    found = parse_trainable(f"finetuned:{name}", "audio")
    assert found.modality == parse_modality(f"{name}:untrained", "audio")
    check_trainable(found)


def test_the_recipe_names_arms_and_encoders():
    study = study_from_options(corpus="demo", recipe="s4")
    assert study.arms == RECIPE_ARMS
    assert (study.audio, study.text) == ("finetuned:alexnet@pooling=mean", "finetuned:bert-base")


def test_other_encoders_are_fine_tuned_too():
    study = study_from_options(corpus="demo", recipe="s4", audio="resnet50", text=ALEXNET)
    assert (study.audio, study.text) == ("finetuned:resnet50", ALEXNET)
    same = Study(corpus="demo", audio="finetuned:resnet50", text=ALEXNET, recipe="s4")
    assert same == study


def test_a_study_with_a_recipe_is_written_and_read(tmp_path):
    study = study_from_options(corpus="demo", recipe="s4", seeds=2)
    write_study(study, tmp_path / "study.toml")
    assert read_study(tmp_path / "study.toml") == study
    (tmp_path / "short.toml").write_text('recipe = "s4"\ncorpus = "demo"\nseeds = 2\n')
    assert read_study(tmp_path / "short.toml") == study


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"arms": ("audio",)}, "--recipe s4 has arms of its own"),
        ({"audio": "features:a.npz"}, "trains encoders, not features"),
        ({"recipe": "s5"}, "--recipe"),
    ],
)
def test_what_does_not_go_with_a_recipe(options, said):
    with pytest.raises(OptionError, match=said):
        study_from_options(**{"corpus": "demo", "recipe": "s4", **options})


def test_the_command_takes_a_recipe():
    told = CliRunner().invoke(app, ["compare", "--help"], env={"COLUMNS": "200"}).output
    assert "--recipe" in told

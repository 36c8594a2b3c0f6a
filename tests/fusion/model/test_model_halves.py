"""Two halves that learned from different rows: what they say together, alone, and from disk."""

from __future__ import annotations

import json
import math
import os
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from encoders.files import sealed
from encoders.specs import LogMelSpec, Modality
from fusion.batch import Standardizer
from fusion.evaluation.calibration import equal_classes, fit_abstention, fit_temperature, tempered
from fusion.model.fusion_model import FusionModel, HeadEnsemble, folder_of, late_model
from fusion.model.json import hashes
from fusion.model.origin import Origin, origin_of
from fusion.model.seen import Seen
from fusion.networks.head import Hyperparameters, InputShape
from fusion.networks.heads import HEADS
from fusion.training.combination import Combination
from fusion.training.late import independent

TARGETS = ("calm", "cross", "sad")
BOTH = {"audio": torch.ones(1, 4), "text": torch.full((1, 3), -1.0)}
VOICE = {"audio": BOTH["audio"], "text": None}
WORDS = {"audio": None, "text": BOTH["text"]}


def part(name: str, dim: int, temperature: float = 1.0) -> HeadEnsemble:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(dim)
        head = HEADS["mlp"].network([InputShape(dim, 1, 1)], len(TARGETS), Hyperparameters()).eval()
    return HeadEnsemble("mlp", (name,), (dim,), (1,), Hyperparameters(), (head,), temperature)


THIRD = Combination.weighted("single-label", (0.3,))


def halves(how: Combination | None = None, **fields) -> FusionModel:
    parts = (part("audio", 4, 1.7), part("text", 3, 0.6))
    return replace(late_model(TARGETS, {}, parts, how), **fields)


def values(of) -> list[float]:
    return list(of.values()) if isinstance(of, dict) else of.tolist()


probabilities = st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3).map(
    lambda raw: np.array(raw) / sum(raw)
)


@given(probabilities, probabilities)
def test_independent_evidence_is_a_product_in_any_order(one, other):
    both = independent([one, other])
    np.testing.assert_allclose(both, one * other / (one * other).sum(), rtol=1e-9)
    np.testing.assert_allclose(both, independent([other, one]), rtol=1e-9)


@given(probabilities)
def test_a_half_that_knows_nothing_changes_nothing(one):
    np.testing.assert_allclose(independent([one, np.full(3, 1 / 3)]), one, rtol=1e-9)


@given(probabilities, probabilities)
def test_it_names_the_class_that_the_even_weighted_sum_names(one, other):
    # Only how sure it is differs from the mean of the logarithms.
    mean = Combination.weighted("single-label", (0.5,))("single-label", one, other)
    assert mean[independent([one, other]).argmax()] == pytest.approx(mean.max())


def test_both_halves_are_tempered_before_they_are_multiplied():
    model = halves()
    voice, words = (p.scores(BOTH)[0] for p in model.parts)
    expected = independent([tempered(voice, 1.7), tempered(words, 0.6)])
    np.testing.assert_allclose(values(model.predict_embeddings(BOTH)), expected, rtol=1e-12)


def test_the_last_temperature_is_of_both_together_only():
    plain, hot = halves(), halves(temperature=3.0)
    together = tempered(np.array(values(plain.predict_embeddings(BOTH))), 3.0)
    np.testing.assert_allclose(values(hot.predict_embeddings(BOTH)), together, rtol=1e-9)
    assert hot.predict_embeddings(VOICE) == plain.predict_embeddings(VOICE)


@pytest.mark.parametrize("how", [None, THIRD])
def test_what_is_missing_says_nothing(how):
    model = halves(how)
    for number, inputs in enumerate((VOICE, WORDS)):
        own = model.parts[number]
        verdict = model.verdict(inputs)
        assert values(verdict.fused) == values(own.alone(BOTH))
        assert list(verdict.alone) == list(own.inputs)


def test_with_a_learned_weight_the_scores_are_combined_as_they_were_when_it_was_learned():
    model = halves(THIRD)
    voice, words = (p.scores(BOTH)[0] for p in model.parts)
    expected = THIRD("single-label", voice, words)
    np.testing.assert_allclose(values(model.predict_embeddings(BOTH)), expected, rtol=1e-12)


def test_a_model_of_one_input_says_alone_what_it_says():
    model = FusionModel("audio", TARGETS, {}, (part("audio", 4),), temperature=2.0)
    verdict = model.verdict(VOICE)
    assert values(verdict.alone["audio"]) == values(verdict.fused)


def test_halves_and_their_origin_come_back(tmp_path):
    origin = Origin(corpora=("a", "b"), licence="free", caution="acted *voices*")
    one = halves(origin=origin)
    one.save(tmp_path)
    again = FusionModel.load(tmp_path)
    assert again.origin == origin
    assert again.combination is None
    assert [p.temperature for p in again.parts] == [1.7, 0.6]
    assert again.predict_embeddings(BOTH) == one.predict_embeddings(BOTH)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "- learned from a, b" in card
    assert r"acted \*voices\*" in card
    assert "synthetic" not in card


def test_synthetic_speech_is_said_on_the_card(tmp_path):
    halves(origin=Origin(corpora=("demo",), synthetic=True)).save(tmp_path)
    assert "**learned from synthetic speech" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_half_the_bytes_change_next_to_nothing(tmp_path):
    one = halves()
    one.save(tmp_path / "whole")
    one.save(tmp_path / "half", torch.float16)
    sizes = [(tmp_path / f / "heads.safetensors").stat().st_size for f in ("whole", "half")]
    assert sizes[1] < 0.75 * sizes[0]
    again = values(FusionModel.load(tmp_path / "half").predict_embeddings(BOTH))
    np.testing.assert_allclose(again, values(one.predict_embeddings(BOTH)), atol=2e-3)


def test_a_deviation_that_half_precision_cannot_hold_is_kept(tmp_path):
    one = halves()
    head = one.parts[0].heads[0]
    tiny = Standardizer(torch.zeros(4), torch.full((4,), 1e-9))
    head.standardize_with([tiny])
    one.save(tmp_path, torch.float16)
    found = {"audio": torch.full((1, 4), 1e-9), "text": None}
    again = values(FusionModel.load(tmp_path).predict_embeddings(found))
    np.testing.assert_allclose(again, values(one.predict_embeddings(found)), atol=2e-3)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"corpora": ["a"], "synthetic": "no", "licence": "", "caution": ""},
        {"corpora": "a", "synthetic": False, "licence": "", "caution": ""},
        {"corpora": [], "synthetic": False, "licence": "", "caution": "", "more": 1},
    ],
)
def test_an_origin_that_is_none_is_refused(tmp_path, fields):
    with pytest.raises(ValueError, match="origin:"):
        origin_of(fields)
    halves().save(tmp_path)
    about = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(sealed(about | {"origin": fields})))
    with pytest.raises(ValueError, match="origin:"):
        FusionModel.load(tmp_path)


# ---------------------------------------------------------------- every class counts alike


def test_weights_make_classes_equal():
    truth = np.array([0] * 90 + [2] * 10)
    weights = equal_classes(truth)
    assert weights.sum() == pytest.approx(100)
    assert weights[truth == 0].sum() == pytest.approx(weights[truth == 2].sum())


def test_a_temperature_by_classes_is_that_of_rows_repeated_until_classes_are_equal():
    rng = np.random.default_rng(0)
    scores, truth = rng.dirichlet(np.ones(3), 60), np.repeat([0, 1, 2], (40, 10, 10))
    again = np.concatenate([np.arange(40), *[np.arange(40, 60)] * 4])
    weighted = fit_temperature(scores[None], truth, weights=equal_classes(truth))
    assert weighted == fit_temperature(scores[again][None], truth[again])
    sure, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    one = fit_abstention(sure, right, equal_classes(truth))
    other = fit_abstention(sure[again], right[again])
    assert one.threshold == other.threshold
    assert one.coverage == pytest.approx(other.coverage)
    assert one.accuracy == pytest.approx(other.accuracy)


# ---------------------------------------------------------------- the word demo


def test_a_word_is_the_model_that_ships_and_a_path_a_folder(tmp_path, monkeypatch):
    from fusion.bundled import DEMO

    monkeypatch.chdir(tmp_path)
    assert folder_of("demo") == DEMO
    assert folder_of(f".{os.sep}demo") == tmp_path.joinpath("demo").relative_to(tmp_path)
    halves().save(tmp_path / "demo")
    with pytest.raises(ValueError, match=r"Say \./demo for the folder"):
        folder_of("demo")
    assert FusionModel.load("./demo").targets == TARGETS


def test_weights_that_are_not_those_of_the_model_are_one_message(tmp_path):
    halves().save(tmp_path / "model")
    weights = tmp_path / "model" / "heads.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    with pytest.raises(ValueError, match="has changed since it was written"):
        FusionModel.load(tmp_path / "model")
    about = json.loads((tmp_path / "model" / "model.json").read_text())
    replace(halves(), parts=(part("audio", 5), part("text", 3))).save(tmp_path / "other")
    weights.write_bytes((tmp_path / "other" / "heads.safetensors").read_bytes())
    again = sealed(about | {"files": hashes(tmp_path / "model")})
    (tmp_path / "model" / "model.json").write_text(json.dumps(again))
    with pytest.raises(ValueError, match="not of one whole model"):
        FusionModel.load(tmp_path / "model")


def test_a_run_is_told_where_its_model_lies(tmp_path):
    halves().save(tmp_path / "run" / "model")
    with pytest.raises(ValueError, match=r"run.model is one"):
        FusionModel.load(tmp_path / "run")


def _first_part(**changed):
    return lambda about: {"parts": [about["parts"][0] | changed, *about["parts"][1:]]}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda about: {"temperature": math.nan}, "temperature: expected a finite number above 0"),
        (lambda about: {"temperature": 0}, "temperature: expected a finite number above 0"),
        (lambda about: {"temperature": "warm"}, "got 'warm'"),
        (_first_part(temperature=-1), "temperature: expected a finite number above 0, got -1"),
        (lambda about: {"targets": "abc"}, "targets: expected a list of names"),
        (lambda about: {"targets": [about["targets"][0]] * 3}, "each once"),
        (lambda about: {"parts": about["parts"][:1]}, "parts name 1 heads"),
        (lambda about: {"parts": []}, "parts name 0 heads"),
        (_first_part(heads=0), "parts name 1 heads"),
        (lambda about: {"combination": {"rule": "mean"}}, "combination: expected rule, audio"),
    ],
)
def test_a_model_that_was_edited_is_one_message_with_its_file(tmp_path, change, told):
    halves().save(tmp_path)
    file = tmp_path / "model.json"
    about = json.loads(file.read_text())
    file.write_text(json.dumps(sealed(about | change(about))))
    with pytest.raises(ValueError, match=told) as e:
        FusionModel.load(tmp_path)
    assert str(e.value).startswith(f"{file}: ")


@pytest.mark.parametrize("written", [b"", b"{", b"\xff\xfe"])
def test_a_model_that_is_no_json_is_one_message(tmp_path, written):
    halves().save(tmp_path)
    (tmp_path / "model.json").write_bytes(written)
    with pytest.raises(ValueError, match="expected JSON, got something else"):
        FusionModel.load(tmp_path)


@pytest.mark.parametrize("written", ["null", "[4]", "4"])
def test_json_that_is_no_model_has_no_format(tmp_path, written):
    halves().save(tmp_path)
    (tmp_path / "model.json").write_text(written)
    with pytest.raises(ValueError, match="a model of format None"):
        FusionModel.load(tmp_path)


def test_a_model_that_names_a_source_of_transcripts_is_read_without_it(tmp_path):
    modality = Modality(name="audio", encoder=LogMelSpec())
    replace(halves(), modalities={"audio": modality}).save(tmp_path)
    about = json.loads((tmp_path / "model.json").read_text())
    assert "transcript" not in about["modalities"]["audio"]
    about["modalities"]["audio"]["transcript"] = "gold_else_asr"
    (tmp_path / "model.json").write_text(json.dumps(sealed(about)))
    assert FusionModel.load(tmp_path).modalities == {"audio": modality}


def test_one_side_alone_has_nothing_to_combine(tmp_path):
    alone = replace(halves(), parts=halves().parts[:1], combination=Combination("mean"))
    alone.save(tmp_path)
    with pytest.raises(ValueError, match="expected two parts to combine, got 1"):
        FusionModel.load(tmp_path)


# ---------------------------------------------------------------- a model that is damaged


@pytest.mark.parametrize("name", ["heads.safetensors", "model.json", "seen.json"])
def test_any_flipped_bit_of_a_model_is_refused(tmp_path, name):
    replace(halves(), seen=Seen(frozenset({"a" * 32}), frozenset({"b" * 64}))).save(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    for place in range(3, len(content), max(1, len(content) // 60)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        try:
            same = name == "model.json" and json.loads(path.read_bytes()) == json.loads(content)
        except ValueError:
            same = False
        if not same:
            with pytest.raises(ValueError, match=r"as it was written|train it again"):
                FusionModel.load(tmp_path)
    path.write_bytes(content)
    FusionModel.load(tmp_path)


def test_a_record_that_was_taken_away_is_missed(tmp_path):
    replace(halves(), seen=Seen(frozenset({"a" * 32}), frozenset())).save(tmp_path)
    (tmp_path / "seen.json").unlink()
    with pytest.raises(ValueError, match="has changed since it was written"):
        FusionModel.load(tmp_path)


def test_a_model_of_the_format_before_is_read_without_its_seal(tmp_path):
    halves().save(tmp_path)
    about = json.loads((tmp_path / "model.json").read_text())
    del about["files"], about["sha256"]
    (tmp_path / "model.json").write_text(json.dumps(about | {"format": 4}))
    assert FusionModel.load(tmp_path).targets == TARGETS


ODD = (
    None,
    True,
    -1,
    0,
    10**400,
    1e308,
    float("inf"),
    float("nan"),
    "x",
    [],
    {},
    [[1]],
    "9" * 5000,
)


def leaves(content, path=()):
    """Places of all values of a JSON object, inner ones too."""
    yield path
    inside = content.items() if isinstance(content, dict) else enumerate(content)
    for name, value in inside:
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name)


def test_odd_values_in_a_model_are_one_message(tmp_path):
    modality = Modality(name="audio", encoder=LogMelSpec())
    replace(halves(THIRD), modalities={"audio": modality}).save(tmp_path)
    about = json.loads((tmp_path / "model.json").read_text())
    for place in leaves(about):
        if place[:1] in ((), ("sha256",), ("files",)):
            continue
        for odd in ODD:
            edited = json.loads(json.dumps(about))
            inner = edited
            for name in place[:-1]:
                inner = inner[name]
            inner[place[-1]] = odd
            (tmp_path / "model.json").write_text(json.dumps(sealed(edited)))
            with suppress(ValueError):
                FusionModel.load(tmp_path)

"""Reducing time: what is stored, and what a head reads of it."""

from __future__ import annotations

import pytest
import torch

from encoders.pooling import Reduction, for_head, for_storage, mean_by
from encoders.specs import (
    BertSpec,
    EgemapsSpec,
    LogMelSpec,
    MfccSpec,
    Modality,
    SentenceSpec,
    SpeechSpec,
)

pytestmark = pytest.mark.arithmetic

HIDDEN = torch.arange(4 * 5 * 2, dtype=torch.float32).reshape(4, 5, 2) ** 2


def test_pooled_storage_keeps_mean_spread_and_largest_side_by_side():
    found = for_storage(HIDDEN, SpeechSpec())
    parts = [HIDDEN.mean(1), HIDDEN.std(1, correction=0), HIDDEN.amax(1)]
    assert torch.equal(found[:, 0], torch.cat(parts, dim=1))


def test_text_also_keeps_its_first_token():
    assert torch.equal(for_storage(HIDDEN, BertSpec())[:, 0, 6:], HIDDEN[:, 0])


def test_one_frame_has_no_spread():
    assert torch.equal(for_storage(HIDDEN[:, :1], SpeechSpec())[:, 0, 2:4], torch.zeros(4, 2))


def test_only_the_layers_named_are_kept():
    spec = SpeechSpec(storage="frames", layers=(3, -3))
    assert torch.equal(for_storage(HIDDEN, spec), HIDDEN[[3, 1]])


@pytest.mark.parametrize("layer", [4, -5, 40])
def test_a_layer_the_model_does_not_have_is_named(layer):
    with pytest.raises(ValueError, match=rf"layer {layer} of speech: there are 4 layers, 0 to 3"):
        for_storage(HIDDEN, SpeechSpec(layers=(layer,)))


def test_frames_are_averaged_in_groups():
    found = for_storage(HIDDEN, SpeechSpec(storage="frames", time_pool=2))
    expected = [HIDDEN[:, :2].mean(1), HIDDEN[:, 2:4].mean(1), HIDDEN[:, 4]]
    assert torch.equal(found, torch.stack(expected, dim=1))


@pytest.mark.parametrize("factor", [1, 2, 3, 5, 9])
def test_no_frame_is_lost_in_a_group(factor):
    assert mean_by(torch.ones(1, 5, 2), factor).shape == (1, -(-5 // factor), 2)


@pytest.mark.parametrize(
    ("pooling", "columns"),
    [("mean", [0, 1]), ("std", [2, 3]), ("max", [4, 5]), ("max+mean", [4, 5, 0, 1])],
)
def test_a_head_reads_the_statistics_it_names(pooling, columns):
    stored = for_storage(HIDDEN, SpeechSpec())
    modality = Modality(name="audio", encoder=SpeechSpec(), layer=2, pooling=pooling)
    assert torch.equal(for_head(stored, modality), stored[2][:, columns])


@pytest.mark.parametrize("pooling", ["sum", "max+sum"])
def test_a_sum_is_the_mean_times_the_frames(pooling):
    modality = Modality(name="audio", encoder=SpeechSpec(), layer=2, pooling=pooling)
    found = for_head(for_storage(HIDDEN, SpeechSpec()), modality, HIDDEN.shape[1])
    parts = {"sum": HIDDEN[2].sum(dim=0), "max": HIDDEN[2].amax(dim=0)}
    assert torch.allclose(found[0], torch.cat([parts[name] for name in pooling.split("+")]))
    with pytest.raises(AssertionError, match="needs the number of frames"):
        for_head(for_storage(HIDDEN, SpeechSpec()), modality)


def test_frames_that_are_stored_joined_are_summed_as_they_were_before():
    """What is stored pooled counts frames of the model, not groups of them."""
    spec = SpeechSpec(time_pool=2)
    reduction = Reduction(spec)
    reduction.add(HIDDEN[:, :3])
    reduction.add(HIDDEN[:, 3:])
    modality = Modality(name="audio", encoder=spec, layer=1, pooling="sum")
    found = for_head(reduction.stored(), modality, reduction.frame_count)
    assert torch.allclose(found[0], HIDDEN[1].sum(dim=0))


@pytest.mark.parametrize("spec", [SentenceSpec(), EgemapsSpec(), MfccSpec(axis="frequency")])
def test_what_keeps_no_mean_has_no_sum(spec):
    with pytest.raises(ValueError, match=f"pooling 'sum': of {spec.family} embeddings there is"):
        Modality(name="x", encoder=spec, pooling="sum")


@pytest.mark.parametrize("layer", [0, 3, -1, -4])
def test_a_head_reads_the_layer_it_names(layer):
    stored = for_storage(HIDDEN, SpeechSpec())
    modality = Modality(name="audio", encoder=SpeechSpec(), layer=layer, pooling="mean")
    assert torch.equal(for_head(stored, modality)[0], HIDDEN[layer].mean(dim=0))


@pytest.mark.parametrize("layer", [4, -5])
def test_a_layer_that_is_not_stored_is_named(layer):
    modality = Modality(name="audio", encoder=SpeechSpec(), layer=layer)
    with pytest.raises(ValueError, match=rf"layer {layer} of audio"):
        for_head(for_storage(HIDDEN, SpeechSpec()), modality)


def test_a_head_reads_frames_as_they_are():
    modality = Modality(name="audio", encoder=LogMelSpec()).as_sequence()
    assert torch.equal(for_head(HIDDEN[:1], modality), HIDDEN[0])


def test_a_sentence_embedding_stays_as_it_is():
    sentence = torch.randn(1, 1, 8)
    modality = Modality(name="text", encoder=SentenceSpec())
    stored = for_storage(sentence, modality.encoder)
    assert torch.equal(for_head(stored, modality), sentence[0])

"""What a hub name or a folder stands for, where only its files can tell."""

from __future__ import annotations

import pytest

import encoders.weights.locate as locate_module
from encoders.typed_names import is_sentence_model
from encoders.weights.cards import CARDS, MINILM, MPNET, MULTILINGUAL_MINILM
from encoders.weights.sources import MissingWeightsError


@pytest.mark.parametrize(
    ("name", "is_one"), [("sentence", True), ("bert", False)], ids=["sentence", "bert"]
)
def test_a_sentence_model_lists_its_modules(text_checkpoint, name, is_one):
    assert is_sentence_model(str(text_checkpoint(name))) is is_one


@pytest.mark.parametrize(("name", "is_one"), [("bert", False), ("sentence", True)])
def test_a_hub_name_is_fetched_to_tell_what_it_is(monkeypatch, text_checkpoint, name, is_one):
    """On its first run as on its second, or one name would have two embeddings."""
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(locate_module, "server_fault", lambda _source: "")
    monkeypatch.setattr(locate_module, "download", lambda _source: text_checkpoint(name))
    assert is_sentence_model("owner/model") is is_one


def test_what_a_hub_name_is_cannot_be_told_without_it():
    with pytest.raises(MissingWeightsError, match="serfusion models fetch owner/model"):
        is_sentence_model("owner/model")


@pytest.mark.parametrize("name", CARDS)
def test_of_a_checkpoint_with_a_card_nothing_is_fetched(name):
    assert is_sentence_model(name) is (name in (MINILM, MPNET, MULTILINGUAL_MINILM))

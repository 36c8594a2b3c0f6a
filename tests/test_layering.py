"""Imports go one way, and what answers at once imports no model library."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("encoders", "fusion", "experiments")
#: What each package may not import.
ABOVE = {
    "encoders": {"fusion", "experiments", "scripts"},
    "fusion": {"experiments", "scripts"},
    "experiments": {"scripts"},
}
HEAVY = ("torch", "transformers", "sentence_transformers", "whisper")
LIGHT = (
    *PACKAGES,
    "experiments.commands.main",
    "experiments.reporting.report",
    "fusion.evaluation.metrics",
    "fusion.evaluation.predictions",
    "fusion.evaluation.statistics",
)
FILES = [
    path.relative_to(REPOSITORY)
    for package in PACKAGES
    for path in sorted((REPOSITORY / package).rglob("*.py"))
]
NO_ROOMS = {"utils", "core", "base", "common"}


def imports(source: str) -> tuple[set[str], int]:
    """Top packages that a source imports, wherever in it, and how many imports are relative."""
    found: set[str] = set()
    relative = 0
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            relative += node.level > 0
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module":
            names = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            found |= {str(name).partition(".")[0] for name in names}
    return found, relative


@pytest.mark.parametrize("path", FILES, ids=str)
def test_no_import_goes_back(path):
    assert not imports((REPOSITORY / path).read_text())[0] & ABOVE[path.parts[0]]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_are_absolute(path):
    assert imports((REPOSITORY / path).read_text())[1] == 0


@pytest.mark.parametrize("path", FILES, ids=str)
def test_nothing_that_ships_imports_the_tests(path):
    assert not imports((REPOSITORY / path).read_text())[0] & {"tests", "pytest", "hypothesis"}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_room_has_a_name_of_its_own(path):
    assert path.stem not in NO_ROOMS


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import fusion.batch", ({"fusion"}, 0)),
        ("def f():\n    from experiments.commands.main import main", ({"experiments"}, 0)),
        ("from . import store", ({""}, 1)),
        ("import_module('fusion.networks.heads')", ({"fusion"}, 0)),
    ],
)
def test_an_arrow_that_goes_back_would_be_seen(source, expected):
    assert imports(source) == expected


@pytest.mark.parametrize("module", LIGHT)
def test_what_answers_at_once_imports_no_model_library(module):
    if find_spec(module) is None:
        pytest.skip(f"there is no {module} yet")
    program = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == ""

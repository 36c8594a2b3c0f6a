"""Imports go one way, and what answers at once imports no model library."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Container, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
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
#: Begins the list of a package's files and rooms in its docstring.
ORDER = "each importing only from lines above its own:"
NO_ROOMS = {"utils", "core", "base", "common"}


@cache
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


# ---------------------------------------------------------------- circles and the order of rooms


def module_name(path: Path) -> str:
    """``encoders.audio`` of ``encoders/audio/__init__.py``."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}
ROOMS = sorted({module_name(path) for path in FILES if path.name == "__init__.py"} - set(PACKAGES))


def imported(source: str, modules: Container[str]) -> set[str]:
    """Modules of ours that a source imports: at once, when it is called, or for types only."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            inside = {name for name in parts if name in modules}
            named |= inside if len(inside) == len(parts) else inside | {node.module}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module":
            named |= {str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)}
    return {name for name in named if name in modules}


def arrows() -> dict[str, set[str]]:
    """Every file with the files of ours that it imports."""
    sources = {name: (REPOSITORY / path).read_text() for name, path in MODULES.items()}
    return {name: imported(text, MODULES) - {name} for name, text in sources.items()}


def circles(graph: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
    """What cannot be put in an order, as a way that comes back to where it began."""
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        return [tuple(error.args[1])]
    return []


def stated_order(package: str) -> dict[str, int]:
    """The line in which a package's ``__init__`` names each of its files and rooms."""
    text = ast.get_docstring(ast.parse((REPOSITORY / package / "__init__.py").read_text())) or ""
    _, _, after = text.partition(ORDER)
    block = re.match(r"\n\n((?:    .+\n?)+)", after)
    assert block, f"{package}/__init__.py: expected {ORDER!r} and an indented list of names"
    lines = [line.replace(",", " ").split() for line in block[1].splitlines()]
    named = [(f"{package}.{name}", number) for number, line in enumerate(lines) for name in line]
    assert len(named) == len(dict(named)), f"{package}/__init__.py names a file twice"
    return dict(named)


def child_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


ARROWS = arrows()


def test_no_files_import_each_other_in_a_circle():
    assert circles(ARROWS) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_and_file_has_one_place_in_the_order_of_its_package(package):
    children = {child_of(name) for name in MODULES if name.startswith(f"{package}.")}
    assert sorted(stated_order(package)) == sorted(children)


@pytest.mark.parametrize("package", PACKAGES)
def test_each_imports_only_from_lines_above_its_own(package):
    line = stated_order(package)
    against = [
        f"{module} imports {other}"
        for module, others in sorted(ARROWS.items())
        for other in sorted(others)
        if {module.partition(".")[0], other.partition(".")[0]} == {package}
        and package not in (module, other)
        and child_of(module) != child_of(other)
        and line[child_of(other)] >= line[child_of(module)]
    ]
    assert against == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_it_says_and_nothing_else(room):
    """``Of encoders, imports only a, b and c.``; rooms inside a room are parts of it."""
    package = room.partition(".")[0]
    text = ast.get_docstring(ast.parse((REPOSITORY / MODULES[room]).read_text())) or ""
    said = re.search(rf"Of {package}, imports (?:only ([\w,\s]+?)|nothing)\.(?:\s|$)", text)
    assert said, f"{room}: expected 'Of {package}, imports only …' in its docstring"
    stated = re.findall(r"\w+", re.sub(r"\band\b", "", said[1] or ""))
    inside = [name for name in ARROWS if name == room or name.startswith(f"{room}.")]
    real = {child_of(other) for name in inside for other in ARROWS[name] if name != package}
    real = {name for name in real if name.startswith(f"{package}.")} - {child_of(room)}
    assert sorted(stated) == sorted(name.partition(".")[2] for name in real)


def test_the_table_of_contributing_says_the_same():
    page = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+/\w+)` \| .*? \| ([\w, –]+) \|$", page, re.M)
    assert {name.replace("/", ".") for name, _ in rows} == set(ROOMS)
    for name, imports in rows:
        text = (REPOSITORY / name / "__init__.py").read_text(encoding="utf-8")
        listed = [] if imports == "–" else imports.split(", ")
        said = re.search(r"imports (only [\w,\s]+?|nothing)\.", text)
        assert said, name
        assert listed == re.findall(r"\b(?!only\b|and\b|nothing\b)\w+", said[1]), name


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f():\n    import a.b", {"a.b"}),
        ("if TYPE_CHECKING:\n    from a.b import C", {"a.b"}),
        ("from a import b", {"a.b"}),
        ("from a import b, C", {"a.b", "a"}),
        ("import_module('a.b')", {"a.b"}),
        ("import numpy", set()),
    ],
)
def test_an_import_is_seen_wherever_it_stands(source, expected):
    assert imported(source, {"a", "a.b"}) == expected


def test_a_circle_would_be_seen():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) != []


@pytest.mark.parametrize("module", LIGHT)
def test_what_answers_at_once_imports_no_model_library(module):
    if find_spec(module) is None:
        pytest.skip(f"there is no {module} yet")
    program = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == ""

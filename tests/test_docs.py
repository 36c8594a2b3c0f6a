"""Documents are executed: the README's Python, its commands' names, the docstrings' examples."""

import doctest
import importlib
import pkgutil
import re
import runpy
from pathlib import Path

import pytest
from typer.testing import CliRunner

import encoders
import experiments
import fusion
from experiments.commands.main import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: Commands whose options the README names.
COMMANDS = (
    *("compare", "ablate", "interview", "verify", "report", "models push", "track"),
    *("predict", "evaluate", "train"),
)
MODULES = [
    found.name
    for package in (encoders, fusion, experiments)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not found.ispkg
]


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.S))
def test_the_python_of_the_readme_runs(block):
    exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_hold(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0


def test_some_docstring_has_an_example():
    finder = doctest.DocTestFinder()
    found = [finder.find(importlib.import_module(name)) for name in MODULES]
    assert sum(bool(one.examples) for tests in found for one in tests) >= 5


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=lambda p: p.name
)
def test_what_a_page_links_to_is_there(page):
    linked = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [name for name in linked if not (page.parent / name).exists()] == []


@pytest.mark.parametrize("name", sorted(set(re.findall(r"^serfusion (\w+)", README, re.M))))
def test_the_commands_of_the_readme_exist(name):
    assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0


def test_the_options_of_the_readme_exist():
    text = "".join(
        CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"}).output
        for command in (
            "compare",
            "ablate",
            "interview",
            "verify",
            "report",
            "models push",
            "cache gc",
            "predict",
            "evaluate",
            "train",
            "track",
        )
    )
    for option in re.findall(r"`(--[a-z]+)`", README):
        assert option in text


def test_the_files_that_the_readme_names_exist():
    for name in re.findall(r"\]\(([\w./]+)\)", README):
        assert (ROOT / name).is_file(), name


def test_every_decision_names_a_test_that_exists():
    named = re.findall(r"`(tests/[\w/.]+)`", (ROOT / "DECISIONS.md").read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_api_page_is_made_of_the_docstrings():
    found = runpy.run_path(str(ROOT / "docs" / "make_api.py"))
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert found["api_page"]() == page, "run python docs/make_api.py"

"""Documents are executed: Python, commands, examples; the site is built without a warning."""

import doctest
import importlib
import os
import pkgutil
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import encoders
import experiments
import fusion
from benchmarks.page import page as benchmark_page
from experiments.commands.main import app
from experiments.demo import check_offline
from tests.documented import lines_of, parsed
from tests.test_tutorials import Block, blocks, run

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: What a first page may cost a reader.
WORDS = 900
#: Pages whose Python runs from top to bottom, beside those that have tests of their own.
EXECUTED = (ROOT / "README.md", ROOT / "docs/models.md", *ROOT.glob("docs/explanation/*.md"))
#: Pages whose commands are parsed, beside those that have tests of their own.
PARSED = ("../README.md", "install.md", "corpora.md", "models.md", "run.md")
MODULES = [
    found.name
    for package in (encoders, fusion, experiments)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not found.ispkg
]


@pytest.mark.documents
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("path", EXECUTED, ids=lambda path: path.stem)
def test_the_python_of_a_page_runs(path, tmp_path, monkeypatch):
    check_offline()
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "cache"))
    code = "\n".join(block.content for block in blocks(path) if block.language == "python")
    assert code or path.stem == "arms"
    run(Block("python", "", code), tmp_path)


def test_the_readme_is_read_to_the_end():
    assert len(README.split()) <= WORDS


@pytest.mark.parametrize("page", PARSED)
def test_the_commands_of_a_page_are_ones(page):
    lines = [line for line in lines_of(page) if line.startswith("serfusion")]
    assert lines
    for line in lines:
        assert parsed(line)


def _options(command: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Every option of every command of the command line."""
    for parameter in command.params:
        for option in (*parameter.opts, *parameter.secondary_opts):
            if option.startswith("--") and option != "--help":
                yield name, option
    for of_it, sub in getattr(command, "commands", {}).items():
        yield from _options(sub, f"{name} {of_it}".strip())


def test_the_reference_has_every_option_and_no_other():
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    known = {option for _, option in _options(typer.main.get_command(app))}
    assert len(known) > 50
    named = set(re.findall(r"--[a-z][a-z-]*", page))
    assert known - named == set()
    # Of typer and of pip.
    assert named - known == {"--help", "--no-deps"}


def test_the_page_of_benchmarks_is_made_of_their_results():
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert page == benchmark_page(), "run python -m benchmarks page"


def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("material", reason="the extra 'docs' is not installed")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(
        build,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    start = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Does text help?" in start
    assert "docs/report.png" not in start
    assert (tmp_path / "benchmarks" / "results" / "speech.html").is_file()
    assert "title=&quot;" not in (tmp_path / "adding.html").read_text(encoding="utf-8")


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


def test_every_decision_names_a_test_that_exists():
    named = re.findall(r"`(tests/[\w/.]+)`", (ROOT / "DECISIONS.md").read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_api_page_is_made_of_the_docstrings():
    found = runpy.run_path(str(ROOT / "docs" / "make_api.py"))
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert found["api_page"]() == page, "run python docs/make_api.py"

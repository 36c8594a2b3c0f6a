"""Modules of a user: found by name or by file, known to the processes that start later."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from encoders.plugins import VARIABLE, code_of, files_of_plugins, load_plugins
from encoders.typed_names import SHORT_NAMES


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the environment nor the modules of other tests."""
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.chdir(tmp_path)


def write(name: str, text: str = "NAME = 1\n") -> Path:
    path = Path(name).resolve()
    path.write_text(text)
    return path


def test_without_any_nothing_is_loaded():
    assert load_plugins() == ()


def test_a_file_is_loaded_and_named_to_workers_wherever_they_start(tmp_path, monkeypatch):
    path = write("my_first_plugin.py")
    assert load_plugins(["my_first_plugin.py"]) == (path,)
    assert os.environ[VARIABLE] == str(path)
    assert sys.modules["my_first_plugin"].NAME == 1
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert load_plugins() == (path,)


def test_a_module_is_found_as_python_finds_it(tmp_path, monkeypatch):
    path = write("my_second_plugin.py")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_plugins(["my_second_plugin"]) == (path,)
    assert os.environ[VARIABLE] == "my_second_plugin"


def test_several_are_listed_in_the_environment(monkeypatch):
    paths = tuple(write(f"my_plugin_{number}.py") for number in (3, 4))
    monkeypatch.setenv(VARIABLE, ",".join(map(str, paths)))
    assert load_plugins() == paths


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.py", r"--plugin nowhere\.py: no such file"),
        ("nowhere_at_all", "--plugin nowhere_at_all: no such module.*or a file as in"),
    ],
)
def test_what_is_not_there_is_named(name, said):
    with pytest.raises(ValueError, match=said):
        load_plugins([name])


def test_a_file_that_has_the_name_of_a_module_is_refused():
    write("json.py")
    with pytest.raises(ValueError, match=r"json\.py: .* is called json too; rename your file"):
        load_plugins(["./json.py"])


def test_what_a_module_lacks_is_not_hidden():
    write("my_fifth_plugin.py", "import surely_nobody_has_this\n")
    with pytest.raises(ValueError, match="surely_nobody_has_this"):
        load_plugins(["my_fifth_plugin.py"])


def test_what_a_plugin_imports_from_beside_it_belongs_to_it():
    helper = write("my_helper.py")
    path = write("my_sixth_plugin.py", "from my_helper import NAME\n")
    write("my_unused_helper.py")
    load_plugins(["my_sixth_plugin.py"])
    assert files_of_plugins() == (helper, path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NAME = 1\nNAME / 0\n", r"ZeroDivisionError.*my_faulty_plugin\.py:2"),
        ("NAME = (\n", r"SyntaxError.*my_faulty_plugin\.py:1"),
    ],
)
def test_a_fault_in_a_plugin_is_told_with_its_line(text, said):
    write("my_faulty_plugin.py", text)
    with pytest.raises(ValueError, match=said):
        load_plugins(["my_faulty_plugin.py"])


def test_a_plugin_adds_names_and_replaces_none():
    table = "from encoders.typed_names import SHORT_NAMES\n"
    write("my_seventh_plugin.py", table + "SHORT_NAMES['my-own'] = SHORT_NAMES['mfcc']\n")
    write("my_eighth_plugin.py", table + "SHORT_NAMES['logmel'] = SHORT_NAMES['mfcc']\n")
    load_plugins(["my_seventh_plugin.py"])
    try:
        assert "my-own" in SHORT_NAMES
        with pytest.raises(ValueError, match="'logmel' is there already: give yours another name"):
            load_plugins(["my_eighth_plugin.py"])
    finally:
        del SHORT_NAMES["my-own"]


def test_code_of_a_plugin_is_its_file_and_what_it_uses_but_no_other_plugin():
    helper, other = write("my_other_helper.py"), write("my_ninth_plugin.py")
    write("my_tenth_plugin.py", "from my_other_helper import NAME\n")
    load_plugins(["my_ninth_plugin.py", "my_tenth_plugin.py"])
    module = sys.modules["my_tenth_plugin"]
    before = code_of(module)
    other.write_text("NAME = 2\n")
    assert code_of(module) == before
    helper.write_text("NAME = 2\n")
    assert code_of(module) != before


def test_code_of_a_plugin_is_the_same_before_and_after_it_imports_what_it_uses():
    write("my_late_helper.py")
    late = "def load():\n    from my_late_helper import NAME\n    return NAME\n"
    write("my_eleventh_plugin.py", late)
    load_plugins(["my_eleventh_plugin.py"])
    module = sys.modules["my_eleventh_plugin"]
    before = code_of(module)
    assert module.load() == 1
    assert code_of(module) == before

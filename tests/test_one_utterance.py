"""``docs/one-utterance.md`` as it stands: its code runs, and its table is what the code says."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys

import pytest

from tests.test_tutorials import ROOT, blocks

PAGE = ROOT / "docs" / "one-utterance.md"
ROW = re.compile(r"^\| \d+ \| `([\w.]+)` \| `([\w/.]+)` \| (.*?) \| `(.*?)` \|$", re.M)
ROWS = ROW.findall(PAGE.read_text(encoding="utf-8"))


def test_the_way_has_ten_functions():
    assert len(ROWS) == 10


@pytest.mark.parametrize(("name", "file", "takes", "gives"), ROWS, ids=[row[0] for row in ROWS])
def test_a_function_lies_where_it_is_said_to_and_has_these_types(name, file, takes, gives):
    module = importlib.import_module(
        file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    )
    function = module
    for part in name.split("."):
        function = getattr(function, part)
    signature = inspect.signature(inspect.unwrap(function))
    assert ROOT / file == (ROOT / inspect.getsourcefile(inspect.unwrap(function))).resolve()
    assert gives in written(signature.return_annotation)
    given = [written(one.annotation) for one in signature.parameters.values()]
    for wanted in re.findall(r"`(.*?)`", takes):
        assert any(wanted in annotation for annotation in given), wanted


def written(annotation: object) -> str:
    """An annotation as a reader sees it, without the modules of its names."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = text.replace(
        "collections.abc.Mapping[encoders.specs.spec.Spec, encoders.store.Embedding]", "Stored"
    )
    return re.sub(r"\b[a-z_]+(?:\.[a-z_]+)*\.", "", text)


@pytest.mark.documents
def test_the_page_runs_from_top_to_bottom(tmp_path):
    program = "\n".join(block.content for block in blocks(PAGE) if block.language == "python")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *_, cell = done.stdout.splitlines()
    assert re.fullmatch(r"UAR \d+\.\d", cell), done.stdout

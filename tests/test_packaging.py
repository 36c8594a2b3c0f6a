"""What ships, and what must never come along."""

import importlib
import re
import subprocess
import sys
import zipfile
from importlib.metadata import distributions, metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from scripts.dependencies import PAGE, closure, dependencies, names_on, page

ROOT = Path(__file__).resolve().parents[1]
HASHED = ROOT / "constraints-hashed.txt"
#: They install and then break torch or transformers' speech models, or replace torch.
FORBIDDEN = {"torchvision", "torchaudio", "torchcodec", "timm", "datasets"}


def test_the_closure_of_our_dependencies_holds_nothing_that_breaks_torch():
    found = closure("serfusion", frozenset({"offline", "dev"}))
    assert {"torch", "transformers", "optuna", "openai-whisper"} <= found
    assert not found & FORBIDDEN


def test_the_constraints_pin_nothing_that_breaks_torch():
    pinned = set(re.findall(r"^([A-Za-z0-9_.-]+)==", (ROOT / "constraints.txt").read_text(), re.M))
    assert {"torch", "triton", "transformers"} <= pinned
    assert not {canonicalize_name(name) for name in pinned} & FORBIDDEN


def test_the_pin_of_torch_names_no_local_build():
    assert "torch==2.13.0\n" in (ROOT / "constraints.txt").read_text()


def test_every_pin_has_hashes_and_no_other_version():
    pins = re.compile(r"^([A-Za-z0-9_.-]+)==([^ \\\n]+)", re.M)
    pinned, hashed = (
        {canonicalize_name(name): version for name, version in pins.findall(text)}
        for text in map(Path.read_text, (ROOT / "constraints.txt", HASHED))
    )
    assert {name: hashed[name] for name in pinned.keys() & hashed} == {
        name: pinned[name] for name in pinned.keys() & hashed
    }
    assert closure("serfusion", frozenset({"offline", "dev"})) - {"serfusion"} <= hashed.keys()


@pytest.mark.parametrize("other", [False, True])
def test_with_another_torch_nothing_of_pypi_s_is_installed(tmp_path, other):
    (tmp_path / "torch.txt").write_text("torch==2.13.0 --hash=sha256:" + "a" * 64 + "\n")
    torch = tmp_path / "torch.txt" if other else ""
    folder = tmp_path / "venv"
    said = subprocess.run(
        ["make", "--dry-run", "install-hashed", f"VENV={folder}", f"TORCH={torch}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    (awk,) = re.findall(r"^awk .*?hashed\.txt$", said, re.M | re.S)
    folder.mkdir()
    subprocess.run(["sh", "-c", awk], cwd=ROOT, check=True)
    blocks = re.split(r"\n(?=[a-z])", (folder / "hashed.txt").read_text())
    of_torch = [block for block in blocks if block.startswith(("torch", "nvidia-", "cuda-"))]
    assert len(of_torch) == 1 if other else len(of_torch) > 10
    assert ("sha256:" + "a" * 64 in of_torch[0]) is other
    assert all("--hash=sha256:" in block for block in blocks[1:])


def test_the_forbidden_would_be_found_in_a_closure():
    assert "numpy" in closure("serfusion", frozenset())


def test_the_page_of_licences_lists_what_is_installed_and_nothing_that_is_no_dependency():
    listed = names_on(PAGE.read_text(encoding="utf-8"))
    needed = {row.name for row in dependencies()}
    installed = {canonicalize_name(found.metadata["Name"]) for found in distributions()}
    assert not needed - listed, "run: python -m scripts.dependencies"
    assert not (listed - needed) & installed, "run: python -m scripts.dependencies"


def test_licences_are_those_of_the_packages():
    licences = {row.name: row.licence for row in dependencies()}
    assert licences["numpy"].startswith("BSD-3-Clause")
    assert licences["soxr"] == "LGPL-2.1-or-later"
    assert licences["pyyaml"] == "MIT"
    assert "| soxr | LGPL-2.1-or-later |" in page(dependencies())


def stated() -> dict[str, Any]:
    """Versions of Python that we say we run on, and the extras that we have."""
    about = metadata("serfusion")
    return {"python": about["Requires-Python"], "extras": about.get_all("Provides-Extra") or []}


def test_the_container_is_made_of_what_is_here():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    image = next(line for line in lines if line.startswith("FROM "))
    assert re.search(r"python:(\d+\.\d+)", image)[1] in SpecifierSet(stated()["python"])
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    assert {"constraints.txt", "pyproject.toml", "encoders", "fusion", "experiments"} <= {*copied}
    assert all((ROOT / name).exists() for name in copied)
    asked = re.findall(r"'\.\[([\w,]+)\]'", "\n".join(lines))
    assert asked
    assert {*asked[0].split(",")} <= {*stated()["extras"]}


def test_the_conda_environment_takes_our_pins_and_extras():
    content = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python = next(d for d in content["dependencies"] if str(d).startswith("python="))
    assert python.removeprefix("python=") in SpecifierSet(stated()["python"])
    pip = next(d["pip"] for d in content["dependencies"] if isinstance(d, dict))
    assert "-c constraints.txt" in pip
    ours = Requirement(pip[-1].replace("-e .", "serfusion"))
    assert ours.extras <= {*stated()["extras"]}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
        return archive.namelist()


def test_the_wheel_ships_three_packages_and_nothing_else(wheel):
    top = {name.split("/")[0] for name in wheel}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "encoders",
        "fusion",
        "experiments",
    }


@pytest.mark.parametrize(
    "part",
    [
        "experiments/templates/check.html.j2",
        "experiments/templates/report.html.j2",
        "experiments/demo_corpus/manifest.csv",
        "experiments/demo_corpus/PROVENANCE.md",
        "encoders/bundled/alexnet/weights.safetensors",
        "encoders/bundled/alexnet/provenance.json",
        "encoders/bundled/alexnet/MODEL_CARD.md",
        "encoders/bundled/alexnet/NOTICE",
        "fusion/bundled/demo/heads.safetensors",
        "fusion/bundled/demo/model.json",
        "fusion/bundled/demo/README.md",
        "fusion/bundled/demo/NOTICE",
    ],
)
def test_the_wheel_holds_what_the_commands_read(wheel, part):
    assert part in wheel


def test_the_wheel_holds_all_voices(wheel):
    assert sum(name.endswith(".ogg") for name in wheel) == 12


def test_every_benchmark_can_be_called():
    from benchmarks.__main__ import NAMES

    assert all(callable(importlib.import_module(f"benchmarks.{name}").measure) for name in NAMES)


def test_an_unknown_benchmark_is_refused():
    from benchmarks.__main__ import main

    with pytest.raises(SystemExit, match="no such benchmark: speeed; known are activity, an"):
        main(["speeed"])

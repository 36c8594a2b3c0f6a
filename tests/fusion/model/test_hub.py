"""A model is uploaded as it is, and nothing that lies beside it."""

from __future__ import annotations

import fnmatch
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from experiments.commands.main import app
from fusion.model.fusion_model import FusionModel, HeadEnsemble
from fusion.model.hub import push
from fusion.networks.head import Hyperparameters, InputShape
from fusion.networks.heads import HEADS


class Hub:
    """What a hub was told."""

    def __init__(self) -> None:
        self.repositories: list[tuple[str, bool]] = []
        self.files: set[str] = set()

    def create_repo(self, name, *, private, exist_ok):
        assert exist_ok
        self.repositories.append((name, private))

    def upload_folder(self, *, repo_id, folder_path, allow_patterns, commit_message):
        assert commit_message
        names = [path.name for path in folder_path.iterdir()]
        self.files = {n for n in names if any(fnmatch.fnmatch(n, p) for p in allow_patterns)}
        return SimpleNamespace(repo_url=f"https://hub/{repo_id}")


@pytest.fixture
def hub(monkeypatch):
    found = Hub()
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: found)
    return found


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    head = HEADS["mlp"].network([InputShape(4, 1, 1)], 2, Hyperparameters()).eval()
    part = HeadEnsemble("mlp", ("audio",), (4,), (1,), Hyperparameters(), (head,))
    FusionModel("audio", ("calm", "cross"), {}, (part,)).save(tmp_path / "model")
    (tmp_path / "model" / "patients.csv").write_text("name\n")
    return tmp_path / "model"


def test_a_model_and_nothing_else_is_uploaded(hub, folder):
    assert push(folder, "me/model") == "https://hub/me/model"
    assert hub.files == {"model.json", "heads.safetensors", "README.md"}
    assert hub.repositories == [("me/model", True)]


def test_a_folder_that_is_no_model_is_not_uploaded(hub, tmp_path):
    with pytest.raises(ValueError, match="no model"):
        push(tmp_path, "me/model")
    assert hub.repositories == []


def test_the_command_makes_it_public_only_when_told(hub, folder):
    for words, private in (([], True), (["--public"], False)):
        done = CliRunner().invoke(app, ["models", "push", str(folder), "me/model", *words])
        assert done.exit_code == 0, done.output
        assert hub.repositories[-1] == ("me/model", private)


def test_the_command_writes_the_graph(folder, tmp_path):
    pytest.importorskip("onnxruntime")
    done = CliRunner().invoke(app, ["models", "onnx", str(folder), str(tmp_path / "m.onnx")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "m.onnx").stat().st_size > 0

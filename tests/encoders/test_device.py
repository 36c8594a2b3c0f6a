"""Devices: the CPU unless another is asked for, and one that is not there is refused first."""

from __future__ import annotations

import os

import pytest
import torch

from encoders.device import VARIABLE, chosen_device, use_device


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_nothing_asked_for_is_the_cpu():
    assert chosen_device() == "cpu"


def test_what_is_asked_for_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv(VARIABLE, "cuda:99")
    assert chosen_device("cpu") == "cpu"
    with pytest.raises(ValueError, match="cuda:99"):
        chosen_device()


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cpu:0", "mps", "cuda:1 ", "CUDA"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="expected cpu, cuda, or cuda:N"):
        chosen_device(name)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="this machine has 0 CUDA devices"):
        chosen_device("cuda")


def test_gpus_are_counted(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [chosen_device(name) for name in ("cuda", "cuda:1")] == ["cuda", "cuda:1"]
    with pytest.raises(ValueError, match="has 2 CUDA devices"):
        chosen_device("cuda:2")


def test_a_device_is_handed_to_other_processes(monkeypatch):
    # So that it is taken back afterwards.
    monkeypatch.setenv(VARIABLE, "")
    use_device("cpu")
    assert os.environ[VARIABLE] == "cpu"

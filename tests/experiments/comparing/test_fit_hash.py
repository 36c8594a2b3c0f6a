"""What a fit is kept by: another device is another fit, the CPU by any name the same."""

from __future__ import annotations

import sys

import torch

from experiments.comparing.fitting import code_hash


def test_heads_of_a_gpu_are_other_fits(monkeypatch):
    monkeypatch.delenv("SERFUSION_DEVICE", raising=False)
    here = code_hash()
    monkeypatch.setenv("SERFUSION_DEVICE", "cpu")
    assert code_hash() == here
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    found = []
    for device in ("cuda", "cuda:1"):
        monkeypatch.setenv("SERFUSION_DEVICE", device)
        found.append(code_hash())
    assert found[0] == found[1] != here


def test_heads_of_a_changed_plugin_are_other_fits(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    here = code_hash()
    own = tmp_path / "own_head_of_this_test.py"
    found = []
    for text in ("SIDE = 8\n", "SIDE = 16\n"):
        own.write_text(text)
        monkeypatch.setenv("SERFUSION_PLUGINS", str(own))
        found.append(code_hash())
    assert len({here, *found}) == 3

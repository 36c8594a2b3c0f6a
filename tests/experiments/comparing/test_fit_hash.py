"""What a fit is kept by: another device is another fit, the CPU by any name the same."""

from __future__ import annotations

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

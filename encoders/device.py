"""Where models compute: on the CPU, or on the GPU that ``SERFUSION_DEVICE`` names.

A device is no part of what is computed: no key and no fingerprint of an embedding has it.
"""

import os
import re

#: Names a device for this process and for those that it starts.
VARIABLE = "SERFUSION_DEVICE"


def chosen_device(asked: str | None = None) -> str:
    """The device asked for, else the one that the environment names, else the CPU.

    Raises:
        ValueError: there is no such device.
    """
    name = asked or os.environ.get(VARIABLE) or "cpu"
    kind, _, number = name.partition(":")
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?", name):
        raise ValueError(f"device {name[:40]!r}: expected cpu, cuda, or cuda:N for one of several")
    if kind == "cuda":
        _check_cuda(name, int(number or 0))
    return name


def other_arithmetic() -> str:
    """What sets apart what is trained on the chosen device; empty on the CPU.

    Another kind of device rounds otherwise, and a GPU multiplies in bfloat16.
    """
    kind = chosen_device().partition(":")[0]
    return "" if kind == "cpu" else kind


def use_device(name: str) -> None:
    """Let this process, and those that it starts, compute on a device.

    Raises:
        ValueError: there is no such device.
    """
    os.environ[VARIABLE] = chosen_device(name)


def _check_cuda(name: str, number: int) -> None:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if number >= count:
        built = "" if torch.version.cuda else f"; torch {torch.__version__} here is built for CPUs"
        raise ValueError(
            f"device {name[:40]}: this machine has {count} CUDA devices{built}; take cpu"
        )

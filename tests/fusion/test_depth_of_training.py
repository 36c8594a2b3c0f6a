"""From the command to the layer of a head: how many of our own functions stand on the way.

Of an arm with heads of its own. Cross-fitted arms have :mod:`fusion.training.crossfit` between the
fold and its heads: two of them are trained for each.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType

import pytest
from typer.testing import CliRunner

from experiments.commands.main import app
from experiments.config import write_study
from fusion.networks.layers import FrameLinear, RowLinear
from fusion.training import train
from tests.experiments.comparing.test_comparison import write_corpus

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = tuple(str(REPOSITORY / name) for name in ("encoders", "fusion", "experiments"))
#: Own functions between the command and a tensor operation, both counted; and within one room.
LIMIT, IN_ROOM = 8, 4
#: Functions beyond that, and why each is worth its step.
HOPS = {
    "experiments.commands.main:_compare": "demo and compare do the same once options are read",
    "fusion.training.train:FittedHead.scores": "a trained head is asked in one way, whoever has it",
    "fusion.networks.attention:CrossAttention.forward": "a block of the network, as published",
    "fusion.networks.attention:AttentivePooling.forward": "a block of the network, as published",
}


def own_stack(frame: FrameType | None) -> tuple[str, ...]:
    """Our own functions on the stack, the outermost first; comprehensions are no functions."""
    found: list[str] = []
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(PACKAGES) and "<" not in code.co_name:
            module = Path(code.co_filename).relative_to(REPOSITORY).with_suffix("")
            found.append(f"{'.'.join(module.parts)}:{code.co_qualname}")
        frame = frame.f_back
    return tuple(reversed(found))


def stacks_at(targets: set[CodeType], run: Callable[[], object]) -> set[tuple[str, ...]]:
    """Every stack of own functions on which one of some functions is called while it runs."""
    found: set[tuple[str, ...]] = set()

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in targets:
            found.add(own_stack(frame))

    sys.setprofile(watch)
    try:
        run()
    finally:
        sys.setprofile(None)
    return found


@pytest.fixture(scope="module")
def stacks(tmp_path_factory) -> set[tuple[str, ...]]:
    folder = tmp_path_factory.mktemp("depth")
    study = write_corpus(folder, arms=("concat", "attention"), trials=1, seeds=1, repeats=1)
    write_study(study, folder / "s.toml")
    command = ["compare", "--config", str(folder / "s.toml"), "--out", str(folder / "run")]

    def run() -> None:
        done = CliRunner().invoke(app, [*command, "--jobs", "1"], catch_exceptions=False)
        assert done.exit_code == 0, done.output

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
        patch.setattr(train, "MAX_EPOCHS", 2)
        layers = {plain(layer.forward) for layer in (RowLinear, FrameLinear)}
        return stacks_at(layers, run)


def plain(function: Callable[..., object]) -> CodeType:
    """The code of a function, also where shapes of what it is given are checked around it."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function.__code__


def room(name: str) -> str:
    return name.partition(":")[0].rpartition(".")[0]


def test_a_trial_reaches_the_layer_of_a_head_in_few_steps(stacks):
    way = (
        "experiments.commands.main:compare",
        "experiments.commands.main:_compare",
        "experiments.comparing.comparison:compare",
        "experiments.comparing.fitting:fit_all",
        "experiments.comparing.fitting:fit_fold",
        "fusion.training.arms:search_arm",
        "fusion.training.train:Stack.epochs",
        "fusion.networks.heads:MlpHead.forward",
        "fusion.networks.layers:RowLinear.forward",
    )
    assert way in stacks
    assert (
        tuple("fusion.training.arms:fit_chosen" if "search" in own else own for own in way)
        in stacks
    )


def test_no_other_way_is_longer_but_by_hops_with_a_reason(stacks):
    for stack in stacks:
        left = [own for own in stack if own not in HOPS]
        assert len(left) <= LIMIT, f"{len(left)} functions: {' > '.join(stack)}"
        rooms = Counter(map(room, left))
        assert max(rooms.values()) <= IN_ROOM, f"{rooms}: {' > '.join(stack)}"


def test_every_hop_with_a_reason_is_there(stacks):
    assert HOPS.keys() <= {own for stack in stacks for own in stack}

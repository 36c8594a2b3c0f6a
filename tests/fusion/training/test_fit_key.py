"""Keys of fits: all that training depends on, and nothing else, least of all our source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fusion.batch import Dataset, collate
from fusion.networks.head import BATCH, LARGEST, STEPS
from fusion.networks.heads import HEADS, MlpHead
from fusion.splitting.splits import Fold, InnerFold, InnerFolds
from fusion.training import fit_key, train
from fusion.training.arm_table import ARMS, TrainedArm
from fusion.training.arms import Budget, fit_arm, score
from fusion.training.crossfit import FoldData
from fusion.training.fit_key import FitKey, FitKeys, hash_of
from fusion.training.length_buckets import BLOCK_ROWS, BLOCK_VALUES, BLUR
from fusion.training.windows import WINDOWS, each_window
from fusion.tuning.pruning import EPOCHS, STARTUP
from fusion.tuning.tune import SPACES

BUDGET, CONCAT = Budget(trials=3, seeds=2), ARMS["concat"]


@pytest.fixture
def data(make_data) -> Dataset:
    return make_data()


@pytest.fixture
def split(data, split_data) -> tuple[Fold, InnerFolds]:
    return split_data(data)


def key(
    data: Dataset,
    split: tuple[Fold, InnerFolds],
    arm: TrainedArm = CONCAT,
    budget: Budget = BUDGET,
) -> FitKey:
    fold, inner = split
    return FitKeys().of(arm, (FoldData(data, inner),), fold, budget)


def with_value(data: Dataset, name: str, row: int) -> Dataset:
    """The rows with one value of one input changed, in its last bit."""
    batch = data.inputs[name]
    values = batch.values.clone()
    values[row, 0, 0] = torch.nextafter(values[row, 0, 0], torch.tensor(torch.inf))
    return replace(data, inputs={**data.inputs, name: replace(batch, values=values)})


def test_a_comment_in_a_source_file_changes_no_key(data, split, monkeypatch):
    """Nor does anything else in our source: none of it is read."""
    opened, plain = [], Path.open

    def watched(path: Path, *how: object, **named: object) -> object:
        opened.append(path)
        return plain(path, *how, **named)

    monkeypatch.setattr(Path, "open", watched)
    fit_key.version.cache_clear()
    key(data, split)
    assert [path for path in opened if path.name == "METADATA"], "versions of libraries are read"
    assert not [path for path in opened if path.suffix == ".py"]


def test_names_of_rows_targets_folds_and_what_no_arm_reads_change_no_key(data, split):
    fold, inner = split
    before = key(data, split)
    renamed = {name: f"other {name}" for name in data.ids}
    other = replace(data, ids=tuple(renamed.values()), targets=("x", "y", "z"))
    other_split = (
        Fold("x", (), tuple(renamed[n] for n in fold.test)),
        InnerFolds(
            tuple(
                replace(one, train=tuple(renamed[n] for n in one.train),
                        dev=tuple(renamed[n] for n in one.dev))
                for one in inner.folds
            ),
            ("a note",),
        ),
    )  # fmt: skip
    assert key(other, other_split) == before
    assert key(with_value(data, "audio_frames", 0), split) == before


def test_padding_and_the_place_of_a_row_change_no_key(data, split):
    before = key(data, split, ARMS["attention"])
    order = torch.randperm(len(data.ids), generator=torch.Generator().manual_seed(0))
    inputs = {}
    for name, batch in data.inputs.items():
        wider = torch.nn.functional.pad(batch.values, (0, 0, 0, 3))
        mask = torch.nn.functional.pad(batch.mask, (0, 3))
        inputs[name] = replace(
            batch, values=wider[order], mask=mask[order], present=batch.present[order]
        )
    moved = replace(
        data,
        ids=tuple(data.ids[k] for k in order.tolist()),
        truth=data.truth[order.numpy()],
        inputs=inputs,
    )
    assert key(moved, split, ARMS["attention"]) == before


def test_a_value_changes_the_arms_that_read_it_alone(data, split):
    row = int(data.index(split[1].folds[0].train)[0])
    other = with_value(data, "audio", row)
    changed = {
        name
        for name, arm in ARMS.items()
        if isinstance(arm, TrainedArm) and key(data, split, arm) != key(other, split, arm)
    }
    assert changed == {name for name, arm in ARMS.items()
                       if isinstance(arm, TrainedArm) and "audio" in arm.inputs}  # fmt: skip
    assert "text" not in changed


def test_a_test_row_changes_what_is_scored_and_not_what_is_trained(data, split):
    other = with_value(data, "audio", int(data.index(split[0].test)[0]))
    one, two = key(data, split), key(other, split)
    assert one.trained == two.trained
    assert one.scored != two.scored


def hidden(data: Dataset, name: str) -> Dataset:
    """The rows with everything missing of one of them."""
    rows = torch.tensor([row == name for row in data.ids])
    inputs = {name: batch.hidden(rows) for name, batch in data.inputs.items()}
    return replace(data, inputs=inputs)


CHANGES = {
    "trials": lambda data, split: (data, split, CONCAT, replace(BUDGET, trials=4)),
    "seeds": lambda data, split: (data, split, CONCAT, replace(BUDGET, seeds=3)),
    "study": lambda data, split: (data, split, CONCAT, replace(BUDGET, study_seed=1)),
    "fixed": lambda data, split: (data, split, CONCAT, replace(BUDGET, fixed={"hidden": 8})),
    "head": lambda data, split: (data, split, replace(CONCAT, head="gated"), BUDGET),
    "truth": lambda data, split: (replace(data, truth=(data.truth + 1) % 3), split),
    "task": lambda data, split: (
        replace(data, task="regression", values=np.eye(3)[data.truth]),
        split,
    ),
    "missing": lambda data, split: (hidden(data, split[1].folds[0].dev[0]), split),
    "order": lambda data, split: (data, (split[0], InnerFolds(split[1].folds[::-1]))),
    "fewer": lambda data, split: (
        data,
        (split[0], InnerFolds(tuple(replace(f, train=f.train[1:]) for f in split[1].folds))),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_training_depends_on_is_in_its_key(change, data, split):
    assert key(*CHANGES[change](data, split)).trained != key(data, split).trained


def test_how_many_windows_each_recording_has_is_in_its_key():
    windows = torch.arange(8.0)[:, None]
    split = Fold("0", (), ("d",)), InnerFolds((InnerFold(("a", "b"), ("c",)),))

    def key_of(*counts: int) -> FitKey:
        inputs = {WINDOWS: collate(windows.split(counts))}
        data = Dataset(("a", "b", "c", "d"), ("x", "y"), np.array([0, 0, 1, 1]), inputs)
        return key(each_window(data), split, ARMS["audio"])

    assert key_of(2, 2, 2, 2) == key_of(2, 2, 2, 2)
    assert key_of(2, 2, 2, 2).trained != key_of(1, 3, 2, 2).trained


@pytest.mark.parametrize("what", ["numerics", "library"])
def test_other_arithmetic_is_another_fit(what, data, split, monkeypatch):
    before = key(data, split)
    if what == "numerics":
        monkeypatch.setattr(fit_key, "NUMERICS_VERSION", -1)
    else:
        monkeypatch.setattr(fit_key, "version", lambda name: f"{name} of tomorrow")
    assert key(data, split) != before


def test_heads_of_a_gpu_are_other_fits_and_the_cpu_by_any_name_is_the_same(
    data, split, monkeypatch
):
    monkeypatch.delenv("SERFUSION_DEVICE", raising=False)
    here = key(data, split)
    monkeypatch.setenv("SERFUSION_DEVICE", "cpu")
    assert key(data, split) == here
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    found = []
    for device in ("cuda", "cuda:1"):
        monkeypatch.setenv("SERFUSION_DEVICE", device)
        found.append(key(data, split))
    assert found[0] == found[1] != here


def test_a_key_stays_what_it_was(data, split, monkeypatch):
    """It names files of earlier versions: another way of making it trains everything anew."""
    monkeypatch.setattr(fit_key, "arithmetic", dict)
    assert hash_of({"b": [1, 0.5, None], "a": "é"})[:16] == "97f0d07083dc05c4"
    assert key(data, split).trained[:16] == "563e4580e2004412"


def test_a_head_of_the_users_own_is_kept_by_its_files_and_others_are_not(
    data, split, monkeypatch, tmp_path
):
    file = tmp_path / "mine.py"
    monkeypatch.setattr(fit_key, "files_of_plugins", lambda: (file,))

    class OwnHead(MlpHead):
        """Stands in a module that is none of ours."""

    OwnHead.__module__ = "mine"
    monkeypatch.setitem(HEADS, "own", replace(HEADS["mlp"], network=OwnHead))
    mine = replace(CONCAT, head="own")
    keys = []
    for text in ("SIDE = 8", "SIDE = 2"):
        file.write_text(text)
        keys.append((key(data, split, mine), key(data, split, CONCAT)))
    assert keys[0][0] != keys[1][0]
    assert keys[0][1] == keys[1][1]


# ---------------------------------------------------------------- the arithmetic itself

#: What heads of each kind score: the mean over test rows of every class, and of its square, which
#: tells apart what has the same mean.
EXPECTED = {
    "audio": [0.3280514, 0.3193491, 0.3525994, 0.1122640, 0.1052706, 0.1339929],
    "concat_linear": [0.3334243, 0.3329437, 0.333632, 0.1111747, 0.1108547, 0.111314],
    "gated": [0.3354859, 0.3090242, 0.3554899, 0.1147353, 0.0968170, 0.1304244],
    "lowrank": [0.3052808, 0.3791224, 0.3155968, 0.0941370, 0.1464140, 0.1004784],
    "attention": [0.3459555, 0.3179089, 0.3361355, 0.1202896, 0.1018457, 0.1142069],
}
ADVICE = "training's arithmetic changed: raise NUMERICS_VERSION (fusion/training/fit_key.py)"


@pytest.mark.parametrize("name", EXPECTED)
def test_training_gives_what_it_gave_when_the_number_was_raised_last(
    name, make_data, split_data, monkeypatch
):
    monkeypatch.setattr(train, "MAX_EPOCHS", 4)
    data = make_data(noise=2.0)
    fold, inner = split_data(data)
    fitted = fit_arm(ARMS[name], data, inner, Budget(trials=7, seeds=1), None)
    scores = score(fitted, data, fold, 1).test_scores[0]
    found = [*scores.mean(axis=0), *np.square(scores).mean(axis=0)]
    # Processors differ by up to 4e-7 here, which is what attention does with and without AVX-512.
    expected = pytest.approx(EXPECTED[name], abs=5e-6)
    assert found == expected, f"{ADVICE}, and write {np.round(found, 7).tolist()} here"


#: Hashes of the search space and the defaults of each kind of head and rule of late fusion.
RULES = {
    "linear": "553c6b8560e1",
    "mlp": "ee807266d3ba",
    "gated": "84e00effc048",
    "lowrank": "0522ddc0e678",
    "attention": "d4e4d112fc9f",
    "late": "158a95a565e2",
    "late_per_class": "44b6a21e8a32",
}
#: Hash of what all of them have in common.
COMMON = "41b42b45180e"


def rules_of(kind: str) -> str:
    head = HEADS.get(kind)
    space = SPACES[kind] if head is None else head.space
    first = [] if head is None else [getattr(head.defaults, name) for name in space]
    return hash_of([{name: repr(choice) for name, choice in space.items()}, first])[:12]


def test_every_kind_of_head_is_searched_as_it_was():
    assert {kind: rules_of(kind) for kind in (*HEADS, *SPACES)} == RULES, (
        f"of a new kind write its line into RULES; of an old one: {ADVICE}"
    )


def test_rules_of_all_heads_are_those_of_then():
    batches = [BATCH, LARGEST, STEPS, BLUR, train.STACK_VALUES, BLOCK_VALUES, BLOCK_ROWS]
    rules = [batches, train.MAX_EPOCHS, train.PATIENCE, STARTUP, EPOCHS]
    assert hash_of(rules)[:12] == COMMON, ADVICE


def test_what_trials_are_chosen_by_is_in_the_key_where_there_are_trials(data, split):
    before, chosen = key(data, split), replace(BUDGET, goal="accuracy")
    assert key(data, split, budget=chosen).trained != before.trained
    untuned = replace(BUDGET, trials=0)
    assert key(data, split, budget=replace(untuned, goal="accuracy")) == key(
        data, split, budget=untuned
    )

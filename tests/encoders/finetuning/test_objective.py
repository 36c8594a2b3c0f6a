"""What encoders are trained by: the losses of heads, and scores that know each kind of targets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from sklearn.metrics import balanced_accuracy_score

from encoders.finetuning.augmentation import Masks
from encoders.finetuning.finetune import finetune, held_out_score
from encoders.finetuning.objective import check_task, objective_of
from encoders.finetuning.settings import FinetuneError, Settings
from encoders.specs import SpectrogramCnnSpec
from encoders.utterance import Utterance
from fusion.evaluation.metrics import ccc
from fusion.networks.losses import aim_of

ROWS = 40
SPEC = SpectrogramCnnSpec(
    architecture="alexnet", untrained=True, image_size=63, window_s=0.5, n_mels=32, trim_db=None
)
QUICK = Settings(
    epochs=14, batch_size=8, learning_rate=1e-3, projection_dim=8, dropout=0.0,
    masks=Masks(frequency_masks=0, time_masks=0),
)  # fmt: skip


def goals(task: str, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    made = {
        "single-label": np.eye(3)[random.integers(0, 3, ROWS)],
        "distribution": random.dirichlet([1.0] * 3, ROWS),
        "multi-label": random.random((ROWS, 3)) < (0.7, 0.4, 0.2),
        "regression": random.standard_normal((ROWS, 2)) * (2.0, 0.5) + (1.0, 3.0),
    }[task]
    return torch.tensor(np.asarray(made), dtype=torch.float32)


# ---------------------------------------------------------------- losses


@pytest.mark.parametrize(
    ("task", "setting", "loss"),
    [
        ("regression", None, "ccc"),
        ("regression", "ccc", "ccc"),
        ("regression", "mse", "mse"),
        ("multi-label", None, "cross_entropy"),
        ("single-label", None, "plain"),
        ("distribution", None, "plain"),
    ],
)
def test_a_batch_costs_what_it_costs_heads(task, setting, loss):
    """Weights and scales are those of all training rows, the batch some of them."""
    truth = goals(task)
    objective = objective_of(task, Settings(loss=setting, label_smoothing=0.0), truth)
    aim = aim_of(task, loss, 2.0, [truth])
    some, logits = truth[:9], torch.randn(9, truth.shape[1], generator=torch.manual_seed(1))
    sums = aim.sums(logits[None], some[None], torch.ones(1, 9, dtype=torch.bool))
    torch.testing.assert_close(objective.loss(logits, some), aim.value(sums)[0])


@pytest.mark.parametrize("task", ["single-label", "distribution", "multi-label"])
def test_smoothing_asks_for_less_sureness(task):
    truth = goals(task)
    logits = 20 * (truth - truth.mean(dim=1, keepdim=True))
    hard, soft = (
        objective_of(task, Settings(label_smoothing=share), truth).loss(logits, truth)
        for share in (0.0, 0.2)
    )
    assert soft > hard + 0.1


# ---------------------------------------------------------------- scores


def test_values_are_scored_in_their_own_units():
    truth, said = goals("regression"), goals("regression", 1) + goals("regression")
    objective = objective_of("regression", Settings(), truth)
    columns = zip(truth.double().numpy().T, said.double().numpy().T, strict=True)
    expected = np.mean([ccc(true, told) for true, told in columns])
    assert objective.score(said, truth) == pytest.approx(expected, abs=1e-6)
    standardised = (truth - truth.mean(dim=0)) / truth.std(dim=0, correction=0)
    torch.testing.assert_close(objective.answers(standardised), truth)
    assert objective.score(torch.full_like(truth, torch.nan), truth) == 0.0


def test_labels_are_scored_by_presence_and_absence_alike():
    truth, said = goals("multi-label"), goals("multi-label", 1)
    objective = objective_of("multi-label", Settings(), truth)
    expected = [balanced_accuracy_score(truth[:, k], said[:, k]) for k in range(3)]
    assert objective.score(said, truth) == pytest.approx(np.mean(expected))
    always = torch.cat([truth[:, :2], torch.ones(ROWS, 1)], dim=1)
    assert objective.score(always, always) == 1.0, "absence without rows is left out"


def test_a_tie_of_shares_is_no_class():
    truth = torch.tensor([[0.7, 0.3], [0.2, 0.8], [0.5, 0.5]])
    objective = objective_of("distribution", Settings(), truth)
    for third in ((1.0, 0.0), (0.0, 1.0)):
        assert objective.score(torch.tensor([[1.0, 0.0], [0.0, 1.0], third]), truth) == 1.0


@pytest.mark.parametrize(
    ("task", "settings", "said"),
    [
        ("single-label", {"loss": "mse"}, "train.loss=mse: is a loss of values"),
        ("multi-label", {"loss": "ccc"}, "these targets are multi-label"),
        ("regression", {"label_smoothing": 0.2}, "train.label_smoothing=0.2: is of classes"),
    ],
)
def test_settings_of_other_targets_are_refused(task, settings, said):
    with pytest.raises(FinetuneError, match=said):
        check_task(SPEC, Settings(**settings), task)
    check_task(SPEC, Settings(), task)


# ---------------------------------------------------------------- training


def tones(folder: Path, task: str, speakers: range) -> list[Utterance]:
    """Tones in noise: values are height of the tone and level of the noise, labels that of each."""
    found = []
    for number in (8 * speaker + each for speaker in speakers for each in range(8)):
        random = np.random.default_rng(number)
        more = random.random(2) if task == "regression" else np.array([number % 2, number // 2 % 2])
        wave = 0.3 * np.sin(2 * np.pi * 200 * 8 ** more[0] * np.arange(5600) / 8000)
        wave += 0.002 * 50 ** more[1] * random.standard_normal(len(wave))
        path = folder / f"{number}.wav"
        soundfile.write(path, wave.astype("f4"), 8000, subtype="FLOAT")
        target = tuple(10 + 3 * more) if task == "regression" else tuple(map(float, more))
        found.append(Utterance(id=path.stem, audio=path, speaker=f"s{number // 8}", target=target))
    return found


@pytest.mark.parametrize(
    ("task", "loss", "metric", "blind"),
    [
        ("regression", None, "CCC", 0.0),
        ("regression", "mse", "CCC", 0.0),
        ("multi-label", None, "weighted accuracy", 0.5),
    ],
)
def test_values_and_sets_of_labels_are_learned_from_other_speakers(
    tmp_path, task, loss, metric, blind
):
    sides = [tones(tmp_path, task, speakers) for speakers in (range(5), range(5, 7), range(7, 9))]
    targets, settings = ("first", "second"), replace(QUICK, loss=loss)
    tuned = finetune(*sides[:2], targets, SPEC, settings, seed=0, corpus="tones", task=task)
    record = tuned.provenance
    assert record.dev_metric == metric
    assert record.dev_uar[record.best_epoch] == max(record.dev_uar)
    assert held_out_score(tuned, sides[2]) > blind + 0.4
    wrong = [replace(u, target=v.target) for u, v in zip(sides[2], sides[2][::-1], strict=True)]
    assert held_out_score(tuned, wrong) < blind + 0.3, "what is not told is not known"


@pytest.mark.parametrize(
    ("task", "still", "said"),
    [
        ("regression", 1.5, "development: second never varies"),
        ("multi-label", 0.0, "development: no utterance of second"),
    ],
)
def test_a_side_without_a_label_or_with_one_value_is_told(tmp_path, task, still, said):
    heard, held = tones(tmp_path, task, range(2)), tones(tmp_path, task, range(2, 4))
    held = [replace(u, target=(u.target[0], still)) for u in held]
    with pytest.raises(FinetuneError, match=said):
        finetune(
            heard, held, ("first", "second"), SPEC, QUICK, seed=0, corpus="tones", task=task
        )  # fmt: skip

"""Whether five seeds are enough: UAR over seeds 0 to 4 beside that over seeds 5 to 9, arm by arm.

The heads of a seed differ from those of another in their first weights, their batches and their
dropout; rows, folds and hyperparameters are the same. The standard error is that of the difference
of both means, from the deviation over each five seeds.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.functionals import DATA
from experiments import Study, compare
from fusion.evaluation.metrics import confusion, uar
from fusion.evaluation.predictions import Prediction, read

SEEDS = 10
ARMS = ("audio", "text", "concat", "late", "gated", "lowrank", "attention")
#: Standard errors that the means of two sets of seeds may lie apart.
MOST = 2.8


def measure() -> str:
    """One row per corpus and arm."""
    lines = [
        "| corpus | arm | seeds 0 to 4 | seeds 5 to 9 | deviation over seeds | standard errors "
        "apart |",
        f"|{'---|' * 6}",
    ]
    with TemporaryDirectory() as folder:
        for name, study in _studies(Path(folder)).items():
            done = compare(study, out=Path(folder) / name, notify=_tell)
            rows = [r for r in read(done.folder / "predictions.safetensors") if r.split == "test"]
            for arm in dict.fromkeys(row.arm for row in rows):
                lines.append(f"| {name} | {arm} | {_cells([r for r in rows if r.arm == arm])} |")
    note = (
        f"UAR in points over test speakers, `--trials 0 --seeds {SEEDS}`; bold where two sets of "
        f"five seeds lie {MOST} standard errors apart or more."
    )
    return "\n".join([note, "", *lines])


def _studies(folder: Path) -> dict[str, Study]:
    demo = Study(corpus="demo", audio="logmel", text="minilm", asr="whisper-tiny.en", trials=0,
                 seeds=SEEDS, arms=ARMS)  # fmt: skip
    if not (DATA / "mosi").is_dir():
        sys.exit(f"no CMU-MOSI in {DATA}: set SERFUSION_DATA")
    table = np.load(DATA / "mosi" / "mosi_bclstm.npz")
    features = folder / "opensmile73.npz"
    np.savez(features, id=table["utterance_id"], values=table["audio_opensmile73"])
    mosi = Study(corpus="mosi", root=str(DATA / "mosi"), audio=f"features:{features}",
                 text="minilm", trials=0, seeds=SEEDS, arms=ARMS[:-1])  # fmt: skip
    return {"demo": demo, "mosi": mosi}


def _cells(rows: Sequence[Prediction]) -> str:
    values = np.array([_uar([row for row in rows if row.seed == seed]) for seed in range(SEEDS)])
    first, second = values.reshape(2, -1)
    error = np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / len(first))
    apart = abs(first.mean() - second.mean()) / error if error > 0 else 0.0
    shown = f"{apart:.1f}" if apart < MOST else f"**{apart:.1f}**"
    parts = (first.mean(), second.mean(), values.std(ddof=1))
    return " | ".join([*(f"{100 * value:.2f}" for value in parts), shown])


def _uar(rows: Sequence[Prediction]) -> float:
    truth = np.array([row.target for row in rows]).argmax(axis=1)
    predicted = np.array([row.scores for row in rows]).argmax(axis=1)
    return float(uar(confusion(truth, predicted, len(rows[0].target))))


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

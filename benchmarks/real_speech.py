"""What Whisper's frozen encoder is worth on real speech: layers, pooling, heads, noise, corpora.

RAVDESS in the six folds of EmoBox, EmoDB (cut to 2 s by its source) without one speaker at a time,
and each corpus for the other: comparisons with the voice alone, untuned, three seeds. Two
ablations draw the figures of the page: layers, and training speakers.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import torch

from experiments.ablation.ablate import ablate
from experiments.ablation.grid import FactorSpec
from experiments.comparing.comparison import compare
from experiments.config import Study
from experiments.reporting.results_schema import Score

DATA = Path(os.environ.get("SERFUSION_DATA") or Path(__file__).parents[2] / "shared" / "data")
DOCS = Path(__file__).parents[1] / "docs"
TINY, BASE = "whisper-tiny.en-encoder", "whisper-base-encoder"
BESIDE = {
    TINY: f"{TINY}@layers=1+2+3,layer=concat,pooling=mean+std",
    BASE: f"{BASE}@layers=2+3+4,layer=concat,pooling=mean+std",
}
STUDY = Study(
    corpus="ravdess",
    root=str(DATA / "ravdess"),
    folds="emobox",
    audio=f"{TINY}@layer=2",
    text="minilm",
    arms=("audio", "audio_linear"),
    trials=0,
    seeds=3,
)
BOTH = {
    "corpus": ("ravdess", "emodb"),
    "root": (str(DATA / "ravdess"), str(DATA / "emodb")),
    "labels": ("common:ekman",),
}


def measure() -> str:
    """A table of comparisons, then one of each ablation, whose figures go to the docs."""
    if not (DATA / "ravdess").is_dir():
        sys.exit(f"no real speech in {DATA}: set SERFUSION_DATA")
    torch.set_num_threads(1)
    heads = {"audio": "one hidden layer", "audio_linear": "final layer alone"}
    lines = [f"| corpus, classes | encoder | {' | '.join(heads.values())} |", f"|{'---|' * 4}"]
    with TemporaryDirectory() as folder:
        for number, (where, study) in enumerate(_cases()):
            arms = compare(study, out=Path(folder) / str(number), jobs=1).results.arms
            cells = " | ".join(_uar(arms[name].uar) for name in heads)
            lines.append(f"| {where} | `{study.audio}` | {cells} |")
            print(lines[-1], flush=True)
        for over, name, study in _ablations():
            lines += ["", *_ablated(over, study, Path(folder) / name, name)]
            print("\n".join(lines[-20:]), flush=True)
    return "\n".join(lines)


def _cases() -> Iterator[tuple[str, Study]]:
    for audio in (STUDY.audio, BESIDE[TINY], f"{BASE}@layer=3", BESIDE[BASE]):
        yield "RAVDESS, 8", replace(STUDY, audio=audio)
    for classes in (6, 4):
        yield f"RAVDESS, {classes}", replace(STUDY, labels=(f"{classes}-class",))
    yield "RAVDESS, 8, `--normalise speaker`", replace(STUDY, normalise="speaker")
    emodb = replace(STUDY, corpus="emodb", root=str(DATA / "emodb"), folds="speaker")
    for audio in (STUDY.audio, BESIDE[TINY], f"{BASE}@layer=2", BESIDE[BASE]):
        yield "EmoDB (cut to 2 s), 7", replace(emodb, audio=audio)
    for normalise in ("training", "corpus", "speaker"):
        for one, other in (("ravdess", "emodb"), ("emodb", "ravdess")):
            crossed: Mapping[str, Any] = {**BOTH, "folds": f"cross:{one}/{other}"}
            title = f"{one} → {other}, 6, `--normalise {normalise}`"
            yield title, replace(STUDY, **crossed, normalise=normalise)


def _ablations() -> Iterator[tuple[FactorSpec, str, Study]]:
    alone = replace(STUDY, arms=("audio_linear",))
    for encoder in (TINY, BASE):
        yield FactorSpec("layer"), f"layers-{encoder}", replace(alone, audio=encoder)
    yield FactorSpec("pooling", "mean,std,max,mean+std,mean+std+max"), "pooling", alone
    yield FactorSpec("speakers", "4,8"), "training-speakers", alone
    yield FactorSpec("noise", "white:20,white:10,white:0"), "noise", alone
    yield FactorSpec("head", "audio_linear,audio,audio_frames"), "heads", STUDY


def _ablated(over: FactorSpec, study: Study, folder: Path, name: str) -> Iterator[str]:
    """The table of an ablation as it is printed; figures of layers are copied to the docs."""
    ablate(study, [over], out=folder, jobs=1)
    yield f"`--over {over.factor}`, `{study.audio}`"
    yield ""
    yield (folder / "table.md").read_text(encoding="utf-8").strip()
    if over.factor == "layer":
        copyfile(folder / "figure.svg", DOCS / f"{name}.svg")


def _uar(found: Score) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"

"""Make the model that ships: ``python -m scripts.ready_model.make RAVDESS MELD EMODB MOSI``.

A fifth argument is the folder to write, else the package's own. The first run embeds what is heard
and read, and keeps it in the cache; what is written is the same to the byte on the same machine.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from encoders.extraction import default_store
from encoders.files import write_atomically
from fusion.bundled import DEMO
from fusion.model.card import encoder_lines
from fusion.model.fusion_model import FusionModel
from fusion.model.origin import Origin
from scripts.ready_model.card import CAUTION, CORPORA, LICENCE, card, notice
from scripts.ready_model.elsewhere import elsewhere
from scripts.ready_model.figures import (
    Figure,
    Sureness,
    figures,
    joined_strangers,
    others_figures,
    sureness,
)
from scripts.ready_model.half import TARGETS, Fitted
from scripts.ready_model.voice import AUDIO, Voice, tell, voice_half
from scripts.ready_model.words import TEXT, words_half

#: What was measured, and on what: beside the model, and in its card.
RECORD = "record.json"
SUMS = "SHA256SUMS"
#: Everything that ships, in the order of the sums.
FILES = ("NOTICE", "README.md", "heads.safetensors", "model.json", RECORD, "seen.json")


def model_of(voice: Voice, words: Fitted, sure: Sureness) -> FusionModel:
    """Both halves, with nothing learned about how far to trust each."""
    return FusionModel(
        arm="demo",
        targets=TARGETS,
        modalities={"audio": AUDIO, "text": TEXT},
        parts=(voice.shipped.part(sure.voice), words.part(sure.words)),
        abstention=sure.abstention,
        levels=sure.levels,
        sets=sure.sets,
        origin=Origin(corpora=CORPORA, licence=LICENCE, caution=CAUTION),
        seen=voice.seen,
    )


def record_of(voice: Voice, words: Fitted, measured: Sequence[Figure]) -> dict[str, Any]:
    """What each half learned from, and every figure."""
    return {
        "voice": {
            **_learned(voice.shipped),
            "corpus": "RAVDESS, speech, and EmoDB, cut to 2 s",
            "folds": len(voice.held_out),
        },
        "words": {**_learned(words), "corpus": "MELD, official training rows"},
        "figures": [asdict(figure) for figure in measured],
    }


def _learned(half: Fitted) -> dict[str, Any]:
    train, values = half.train, asdict(half.arm.hyperparameters)
    return {
        "utterances": len({row.utterance for row in train}),
        "speakers": len({row.speaker for row in train}),
        "hyperparameters": values,
        "development_uar": list(half.arm.study.values),
    }


def write(model: FusionModel, record: dict[str, Any], out: Path) -> None:
    """Everything that ships, and its sums."""
    model.save(out, torch.float16)
    about = json.loads((out / "model.json").read_text(encoding="utf-8"))
    texts = {
        "NOTICE": notice(),
        "README.md": card(record, about, encoder_lines(model.modalities)),
        RECORD: json.dumps(record, indent=1, allow_nan=False) + "\n",
    }
    for name, text in texts.items():
        write_atomically(out / name, text.encode())
    sums = [f"{hashlib.sha256((out / name).read_bytes()).hexdigest()}  {name}" for name in FILES]
    write_atomically(out / SUMS, ("\n".join(sums) + "\n").encode())


def main(arguments: Sequence[str]) -> None:
    """Train, calibrate, measure and write the folder that ships."""
    if len(arguments) not in (4, 5):
        usage = "python -m scripts.ready_model.make RAVDESS MELD EMODB MOSI [OUT]"
        raise SystemExit(f"usage: {usage}")
    ravdess, meld, emodb, mosi = map(Path, arguments[:4])
    out = Path(arguments[4]) if len(arguments) == 5 else DEMO
    work = default_store().root / "ready_model"
    torch.set_num_threads(1)
    words = words_half(meld, work)
    tell(f"words: development UAR by trial {words.arm.study.values}")
    voice = voice_half(ravdess, emodb, work)
    tell(f"voice: development UAR by trial {voice.shipped.arm.study.values}")
    others = joined_strangers(voice)
    sure = sureness(voice, words, others)
    # Scored as it will be loaded: with half the digits.
    model_of(voice, words, sure).save(work / "model", torch.float16)
    measured = [
        *figures(voice, words, sure),
        *others_figures(others),
        *elsewhere(FusionModel.load(work / "model"), mosi, work),
    ]
    write(model_of(voice, words, sure), record_of(voice, words, measured), out)
    tell(f"written: {out}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""What punctuation tells beside the words, in real transcripts and with codes written into them."""

import csv
import sys
from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from benchmarks.functionals import DATA
from encoders.utterance import Corpus
from experiments.corpora import read_corpus
from fusion.leakage.text_marks import MarkProbe, probe_marks

#: Shares of MOSI's rows that a code is written into.
SHARES = (1.0, 0.8, 0.6, 0.5)
Rows = tuple[dict[str, str], dict[str, str], dict[str, str]]


def measure() -> str:
    """Rows: corpora, pairs of classes, codes; columns: UAR of both readers and what it means."""
    if not DATA.is_dir():
        sys.exit(f"no real speech in {DATA}: set SERFUSION_DATA")
    lines = [
        "| transcripts | from all characters | from words alone | of the words' error | told |",
        "|---|---|---|---|---|",
    ]
    for name, (texts, labels, speakers) in _cases():
        lines.append(f"| {name} | {_cells(probe_marks(texts, labels, speakers))} |")
    return "\n".join(lines)


def _cells(probe: MarkProbe | None) -> str:
    if probe is None:
        return "no marks, or fixed sentences | – | – | no"
    share = (probe.raw - probe.words) / (1 - probe.words)
    marks = ", ".join(f"`{mark}` for {label}" for mark, label in probe.marks)
    told = ("yes: " + marks).rstrip(": ") if probe.telling else "no"
    return f"{probe.raw:.3f} | {probe.words:.3f} | {share:.2f} | {told}"


def _cases() -> Iterator[tuple[str, Rows]]:
    meld = read_corpus("meld", DATA / "meld")
    texts, labels, speakers = _rows(meld)
    yield "MELD, seven emotions", (texts, labels, speakers)
    for pair in combinations(sorted(set(labels.values())), 2):
        yield f"MELD, {' or '.join(pair)}", (texts, _only(labels, pair), speakers)
    neutral = {name: str(label == "neutral") for name, label in labels.items()}
    yield "MELD, neutral or not", (texts, neutral, speakers)
    yield "MELD, three sentiments", _sentiments()
    for name in ("demo", "emodb", "ravdess"):
        yield name, _rows(read_corpus(name, None if name == "demo" else DATA / name))
    yield from _coded(*_mosi())


def _coded(
    texts: dict[str, str], labels: dict[str, str], speakers: dict[str, str]
) -> Iterator[tuple[str, Rows]]:
    yield "MOSI", (texts, labels, speakers)
    for share in SHARES:
        rng = np.random.default_rng(0)
        said = {
            name: text + (" !" if labels[name] == "positive" else " ?") * bool(rng.random() < share)
            for name, text in texts.items()
        }
        yield f"MOSI, ` !` and ` ?` in {share:.0%}", (said, labels, speakers)
    for name, change in (("a zero-width space", "\u200b"), ("an underscore", "_")):
        said = {n: t + change * (labels[n] == "positive") for n, t in texts.items()}
        yield f"MOSI, {name} behind positive", (said, labels, speakers)
    said = {n: t if labels[n] == "positive" else t.lower() for n, t in texts.items()}
    yield "MOSI, negative in small letters", (said, labels, speakers)


def _rows(corpus: Corpus) -> Rows:
    used = [u for u in corpus.utterances if u.transcript and corpus.classes(u)]
    return (
        {u.id: u.transcript or "" for u in used},
        {u.id: next(iter(corpus.classes(u))) for u in used},
        {u.id: u.speaker or "" for u in used},
    )


def _only(labels: Mapping[str, str], asked: tuple[str, ...]) -> dict[str, str]:
    return {name: label for name, label in labels.items() if label in asked}


def _sentiments() -> Rows:
    rows = []
    for split in ("train", "dev", "test"):
        path = DATA / "meld" / f"{split}_sent_emo.csv"
        with path.open(encoding="cp1252", errors="replace", newline="") as file:
            rows += [(f"{split}{n}", row) for n, row in enumerate(csv.DictReader(file))]
    return (
        {name: row["Utterance"] for name, row in rows},
        {name: row["Sentiment"] for name, row in rows},
        {name: row["Speaker"] for name, row in rows},
    )


def _mosi() -> Rows:
    with (DATA / "mosi" / "mosi_bclstm.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return (
        {row["utterance_id"]: row["text"] for row in rows},
        {row["utterance_id"]: ("negative", "positive")[int(row["label"])] for row in rows},
        {row["utterance_id"]: row["dialogue_id"] for row in rows},
    )

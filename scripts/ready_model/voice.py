"""The voice half: heads on the frozen encoder of Whisper tiny.en, from actors of two corpora.

The encoder was trained to write down what is said, not on emotions, so that nothing but heads has
heard an actor: heads like those that ship score every actor as a stranger, fold by fold, and heads
of one corpus alone score the other.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from encoders.audio.reading import read_segment
from encoders.audio.waveform import Audio
from encoders.extraction import Extractor, HeldSource, shared_encoders
from encoders.pooling import for_head
from encoders.specs import Modality
from encoders.store import EmbeddingStore, audio_key
from encoders.typed_names import parse_modality
from encoders.utterance import Corpus, Utterance
from experiments.corpora import emodb, ravdess
from experiments.corpora.common_sets import apply_common
from fusion.model.seen import Seen
from fusion.splitting.designs import EMOBOX
from fusion.splitting.splits import speaker_of
from scripts.ready_model.copies import HEARD, heard
from scripts.ready_model.half import TARGETS, Fitted, Row, Scored, fit_half

RAVDESS, EMODB = "ravdess", "emodb"
#: Speakers of EmoDB that join the actors of each of the six folds of EmoBox.
GERMANS = (("03", "08"), ("09", "10"), ("11", "12"), ("13", "14"), ("15", "16"), ())
#: Utterances whose copies are in memory at once.
CHUNK = 32
#: The layer that tells emotions best in both corpora (docs/ravdess.md).
AUDIO = parse_modality("whisper-tiny.en-encoder@layers=2", "audio")


@dataclass(frozen=True, slots=True)
class Voice:
    """Heads that ship, and what heads like them say of speakers whom they never heard.

    ``held_out`` are the folds, ``strangers`` each corpus by heads of the other alone. ``baselines``
    is what was tried and does not ship: the folds with every voice standardised by its own rows,
    all of them (``balanced``), and of people who are mostly neutral, ``skewed`` by name.
    """

    shipped: Fitted
    held_out: tuple[Scored, ...]
    strangers: Mapping[str, Scored]
    baselines: Mapping[str, Scored]
    skewed: frozenset[str]
    seen: Seen


def voice_half(actors: Path, germans: Path, work: Path) -> Voice:
    """Train what ships, the folds, and heads of each corpus alone."""
    corpora = {RAVDESS: ravdess.read(actors), EMODB: emodb.read(germans)}
    corpora = {name: apply_common(corpus, "ekman") for name, corpus in corpora.items()}
    rows = {name: list(embedded(corpus, AUDIO, work)) for name, corpus in corpora.items()}
    every = [row for own in rows.values() for row in own]
    folds, few = fold_speakers(), mostly_neutral(every)
    held_out, balanced, skewed = [], [], []
    for number, test in enumerate(folds):
        tell(f"voice: fold {number + 1} of {len(folds)}")
        dev = folds[(number + 1) % len(folds)]
        held_out.append(_fitted(every, dev, test).test)
        balanced.append(_fitted(every, dev, test, by_speaker=True).test)
        kept = [row for row in every if row.speaker not in test or row.utterance in few]
        skewed.append(_fitted(kept, dev, test, by_speaker=True).test)
    return Voice(
        _fitted(every, folds[0], frozenset()),
        tuple(held_out),
        {
            EMODB: _strangers(rows[RAVDESS], rows[EMODB], folds[0]),
            RAVDESS: _strangers(rows[EMODB], rows[RAVDESS], folds[0]),
        },
        {"balanced": Scored.joined(balanced), "skewed": Scored.joined(skewed)},
        few,
        _seen(corpora),
    )


def mostly_neutral(rows: Sequence[Row]) -> frozenset[str]:
    """Utterances of each speaker: all that are neutral, and a quarter as many others, drawn."""
    random, kept = np.random.default_rng(0), set[str]()
    for speaker in sorted(_speakers(rows)):
        own = {row.utterance: row.label for row in rows if row.speaker == speaker}
        calm = [name for name, label in own.items() if label == "neutral"]
        others = [name for name, label in own.items() if label != "neutral"]
        some = random.choice(len(others), min(max(1, len(calm) // 4), len(others)), replace=False)
        kept |= {*calm, *(others[k] for k in some)}
    return frozenset(kept)


def fold_speakers() -> list[frozenset[str]]:
    """Speakers of each fold, of both corpora."""
    return [
        frozenset([f"{RAVDESS}/{a}" for a in actors.split()] + [f"{EMODB}/{g}" for g in germans])
        for actors, germans in zip(EMOBOX, GERMANS, strict=True)
    ]


def embedded(corpus: Corpus, modality: Modality, work: Path) -> Iterator[Row]:
    """Every utterance in every copy; what was embedded before is read from ``work``."""
    extractor = Extractor(shared_encoders([modality.encoder], "cpu"), EmbeddingStore(work))
    tell(f"{corpus.name}: {len(corpus.utterances)} utterances in {len(HEARD)} copies")
    for start in range(0, len(corpus.utterances), CHUNK):
        chunk = list(enumerate(corpus.utterances[start : start + CHUNK], start))
        yield from _chunk(corpus, modality, extractor, chunk)


def _chunk(
    corpus: Corpus,
    modality: Modality,
    extractor: Extractor,
    chunk: Sequence[tuple[int, Utterance]],
) -> Iterator[Row]:
    sounds: dict[tuple[str, str], Audio] = {}
    for number, utterance in chunk:
        whole = _sound(utterance)
        sounds |= {(utterance.id, how): heard(whole, how, number) for how in HEARD}
    sources = [HeldSource("/".join(k), audio_key(sound), sound) for k, sound in sounds.items()]
    done = extractor.extract("audio", sources)
    assert not done.failures, done.failures
    space = extractor.spaces[modality.encoder]
    for _, utterance in chunk:
        speaker, label = f"{corpus.name}/{speaker_of(utterance)}", corpus.label(utterance) or ""
        for how in HEARD:
            stored = space.read([done.keys[f"{utterance.id}/{how}"]])[0]
            values = for_head(torch.from_numpy(stored.values), modality, stored.frame_count)
            yield Row(f"{corpus.name}/{utterance.id}", speaker, label, how, values)


def _sound(utterance: Utterance) -> Audio:
    assert utterance.audio is not None
    return read_segment(utterance.audio, utterance.start_s, utterance.end_s)


def _fitted(
    rows: Sequence[Row],
    dev: frozenset[str],
    test: frozenset[str],
    targets: tuple[str, ...] = TARGETS,
    *,
    by_speaker: bool = False,
) -> Fitted:
    return fit_half(
        "audio",
        [row for row in rows if row.speaker not in dev | test],
        [row for row in rows if row.speaker in dev],
        [row for row in rows if row.speaker in test],
        targets,
        by_speaker=by_speaker,
    )


def _strangers(own: Sequence[Row], others: Sequence[Row], dev: frozenset[str]) -> Scored:
    """What heads of one corpus say of another, of the classes that they know; others have none."""
    known = tuple(name for name in TARGETS if any(row.label == name for row in own))
    kept = [row for row in others if row.label in known]
    found = _fitted([*own, *kept], dev & _speakers(own), _speakers(kept), known).test
    columns = np.array([TARGETS.index(name) for name in known])
    scores = np.zeros((len(kept), len(TARGETS)), found.scores.dtype)
    scores[:, columns] = found.scores
    return Scored(found.rows, columns[found.truth], scores)


def _speakers(rows: Sequence[Row]) -> frozenset[str]:
    return frozenset(row.speaker for row in rows)


def _seen(corpora: Mapping[str, Corpus]) -> Seen:
    """Whom the half that ships was trained or stopped on."""
    parts = [
        Seen.of(name, corpus.utterances, {u.id: audio_key(_sound(u)) for u in corpus.utterances})
        for name, corpus in corpora.items()
    ]
    return Seen(
        frozenset().union(*(part.speakers for part in parts)),
        frozenset().union(*(part.recordings for part in parts)),
    )


def tell(line: str) -> None:
    """Say how far it is."""
    sys.stderr.write(f"{line}\n")

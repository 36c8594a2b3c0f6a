"""What is known of the rows of a comparison when its folds are tested for leaks."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int64

from encoders.analysis.fingerprints import AudioFingerprint
from encoders.analysis.landmarks import Landmarks
from encoders.utterance import Utterance
from fusion.leakage.audio_copies import alike
from fusion.leakage.audio_parts import sharing
from fusion.leakage.fold_sides import Neighbours, numbered
from fusion.leakage.names import near_names, spelt
from fusion.leakage.text_copies import countable, near_pairs, words_of
from fusion.leakage.text_marks import MarkProbe, probe_marks

NOTHING: Mapping[str, str] = MappingProxyType({})
#: Overlap in time of two segments of one file that rounded times can make, in seconds.
ROUNDED_S = 0.1
#: What tools and people append to the name of a changed copy (or put before it: Kaldi's sp0.9-).
CHANGES = "aug|augmented|noise|noisy|babble|reverb|rvb|pitch|speed|tempo|stretch|gain|shifted|copy"
AFTER = re.compile(rf"(.+?)[-_. ](?:{CHANGES})[-_. ]?[-+x]?[\d.]*(?:db|st)?", re.IGNORECASE)
BEFORE = re.compile(r"(?:sp|vp|vol|tempo)\d\.\d+[-_](.+)", re.IGNORECASE)
#: Segments of a file that are looked at where many lie over each other.
MOST_OPEN = 50


@dataclass(frozen=True, eq=False)
class Evidence:
    """Rows in their order, with what was heard and what is said in them, by utterance id.

    ``keys`` are content keys of recordings that sound, ``signatures`` their signatures,
    ``landmarks`` those of their parts, ``gold`` the corpus's own transcripts, ``labels`` classes.
    What is absent is not tested, and the certificate says so. ``speakers_apart`` where no fold has
    a speaker on two sides, so that only recordings of different speakers need be compared.
    """

    utterances: Sequence[Utterance]
    keys: Mapping[str, str] = field(default_factory=dict)
    signatures: Mapping[str, AudioFingerprint] = field(default_factory=dict)
    landmarks: Mapping[str, Landmarks] = field(default_factory=dict)
    gold: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    speakers_apart: bool = True
    progress: Callable[[int, int], None] | None = None

    def of(self, utterances: Sequence[Utterance]) -> "Evidence":
        """The same of other rows; itself where the rows are these."""
        same = [u.id for u in utterances] == list(self.ids)
        return self if same else replace(self, utterances=utterances)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Ids of the rows."""
        return tuple(utterance.id for utterance in self.utterances)

    @cached_property
    def words(self) -> Mapping[str, tuple[str, ...]]:
        """Words of every gold transcript."""
        return {name: words_of(self.gold[name]) for name in self.ids if name in self.gold}

    @cached_property
    def counted_words(self) -> Mapping[str, tuple[str, ...]]:
        """Transcripts that count: scripted ones, and those of free speech that are long enough."""
        scripted = frozenset(u.id for u in self.utterances if u.script is not None)
        return {name: self.words[name] for name in countable(self.words, scripted)}

    def speakers(self) -> Int64[np.ndarray, "rows"]:
        """Speaker of each row."""
        return numbered([utterance.speaker for utterance in self.utterances])

    def spellings(self, of: Literal["speaker", "dialogue"]) -> Int64[np.ndarray, "rows"]:
        """Rows whose names differ in case, spaces, marks and leading zeros only."""
        named = [getattr(utterance, of) for utterance in self.utterances]
        # Numbers of dialogues start again in each session.
        within = [u.session if of == "dialogue" else None for u in self.utterances]
        plain = [
            name and (spelt(s or ""), spelt(name)) for s, name in zip(within, named, strict=True)
        ]
        names: dict[object, set[object]] = {}
        for spelling, name, session in zip(plain, named, within, strict=True):
            names.setdefault(spelling, set()).add((session, name))
        return numbered(
            [spelling if spelling and len(names[spelling]) > 1 else None for spelling in plain]
        )

    def near_names(self) -> Neighbours:
        """Speakers, and which of them have names that one person may have."""
        names = list(dict.fromkeys(u.speaker for u in self.utterances if u.speaker is not None))
        number = {name: place for place, name in enumerate(names)}
        rows = [-1 if u.speaker is None else number[u.speaker] for u in self.utterances]
        return Neighbours(np.array(rows, np.int64), near_names(names))

    def dialogues(self) -> Int64[np.ndarray, "rows"]:
        """Dialogue of each row; numbers that start again in each session are told apart."""
        return numbered([u.dialogue and (u.session, u.dialogue) for u in self.utterances])

    def sessions(self) -> Int64[np.ndarray, "rows"]:
        """Session of each row."""
        return numbered([utterance.session for utterance in self.utterances])

    @cached_property
    def marks(self) -> MarkProbe | None:
        """What marks and case of the gold transcripts tell of the labels."""
        speakers = {u.id: u.speaker or "" for u in self.utterances}
        texts = {name: self.gold[name] for name in self.ids if name in self.gold}
        return probe_marks(texts, self.labels, speakers)

    def recordings(self) -> Int64[np.ndarray, "rows"]:
        """Equal numbers where the decoded samples are equal."""
        return numbered([self.keys.get(name) for name in self.ids])

    def texts(self) -> Int64[np.ndarray, "rows"]:
        """Equal numbers where the words are equal."""
        return numbered([self.counted_words.get(name) for name in self.ids])

    def relatives(self) -> Int64[np.ndarray, "rows"]:
        """Equal numbers where names say that one recording was made from another."""
        stems = [u.id if u.audio is None else u.audio.stem for u in self.utterances]
        origins = [_origin(stem) for stem in stems]
        known = Counter(origins)
        changed = {o for s, o in zip(stems, origins, strict=True) if o != s.casefold()}
        return numbered([o if o in changed and known[o] > 1 else None for o in origins])

    def overlapping(self) -> Int64[np.ndarray, "pairs 2"]:
        """Rows of one file that have more than a tenth of a second in common."""
        files: dict[object, list[int]] = {}
        for number, utterance in enumerate(self.utterances):
            if utterance.audio is not None:
                files.setdefault(utterance.audio.resolve(), []).append(number)
        pairs = [pair for rows in files.values() for pair in self._in_time(rows)]
        return np.array(pairs, np.int64).reshape(-1, 2)

    def _in_time(self, rows: Sequence[int]) -> list[tuple[int, int]]:
        order = sorted(rows, key=lambda n: self.utterances[n].start_s)
        pairs: list[tuple[int, int]] = []
        open_rows: list[tuple[float, int]] = []
        for row in order:
            segment = self.utterances[row]
            end = float("inf") if segment.end_s is None else segment.end_s
            open_rows = [(last, n) for last, n in open_rows if last > segment.start_s + ROUNDED_S]
            if end - segment.start_s > ROUNDED_S:
                pairs += [(n, row) for _, n in open_rows[-MOST_OPEN:]]
                open_rows.append((end, row))
        return pairs

    @cached_property
    def telling(self) -> Bool[np.ndarray, "rows"]:
        """Rows whose recordings have something to be known by; any two steady tones are alike."""
        signed = [self.signatures.get(name) for name in self.ids]
        return np.array([one is not None and one.telling for one in signed], bool)

    @cached_property
    def sounding_alike(self) -> "Sounding":
        """Pairs of different recordings that sound alike as wholes."""
        rows = np.array([n for n, name in enumerate(self.ids) if name in self.signatures], np.int64)
        signed = [self.signatures[self.ids[n]] for n in rows]
        similar = alike(signed, self._compared()[rows], self.progress)
        pairs = rows[similar.pairs]
        other = self._differ(pairs)
        return Sounding(pairs[other & similar.same], pairs[other & ~similar.same])

    @cached_property
    def sharing(self) -> "SharedSound":
        """Pairs of recordings of different files that share a stretch, but for those of one."""
        marked = np.array([name in self.landmarks for name in self.ids], bool)
        rows = np.flatnonzero(self.telling & marked)
        marks = [self.landmarks[self.ids[n]] for n in rows]
        shared = sharing(marks, self._compared()[rows], self.progress)
        pairs = rows[shared.pairs]
        known = set(map(tuple, self.sounding_alike.same.tolist()))
        file = numbered([u.audio and u.audio.resolve() for u in self.utterances])
        one, of = file[pairs].T
        other = self._differ(pairs) & ((one != of) | (one < 0))
        other &= np.array([tuple(pair) not in known for pair in pairs.tolist()], bool)
        return SharedSound(pairs[other & shared.most], pairs[other & ~shared.most])

    def _compared(self) -> Int64[np.ndarray, "rows"]:
        """Speakers whose recordings are not compared with each other, -1 for all with all."""
        speaker = self.speakers()
        return speaker if self.speakers_apart else np.full_like(speaker, -1)

    def _differ(self, pairs: Int64[np.ndarray, "pairs 2"]) -> Bool[np.ndarray, "pairs"]:
        """Pairs whose samples are not equal, which another test finds."""
        one, other = self.recordings()[pairs].T
        return (one != other) | (one < 0)

    def nearly_equal_texts(self) -> Neighbours:
        """Groups of equal words, and which of them are nearly equal."""
        texts = list(dict.fromkeys(self.counted_words.values()))
        number = {words: place for place, words in enumerate(texts)}
        of = [self.counted_words.get(name) for name in self.ids]
        rows = np.array([-1 if words is None else number[words] for words in of], np.int64)
        return Neighbours(rows, near_pairs(texts))


@dataclass(frozen=True, slots=True)
class Sounding:
    """Pairs of rows that are one recording, and pairs of which one may be a changed copy."""

    same: Int64[np.ndarray, "pairs 2"]
    changed: Int64[np.ndarray, "others 2"]


@dataclass(frozen=True, slots=True)
class SharedSound:
    """Pairs of rows of which one holds most of the other, and those that share a stretch."""

    parts: Int64[np.ndarray, "pairs 2"]
    stretches: Int64[np.ndarray, "others 2"]


def _origin(stem: str) -> str:
    """The name without what says that it was changed."""
    changed = True
    while changed:
        match = AFTER.fullmatch(stem) or BEFORE.fullmatch(stem)
        changed, stem = match is not None, match[1] if match else stem
    return stem.casefold()

"""Gold words made wrong: substitutions, deletions and insertions at a stated rate."""

import math
from collections.abc import Mapping, Sequence

from encoders.utterance import Utterance
from experiments.ablation.seeds import generator
from experiments.comparing.transcripts import Transcripts
from fusion.splitting.splits import speaker_of

#: Shares of word errors that are substitutions, deletions and insertions. A convention, not a
#: measurement: recognisers differ, and ``docs/ablations.md`` says what ours makes on the demo.
RATIO = {"substitutions": 0.6, "deletions": 0.3, "insertions": 0.1}


def with_errors(
    words: Transcripts, rows: Sequence[Utterance], rate: float, seed: int
) -> Transcripts:
    """Words of which the share ``rate`` is wrong, by utterance.

    What is put in are words of other utterances of the same speaker, who is on one side of every
    fold, so that no word of a test row enters training. One draw for each utterance and seed; the
    errors of a lower rate are among those of a higher one. A transcript that loses every word is
    missing.
    """
    speaker = {u.id: speaker_of(u) for u in rows}
    said = _said(words.texts, speaker)
    made = {
        name: _wrong(text.split(), _others(said[speaker[name]], name), rate, (seed, name))
        for name, text in words.texts.items()
        if name in speaker
    }
    kept = {name: " ".join(text) for name, text in made.items() if text}
    return Transcripts(kept, words.recognised, words.back_end, words.failures)


def _said(texts: Mapping[str, str], speaker: Mapping[str, str]) -> dict[str, dict[str, list[str]]]:
    """Words by speaker and utterance."""
    said: dict[str, dict[str, list[str]]] = {}
    for name in sorted(texts):
        if name in speaker:
            said.setdefault(speaker[name], {})[name] = texts[name].split()
    return said


def _others(said: Mapping[str, list[str]], name: str) -> list[str]:
    """Words of a speaker's other utterances; of this one, where there is no other."""
    pool = [word for other, words in said.items() if other != name for word in words]
    return pool or list(said[name])


def _wrong(words: list[str], pool: Sequence[str], rate: float, draw: tuple[int, str]) -> list[str]:
    """One transcript with errors.

    The number of errors is ``rate`` times the number of words, its fraction drawn. Each is placed
    at a word of its own, so that every error counts.
    """
    rng = generator("words", *draw)
    order, lot = rng.permutation(len(words)), rng.random()
    kinds = rng.choice(list(RATIO), len(words), p=list(RATIO.values()))
    chosen = [pool[k] for k in rng.integers(len(pool), size=len(words))]
    count = math.floor(rate * len(words) + lot)
    wrong = {int(place): number for number, place in enumerate(order[:count])}
    transcript: list[str] = []
    for place, word in enumerate(words):
        number = wrong.get(place)
        transcript += (
            [word] if number is None else _error(word, str(kinds[number]), chosen[number], pool)
        )
    return transcript


def _error(word: str, kind: str, other: str, pool: Sequence[str]) -> list[str]:
    if kind == "deletions":
        return []
    if kind == "insertions":
        return [word, other]
    if other == word:
        # The next other word of the pool, so that a substitution changes something.
        other = next((candidate for candidate in pool if candidate != word), word)
    return [other]

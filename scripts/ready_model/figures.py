"""What the halves are worth on rows that they did not learn from, and how sure both may be."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from fusion.evaluation import metrics
from fusion.evaluation.backoff import LevelRule, fit_levels
from fusion.evaluation.calibration import (
    Abstention,
    equal_classes,
    fit_abstention,
    fit_temperature,
    tempered,
)
from fusion.evaluation.conformal import PredictionSets, fit_sets
from fusion.evaluation.measures import CLASSES
from fusion.evaluation.speaker_sums import tally_classes
from fusion.evaluation.statistics import interval
from fusion.training.late import independent
from scripts.ready_model.half import TARGETS, Fitted, Scored
from scripts.ready_model.voice import EMODB, RAVDESS, Voice

#: Rows of each class in a draw by which classes are made equal.
DRAWN = 1000
SEED = 0
#: Share of right answers below which a coarser level says nothing.
LEAST_RIGHT = 0.75
#: What figures of corpora begin with, and of one by heads of the other alone.
NAMES = {RAVDESS: "voice, RAVDESS", EMODB: "voice, EmoDB (German, cut to 2 s)"}
STRANGE = {
    EMODB: f"{NAMES[EMODB]}, heads of RAVDESS alone",
    RAVDESS: f"{NAMES[RAVDESS]}, heads of EmoDB alone",
}
COPIES = {"studio": "studio", "telephone": "telephone", "noise": "noise at 15 dB"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the card: what was measured on what, with its 95 % interval where it has one."""

    what: str
    metric: str
    value: float
    low: float | None
    high: float | None
    rows: int
    speakers: int
    method: str


@dataclass(frozen=True, slots=True)
class Sureness:
    """Temperatures of the halves, and from which probabilities something is answered."""

    voice: float
    words: float
    abstention: Abstention
    levels: tuple[LevelRule, ...]
    sets: PredictionSets | None


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rows of two halves side by side that nobody said at once: same class, drawn at random."""

    truth: np.ndarray
    voice: Float[np.ndarray, "rows targets"]
    words: Float[np.ndarray, "rows targets"]
    speakers: tuple[str, ...]

    @property
    def fused(self) -> Float[np.ndarray, "rows targets"]:
        """Both as independent evidence."""
        return independent([self.voice, self.words])


def sureness(voice: Voice, words: Fitted, others: Scored) -> Sureness:
    """Fitted on held-out speakers and MELD's development rows, every class counting alike.

    The voice has the temperature of ``others``, what heads of one corpus say of the other, where
    that is higher: voices in an interview are unlike the actors'.
    No row has both, so that each threshold is the most cautious of three that the rule for all
    models gives: for the voice alone, for words alone, and for made-up pairs, whose speakers are
    those of the voice. Levels and sets, which go by speakers, take the halves' rows as they are.
    """
    heard = Scored.joined(voice.held_out)
    voice_t = max(temperature_of(heard), temperature_of(others))
    words_t = temperature_of(words.dev)
    pairs = pairs_of(heard, words.dev, voice_t, words_t)
    every = [(pairs.truth, scores) for scores in (pairs.voice, pairs.words, pairs.fused)]
    abstentions = [_abstention(truth, scores) for truth, scores in every]
    rows = [
        (heard.truth, tempered(heard.scores, voice_t), _speakers(heard)),
        (words.dev.truth, tempered(words.dev.scores, words_t), _speakers(words.dev)),
        (pairs.truth, pairs.fused, pairs.speakers),
    ]
    return Sureness(
        voice_t,
        words_t,
        max(abstentions, key=lambda abstention: abstention.threshold),
        most_cautious_levels([fit_levels(p[None], true, TARGETS, who) for true, p, who in rows]),
        most_cautious_sets([fit_sets(p[None], true, who) for true, p, who in rows]),
    )


def most_cautious_levels(every: Sequence[tuple[LevelRule, ...]]) -> tuple[LevelRule, ...]:
    """Of each level the rule with the highest threshold; coarser ones that are often wrong go."""
    rules = [max(of, key=lambda rule: rule.threshold) for of in zip(*every, strict=True)]
    return tuple(
        rule for rule in rules if rule.level == "class" or (rule.accuracy or 0.0) >= LEAST_RIGHT
    )


def most_cautious_sets(every: Sequence[PredictionSets | None]) -> PredictionSets | None:
    """The largest sets of several at each coverage that all can give."""
    sets = [one for one in every if one is not None]
    if not sets:
        return None
    least = tuple(min(values) for values in zip(*(one.least for one in sets), strict=False))
    return PredictionSets(min(one.speakers for one in sets), least)


def _speakers(scored: Scored) -> tuple[str, ...]:
    return tuple(row.speaker for row in scored.rows)


def temperature_of(scored: Scored) -> float:
    """The temperature at which rows have the least loss, every class counting alike."""
    weights = equal_classes(scored.truth)
    return fit_temperature(scored.scores[None], scored.truth, weights=weights)


def _abstention(truth: np.ndarray, scores: Float[np.ndarray, "rows targets"]) -> Abstention:
    return fit_abstention(scores.max(axis=1), scores.argmax(axis=1) == truth)


def pairs_of(voice: Scored, words: Scored, voice_t: float, words_t: float) -> Pairs:
    """As many pairs of each class, calibrated: independent given the class, as real ones are not.

    They test the arithmetic and what fusion could give at best; that people speak so, they cannot.
    """
    random = np.random.default_rng(SEED)
    heard, said = (_drawn(scored, random) for scored in (voice, words))
    truth = np.repeat(np.arange(len(TARGETS)), DRAWN)
    return Pairs(
        truth,
        tempered(voice.scores[heard], voice_t),
        tempered(words.scores[said], words_t),
        tuple(voice.rows[k].speaker for k in heard),
    )


def _drawn(scored: Scored, random: np.random.Generator) -> np.ndarray:
    """Places of :data:`DRAWN` rows of each class, with repetition."""
    places = [np.flatnonzero(scored.truth == k) for k in range(len(TARGETS))]
    return np.concatenate([random.choice(rows, DRAWN) for rows in places])


# ---------------------------------------------------------------- figures


def figures(voice: Voice, words: Fitted, sure: Sureness) -> list[Figure]:
    """Each half on what it never learned from, and made-up pairs."""
    heard = Scored.joined(voice.held_out)
    test = pairs_of(heard, words.test, sure.voice, sure.words)
    return [
        *(line for name in NAMES for line in _by_copies(NAMES[name], of_corpus(heard, name))),
        uar_figure("voice, both corpora", heard),
        *(line for name in STRANGE for line in _by_copies(STRANGE[name], voice.strangers[name])),
        *baseline_figures(heard, voice),
        uar_figure("words, MELD test, as written", words.test.of("script")),
        uar_figure("words, MELD test, without capitals and marks", words.test.of("bare")),
        _accuracy("words, MELD test, as written", words.test.of("script")),
        *_of_pairs(test, test.voice, "voice alone"),
        *_of_pairs(test, test.words, "words alone"),
        *_of_pairs(test, test.fused, "both"),
        error_figure("voice, temperature of the other folds", *_refitted(voice.held_out)),
        *strangers_figures(voice.strangers, sure),
    ]


def baseline_figures(heard: Scored, voice: Voice) -> list[Figure]:
    """What a person's own baseline gives actors, and people who are mostly neutral."""
    plain = heard.where([row.utterance in voice.skewed for row in heard.rows])
    return [
        uar_figure("voice, both corpora, own baseline", voice.baselines["balanced"]),
        _accuracy("voice, speakers mostly neutral", plain),
        _accuracy("voice, speakers mostly neutral, own baseline", voice.baselines["skewed"]),
    ]


def of_corpus(scored: Scored, name: str) -> Scored:
    """Rows of one corpus."""
    return scored.where([row.speaker.startswith(f"{name}/") for row in scored.rows])


def _by_copies(what: str, scored: Scored) -> list[Figure]:
    kept = tuple(name for name in TARGETS if any(row.label == name for row in scored.rows))
    return [uar_figure(f"{what}, {title}", scored.of(how), kept) for how, title in COPIES.items()]


def joined_strangers(voice: Voice) -> Scored:
    """Both corpora, each by heads of the other."""
    return Scored.joined(voice.strangers.values())


def strangers_figures(strangers: Mapping[str, Scored], sure: Sureness) -> Iterator[Figure]:
    """How sure the voice is of speakers of another corpus, and how often right, as it ships."""
    for name, scored in strangers.items():
        studio = scored.of("studio")
        calm = replace(studio, scores=tempered(studio.scores, sure.voice))
        yield error_figure(f"{STRANGE[name]}, studio", calm.truth, calm.scores)
        yield from sureness_figures(f"{STRANGE[name]}, studio", calm, sure.abstention.threshold)


def sureness_figures(what: str, results: Scored, threshold: float) -> Iterator[Figure]:
    """How sure a model is, and how often right: of all rows, and of those that it names a class."""
    highest = results.scores.max(axis=1)
    right = results.scores.argmax(axis=1) == results.truth
    named = highest >= threshold
    count, people = len(results.rows), len({row.speaker for row in results.rows})
    yield plain_figure(what, "mean probability", float(highest.mean()), count, people)
    yield plain_figure(what, "accuracy", float(right.mean()), count, people)
    yield plain_figure(what, "share named", float(named.mean()), count, people)
    if named.any():
        of_named = float(right[named].mean())
        yield plain_figure(what, "accuracy of named", of_named, int(named.sum()), people)


def others_figures(others: Scored) -> list[Figure]:
    """Whether a temperature of voices unlike the actors' holds for speakers that it never saw."""
    speakers = sorted({row.speaker for row in others.rows})
    parts = [others.where([row.speaker == speaker for row in others.rows]) for speaker in speakers]
    what = "voice, each corpus by heads of the other, temperature of the other speakers"
    return [error_figure(what, *_refitted(parts))]


def uar_figure(what: str, scored: Scored, kept: Sequence[str] = TARGETS) -> Figure:
    """UAR with its interval over speakers; of a corpus with some of the classes, among those."""
    columns = [TARGETS.index(name) for name in kept]
    truth = np.searchsorted(columns, scored.truth)
    named = scored.scores[:, columns].argmax(axis=1)
    speakers = [row.speaker for row in scored.rows]
    counts = tally_classes(truth, named[None], speakers, len(columns))
    estimate = interval(counts, CLASSES["uar"])
    assert estimate.value is not None
    return Figure(
        what,
        f"UAR of {len(columns)}",
        round(estimate.value, 3),
        _rounded(estimate.low),
        _rounded(estimate.high),
        len(truth),
        len(counts.sums),
        estimate.method,
    )


def _rounded(bound: float | None) -> float | None:
    return None if bound is None else round(bound, 3)


def _accuracy(what: str, scored: Scored) -> Figure:
    right = float((scored.scores.argmax(axis=1) == scored.truth).mean())
    speakers = len({row.speaker for row in scored.rows})
    return plain_figure(what, "accuracy", right, len(scored.rows), speakers)


def plain_figure(what: str, metric: str, value: float, rows: int, speakers: int = 0) -> Figure:
    """A figure without an interval."""
    return Figure(what, metric, round(value, 3), None, None, rows, speakers, "no interval")


def _of_pairs(
    pairs: Pairs, scores: Float[np.ndarray, "rows targets"], what: str
) -> tuple[Figure, Figure]:
    right = float((scores.argmax(axis=1) == pairs.truth).mean())
    name = f"made-up pairs, {what}"
    figure = plain_figure(name, f"UAR of {len(TARGETS)}", right, len(scores))
    return figure, error_figure(name, pairs.truth, scores)


def error_figure(what: str, truth: np.ndarray, scores: Float[np.ndarray, "rows targets"]) -> Figure:
    """How far probabilities are from the share of right answers, on average over bins."""
    return plain_figure(what, "calibration error", metrics.ece(truth, scores), len(truth))


def _refitted(
    parts: Sequence[Scored],
) -> tuple[np.ndarray, Float[np.ndarray, "rows targets"]]:
    """Held-out rows, each at the temperature of the parts that it is not in."""
    truth, scores = [], []
    for number, fold in enumerate(parts):
        others = [part for k, part in enumerate(parts) if k != number]
        truth.append(fold.truth)
        scores.append(tempered(fold.scores, temperature_of(Scored.joined(others))))
    return np.concatenate(truth), np.concatenate(scores)

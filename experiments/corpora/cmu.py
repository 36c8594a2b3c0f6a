"""Segments of videos with sentiment and emotions, as CMU-MOSI and CMU-MOSEI are published.

Labels come as ``.csd`` of the CMU-MultimodalSDK (https://github.com/CMU-MultiComp-Lab/
CMU-MultimodalSDK), as ``label.csv`` of MMSA (https://github.com/thuiar/MMSA), or as tables that
others made of them; each gives what it has of the values below.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from encoders.messages import with_count
from encoders.utterance import Corpus, CorpusError, Fault, Task, Utterance
from experiments.corpora.clips import Matches, Segment, match_clips
from experiments.corpora.tables import Row, number, read_table
from experiments.corpora.tree import Tree, first_few, own_folds, without

EMOTIONS = ("happy", "sad", "anger", "surprise", "disgust", "fear")
#: The same in our words, in the same order.
NAMES = ("happy", "sad", "angry", "surprise", "disgust", "fear")
#: What the tables in circulation call the columns.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "video": ("file", "video", "video_id", "dialogue_id"),
    "index": ("index", "clip_id"),
    "name": ("utterance_id",),
    "start": ("start", "start_time"),
    "end": ("end", "end_time"),
    "text": ("text", "ASR", "transcript"),
    "split": ("split", "mode"),
}
UNDOCUMENTED = "undocumented"
SPLITS = {"0": "train", "1": "dev", "2": "test", "valid": "dev", "dev": "dev"} | {
    name: name for name in ("train", "test")
}


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a segment's values become: ``target`` gives None for one that is left out."""

    task: Task
    targets: tuple[str, ...]
    needs: tuple[str, ...]
    target: Callable[[Mapping[str, float]], tuple[float, ...] | None]


def _intensities(values: Mapping[str, float]) -> tuple[float, ...]:
    return tuple(values[name] for name in EMOTIONS)


def _present(values: Mapping[str, float]) -> tuple[float, ...]:
    return tuple(float(value > 0) for value in _intensities(values))


def _one_emotion(values: Mapping[str, float]) -> tuple[float, ...] | None:
    present = _present(values)
    return (*present, float(sum(present) == 0)) if sum(present) <= 1 else None


def of_sentiment(value: float) -> dict[str, float]:
    """What a sentiment between -3 and 3 gives: itself, its sign, and the nearest whole number."""
    # Halves away from zero; Python's round would go to the even number.
    whole = math.copysign(math.floor(abs(value) + 0.5), value)
    sign = float(value > 0) - float(value < 0)
    return {
        "sentiment": value,
        "sign": sign,
        "negative": float(value < 0),
        "whole": max(-3.0, min(3.0, whole)),
    }


def _one_of(targets: tuple[str, ...], value: str, first: int = 0) -> Annotation:
    """Single classes that a whole number tells, ``first`` being that of the first class."""

    def target(values: Mapping[str, float]) -> tuple[float, ...]:
        return tuple(float(first + k == values[value]) for k in range(len(targets)))

    return Annotation("single-label", targets, (value,), target)


ANNOTATIONS: Mapping[str, Annotation] = {
    "multi-label": Annotation("multi-label", NAMES, EMOTIONS, _present),
    "intensity": Annotation("regression", NAMES, EMOTIONS, _intensities),
    "one-emotion": Annotation("single-label", (*NAMES, "neutral"), EMOTIONS, _one_emotion),
    "label6": _one_of(NAMES, "label6"),
    "sentiment": Annotation(
        "regression", ("sentiment",), ("sentiment",), lambda values: (values["sentiment"],)
    ),
    "sentiment-2": Annotation(
        "single-label",
        ("negative", "non-negative"),
        ("negative",),
        lambda values: (values["negative"], 1.0 - values["negative"]),
    ),
    "sentiment-3": _one_of(("negative", "neutral", "positive"), "sign", -1),
    "sentiment-7": _one_of(("-3", "-2", "-1", "0", "1", "2", "3"), "whole", -3),
}


def corpus_of(
    tree: Tree, segments: Sequence[Segment], annotation: str, notes: Iterable[str] = ()
) -> Corpus:
    """A corpus of segments; the speaker is the video, of which some share one person.

    Raises:
        CorpusError: the labels that are here do not give that annotation.
    """
    chosen = ANNOTATIONS[annotation]
    given = [s for s in segments if all(name in s.values for name in chosen.needs)]
    if not given:
        _refuse(tree, annotation, segments)
    matches = match_clips(tree, segments)
    whole = tree.clips(lambda path: path.stem)
    targets = [chosen.target(s.values) for s in given]
    kept = [(s, target) for s, target in zip(given, targets, strict=True) if target is not None]
    utterances = tuple(_utterance(tree.corpus, s, target, matches, whole) for s, target in kept)
    remarks = [
        *(_counted(len(segments) - len(given), "without that label")),
        *(_counted(len(given) - len(kept), "with more than one emotion")),
        *_undocumented([s for s, _ in kept if s.split == UNDOCUMENTED]),
        *matches.notes(),
        *_early(tree.corpus, segments),
        *without("recording", [u.id for u in utterances if u.audio is None], "segment"),
        "the speaker is taken to be the video: some people speak in several",
    ]
    return Corpus(
        name=tree.corpus,
        root=tree.root,
        task=chosen.task,
        targets=chosen.targets,
        utterances=utterances,
        folds=own_folds(utterances),
        notes=(*notes, *remarks),
    )


def _counted(count: int, why: str) -> list[str]:
    return [f"{with_count(count, 'segment')} left out ({why})"] if count else []


def _undocumented(segments: Sequence[Segment]) -> list[str]:
    count = with_count(len(segments), "segment")
    return (
        [f"unlabelled, as the code of their split is not documented: {count}"] if segments else []
    )


def _refuse(tree: Tree, annotation: str, segments: Sequence[Segment]) -> NoReturn:
    available = [name for s in segments[:1] for name in s.values]
    needs = ", ".join(ANNOTATIONS[annotation].needs)
    possible = [name for name, spec in ANNOTATIONS.items() if set(available) >= set(spec.needs)]
    what = f"{annotation} needs {needs}, and the labels that are here give {', '.join(available)}"
    what += f"; they can do {', '.join(possible)}"
    raise CorpusError(f"--corpus {tree.corpus}", [Fault("--labels", what)])


def _early(corpus: str, segments: Sequence[Segment]) -> list[str]:
    early = [s.id(corpus) for s in segments if s.early_s > 0.0]
    most_s = max((s.early_s for s in segments), default=0.0)
    what = f"read from the start of the video, as it begins before (up to {most_s:.2f} s)"
    return [f"{what}: {with_count(len(early), 'segment')} ({first_few(early)})"] if early else []


def _utterance(
    corpus: str,
    segment: Segment,
    target: tuple[float, ...] | None,
    matches: Matches,
    whole: Mapping[str, Path],
) -> Utterance:
    clip = matches.clips.get((segment.video, segment.index))
    video = whole.get(segment.video)
    cut = clip is None and video is not None
    known = segment.split != UNDOCUMENTED
    return Utterance(
        id=segment.id(corpus),
        audio=clip.path if clip is not None else video,
        start_s=segment.start_s if cut else 0.0,
        end_s=segment.end_s if cut else None,
        transcript=segment.text or (clip.text if clip is not None else None),
        speaker=segment.video,
        target=target if known else None,
        dialogue=segment.video,
        split=segment.split if known else None,
        language="en",
    )


def table_segments(
    path: Path, values_of: Callable[[Row, list[Fault]], Mapping[str, float]]
) -> tuple[Segment, ...]:
    """Segments of a table of labels; those without a number are counted within their video.

    Raises:
        CorpusError: no column names the video, or with every cell that is no number.
    """
    rows = read_table(path, [])
    names = {
        name: next((c for c in choices if rows and c in rows[0]), "")
        for name, choices in COLUMNS.items()
    }
    if not names["video"]:
        header = ", ".join(rows[0]) if rows else "no rows"
        what = f"expected one of {', '.join(COLUMNS['video'])}, found {header}"
        raise CorpusError(str(path), [Fault("columns", what)])
    faults: list[Fault] = []
    counts: Counter[str] = Counter()
    segments = []
    for row in rows:
        cells = {name: row[column] if column else "" for name, column in names.items()}
        cells["index"] = cells["index"] or cells["name"].removeprefix(f"{cells['video']}_")
        cells["index"] = cells["index"] or str(counts[cells["video"]])
        counts[cells["video"]] += 1
        segments.append(_segment(cells, values_of(row, faults), path, faults))
    if faults:
        raise CorpusError(str(path), faults)
    return tuple(segments)


def _segment(cells: Row, values: Mapping[str, float], path: Path, faults: list[Fault]) -> Segment:
    where = f"{cells['video']}[{cells['index']}]"
    start_s = number(cells, "start", path, where, faults) or 0.0
    return Segment(
        video=cells["video"],
        index=cells["index"],
        start_s=max(0.0, start_s),
        end_s=number(cells, "end", path, where, faults),
        text=cells["text"] or None,
        split=SPLITS.get(cells["split"].lower(), UNDOCUMENTED) if cells["split"] else None,
        values=values,
        early_s=max(0.0, -start_s),
    )

"""Which utterances every arm has, and why the others leave."""

from collections import Counter
from collections.abc import Mapping, Sequence

from torch import Tensor

from encoders.extraction import Failure
from encoders.utterance import Corpus, CorpusError, Fault, Utterance


def labelled(corpus: Corpus) -> tuple[Utterance, ...]:
    """Utterances that can be scored; raises where their targets allow no comparison."""
    rows = tuple(utterance for utterance in corpus.utterances if utterance.target is not None)
    what = _unvaried(corpus, rows) if corpus.task == "regression" else _unclassed(corpus, rows)
    if what:
        raise CorpusError(corpus.name, [Fault("label", what)])
    return rows


def _unclassed(corpus: Corpus, rows: Sequence[Utterance]) -> str:
    """What keeps classes or labels from being compared; nothing where they can be."""
    counts = Counter(name for utterance in rows for name in corpus.classes(utterance))
    least = 1 if corpus.task == "multi-label" else 2
    if len(counts) < least:
        word = "label" if corpus.task == "multi-label" else "class"
        needed = "at least one is" if least == 1 else "at least two are"
        return f"{len(counts)} {word} among {len(rows)} labelled utterances: {needed} needed"
    absent = [target for target in corpus.targets if target not in counts]
    if absent:
        most = " with the most votes" if corpus.task == "distribution" else ""
        return f"no utterance of {', '.join(absent)}{most}: take them out of --labels"
    always = [name for name, count in counts.items() if count == len(rows)]
    if corpus.task == "multi-label" and always:
        return f"every utterance has {', '.join(always)}: there is nothing to tell apart"
    return ""


def _unvaried(corpus: Corpus, rows: Sequence[Utterance]) -> str:
    flat = [
        name
        for number, name in enumerate(corpus.targets)
        if len({u.target[number] for u in rows if u.target is not None}) < 2
    ]
    return f"{', '.join(flat)} never varies: there is nothing to predict" if flat else ""


def split_rows(
    utterances: Sequence[Utterance],
    frames: Mapping[str, Mapping[str, Tensor]],
    why: Mapping[str, str],
    rows: str,
) -> tuple[tuple[Utterance, ...], tuple[Failure, ...]]:
    """Rows that stay, and those that leave with the reason; ``rows`` is that of the study.

    ``frames`` are by input and utterance; ``why`` is what is known of an utterance's failure.
    """
    kept: list[Utterance] = []
    dropped: list[Failure] = []
    for utterance in utterances:
        lacking = [name for name in frames if utterance.id not in frames[name]]
        if not lacking or (rows == "all" and len(lacking) < len(frames)):
            kept.append(utterance)
        else:
            reason = why.get(utterance.id) or f"has no {' and no '.join(_plain(lacking))}"
            dropped.append(Failure(utterance.id, reason))
    return tuple(kept), tuple(dropped)


def _plain(names: Sequence[str]) -> list[str]:
    heard = dict.fromkeys(("audio", "audio_frames", "audio_windows"), "audio")
    plain = {**heard, "text": "words", "text_tokens": "words"}
    return list(dict.fromkeys(plain.get(name, f"input for {name}") for name in names))

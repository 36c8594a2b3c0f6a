"""Which utterances every arm has, and why the others leave."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from encoders.extraction import Failure
from encoders.utterance import Corpus, CorpusError, Fault, Utterance


def labelled(corpus: Corpus) -> tuple[Utterance, ...]:
    """Utterances that can be scored; raises where the task or the classes allow no comparison."""
    if corpus.task != "single-label":
        what = f"{corpus.task} targets: this version compares single-label classification only"
        raise CorpusError(corpus.name, [Fault("label", what)])
    rows = tuple(utterance for utterance in corpus.utterances if utterance.target is not None)
    found = {corpus.label(utterance) for utterance in rows}
    if len(found) < 2:
        what = f"{len(found)} class among {len(rows)} labelled utterances: at least two are needed"
        raise CorpusError(corpus.name, [Fault("label", what)])
    absent = [target for target in corpus.targets if target not in found]
    if absent:
        what = f"no utterance of {', '.join(absent)}: take them out of --labels"
        raise CorpusError(corpus.name, [Fault("label", what)])
    return rows


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
    plain = {"audio": "audio", "audio_frames": "audio", "text": "words", "text_tokens": "words"}
    return list(dict.fromkeys(plain.get(name, f"input for {name}") for name in names))

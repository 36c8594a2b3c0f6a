"""The words of a comparison: gold transcripts, recognised ones, or both, gold first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from encoders.asr.recognisers import describe, parse_recogniser
from encoders.asr.transcript import normalise
from encoders.asr.transcription import transcribe
from encoders.context import Contexts, in_context
from encoders.decode_index import DecodeIndex
from encoders.extraction import Failure, Progress
from encoders.specs import Modality
from encoders.store import EmbeddingStore
from encoders.utterance import Utterance
from experiments.config import TranscriptSource


@dataclass(frozen=True, slots=True)
class Transcripts:
    """The transcript of each utterance, which of them were recognised, and by what, in words."""

    texts: Mapping[str, str]
    recognised: frozenset[str] = frozenset()
    back_end: str | None = None
    failures: tuple[Failure, ...] = ()


def gold_words(utterances: Sequence[Utterance]) -> dict[str, str]:
    """Transcripts that came with the corpus, by utterance; empty ones are missing ones."""
    return {u.id: text for u in utterances if (text := normalise(u.transcript)) is not None}


def to_recognise(utterances: Sequence[Utterance], source: TranscriptSource) -> list[Utterance]:
    """Utterances whose recording must be transcribed."""
    if source == "gold":
        return []
    gold = gold_words(utterances) if source == "gold_else_asr" else {}
    return [u for u in utterances if u.audio is not None and u.id not in gold]


def find_words(
    utterances: Sequence[Utterance],
    source: TranscriptSource,
    asr: str,
    store: EmbeddingStore,
    hints: DecodeIndex,
    progress: Progress | None,
) -> Transcripts:
    """Transcripts of every utterance from the source asked for; what failed is listed."""
    gold = {} if source == "asr" else gold_words(utterances)
    wanted = to_recognise(utterances, source)
    if not wanted:
        return Transcripts(gold)
    spec = parse_recogniser(asr)
    done = transcribe(wanted, spec, store.root, hints=hints, progress=progress)
    heard = {name: text for name, t in done.transcripts.items() if (text := t.text) is not None}
    recognised = frozenset(u.id for u in wanted)
    return Transcripts({**gold, **heard}, recognised, describe(asr), done.failures)


def contexts_of(
    words: Transcripts,
    rows: Sequence[Utterance],
    turns: Sequence[Utterance],
    modality: Modality | None,
) -> Contexts | None:
    """The words of rows amid ``turns`` of their dialogues; None where an input reads no turns."""
    if modality is None or not modality.in_dialogue:
        return None
    own = [utterance.id for utterance in rows if utterance.id in words.texts]
    return in_context(words.texts, turns, modality.context, modality.ahead).of(own)

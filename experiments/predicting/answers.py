"""What a saved model says of utterances, voice and words alone and together, from the cache on."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from types import MappingProxyType

from encoders.asr.recognisers import parse_recogniser, recogniser_fingerprint
from encoders.context import with_dialogues
from encoders.decode_index import HELD_BYTES, DecodeIndex
from encoders.encoder import locate_weights
from encoders.extraction import (
    AudioSource,
    Extraction,
    Extractor,
    Progress,
    Source,
    default_store,
    shared_encoders,
    text_sources,
)
from encoders.specs import Kind
from encoders.utterance import Utterance
from experiments.comparing.own_statistics import Group, groups_of
from experiments.comparing.transcripts import Transcripts, contexts_of, find_words, to_recognise
from experiments.config import TranscriptSource
from experiments.interviews.emotion import (
    NO_BASELINES,
    EmotionScores,
    baselines_of,
    embedded,
    extractors_of,
    sounds_of,
)
from fusion.model.fusion_model import FusionModel
from fusion.training.normalise import Baseline

#: Utterances whose embeddings are in memory at once.
CHUNK = 256
#: Recogniser that recognises nothing.
NOBODY = "none"
#: What an utterance lacks, in words.
PLAIN: Mapping[Kind, str] = MappingProxyType({"audio": "audio", "text": "words"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of an utterance; ``scores`` is why not, where it says nothing.

    ``key`` is the content key of its recording.
    """

    utterance: Utterance
    scores: EmotionScores | str
    words: str | None = None
    recognised: bool = False
    key: str | None = None
    duration_s: float | None = None
    silent: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers in the order of their utterances, how much was encoded now, and what is notable."""

    answers: tuple[Answer, ...]
    encoded: int
    cached: int
    back_end: str | None
    notes: tuple[str, ...] = ()

    @property
    def recognised(self) -> int:
        """Utterances whose words were recognised."""
        return sum(answer.recognised for answer in self.answers)


def kinds_of(model: FusionModel) -> tuple[Kind, ...]:
    """What a model reads: voice, words, or both.

    Raises:
        ValueError: precomputed features, which no recording gives.
    """
    if not model.modalities:
        raise ValueError(
            "the model reads precomputed features: expected one with encoders of its own, trained "
            "with --audio NAME or --text NAME"
        )
    named = {modality.name for modality in model.modalities.values()}
    kinds: tuple[Kind, ...] = ("audio", "text")
    return tuple(kind for kind in kinds if kind in named)


def ask(
    model: FusionModel,
    utterances: Sequence[Utterance],
    source: TranscriptSource,
    asr: str,
    progress: Progress | None = None,
    *,
    corpus: str = "",
    others: Sequence[Utterance] = (),
) -> Answers:
    """Ask a model about utterances; the same call goes on from the cache where it was stopped.

    Words are recognised only where the model reads them and ``asr`` is not ``none``. What cannot
    be read is an answer that says why. A model that standardises by groups of rows knows of each
    what is asked at once; ``corpus`` is what utterances are of where they do not say. ``others``
    are not asked about; a model that reads turns around an utterance reads theirs too.

    Raises:
        ValueError: the model reads precomputed features; ConfigError: it standardises by what some
            utterances do not name; MissingWeightsError: weights that are needed are not to be had.
            All before any work.
    """
    kinds = kinds_of(model)
    groups: Sequence[Group] = ()
    if model.normaliser is not None:
        groups = groups_of(model.normaliser.by, utterances, corpus, {})
    reads = "text" in kinds and asr != NOBODY
    taken: TranscriptSource = source if reads else "gold"
    for modality in model.modalities.values():
        locate_weights(modality.encoder)
    dialogue = next((m for m in model.modalities.values() if m.in_dialogue), None)
    read = utterances if dialogue is None else with_dialogues(utterances, others)
    if reads and to_recognise(read, taken):
        recogniser_fingerprint(parse_recogniser(asr))
    store = default_store()
    encoders = shared_encoders(modality.encoder for modality in model.modalities.values())
    extractors = extractors_of(encoders, store)
    with DecodeIndex(store.root / "hints.json", HELD_BYTES) as hints:
        words = find_words(read, taken, asr, store, hints, progress)
        contexts = contexts_of(words, utterances, read, dialogue)
        sources: Mapping[Kind, Sequence[Source]] = {
            "audio": [AudioSource(u.id, u, hints) for u in utterances if u.audio is not None],
            "text": text_sources(words.texts if contexts is None else contexts.texts),
        }
        done = {kind: extractors[kind].extract(kind, sources[kind], progress) for kind in kinds}
        heard = {u.id: hints.get(u) for u in utterances if u.audio is not None}
    baselines = _baselines(model, groups, extractors, done, utterances)
    answers: list[Answer] = []
    for start in range(0, len(utterances), CHUNK):
        some = utterances[start : start + CHUNK]
        scores = _scores(model, extractors, done, some, baselines)
        for one in some:
            known, text = heard.get(one.id), words.texts.get(one.id)
            said = scores[one.id] if one.id in scores else _why_not(one, kinds, done, words)
            recognised = text is not None and one.id in words.recognised
            about = (None, None, False, ()) if known is None else astuple(known)
            answers.append(Answer(one, said, text, recognised, *about))
        if progress is not None:
            progress("predictions", len(answers), len(utterances))
    return Answers(
        tuple(answers),
        sum(extraction.encoded for extraction in done.values()),
        sum(extraction.cached for extraction in done.values()),
        words.back_end,
        () if contexts is None else tuple(contexts.lines()),
    )


def _baselines(
    model: FusionModel,
    groups: Sequence[Group],
    extractors: Mapping[Kind, Extractor],
    done: Mapping[Kind, Extraction],
    utterances: Sequence[Utterance],
) -> Mapping[str, Baseline]:
    """What standardises each utterance beside the others of its group, by id."""
    if not groups:
        return NO_BASELINES
    theirs, pieces = _encoded(done, utterances)
    read = embedded(model, {kind: extractors[kind] for kind in done}, theirs, pieces)
    of = {one.id: group for one, group in zip(utterances, groups, strict=True)}
    return baselines_of(model, zip(pieces, (of[name] for name in pieces), read, strict=True))


def _scores(
    model: FusionModel,
    extractors: Mapping[Kind, Extractor],
    done: Mapping[Kind, Extraction],
    some: Sequence[Utterance],
    baselines: Mapping[str, Baseline],
) -> dict[str, EmotionScores]:
    """Scores of the utterances that were encoded, by id."""
    theirs, pieces = _encoded(done, some)
    used = {kind: extractors[kind] for kind in done}
    scores = sounds_of(model, used, theirs, pieces, baselines)
    pairs = zip(pieces, scores, strict=True)
    return {name: said for name, said in pairs if isinstance(said, EmotionScores)}


def _encoded(
    done: Mapping[Kind, Extraction], some: Sequence[Utterance]
) -> tuple[dict[Kind, Extraction], list[str]]:
    """What was extracted of some utterances, and the ids of those of which something was."""
    ids = {utterance.id for utterance in some}
    failed = {f.utterance for extraction in done.values() for f in extraction.failures}
    theirs = {
        kind: replace(extraction, keys={n: k for n, k in extraction.keys.items() if n in ids})
        for kind, extraction in done.items()
    }
    pieces = [
        one.id
        for one in some
        if one.id not in failed and any(one.id in part.keys for part in theirs.values())
    ]
    theirs = {
        kind: replace(part, keys={n: k for n, k in part.keys.items() if n not in failed})
        for kind, part in theirs.items()
    }
    return theirs, pieces


def _why_not(
    utterance: Utterance,
    kinds: Sequence[Kind],
    done: Mapping[Kind, Extraction],
    words: Transcripts,
) -> str:
    """Why an utterance has no answer."""
    failures = [*words.failures, *(f for part in done.values() for f in part.failures)]
    why = next((f.why for f in failures if f.utterance == utterance.id), None)
    return why or f"has no {' and no '.join(PLAIN[kind] for kind in kinds)}"

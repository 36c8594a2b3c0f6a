"""The rows of a study as arrays, for scikit-learn and whatever else reads numbers."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Shaped

from encoders.decode_index import HELD_BYTES, DecodeIndex
from encoders.extraction import Failure, Progress, default_store
from experiments.comparing.inputs import Ready, gather, preflight, words_of
from experiments.comparing.preparation import labelled, load_corpus
from experiments.config import ConfigError, Study
from fusion.batch import ModalityBatch


@dataclass(frozen=True, slots=True)
class Arrays:
    """Embeddings, classes and speakers of utterances, a row each.

    ``embeddings`` are audio and text beside each other, as many columns of audio as ``split`` says
    [None: one modality]; a row that lacks a modality has NaN there. ``dropped`` are utterances
    that could not be used, with the reason.
    """

    embeddings: Float32[np.ndarray, "rows dims"]
    labels: Shaped[np.ndarray, "rows"]
    speakers: Shaped[np.ndarray, "rows"]
    ids: tuple[str, ...]
    split: int | None
    dropped: tuple[Failure, ...] = field(repr=False)


def arrays_of(study: Study, *, progress: Progress | None = None) -> Arrays:
    """Embed what is not in the cache yet, and line up what a study's arms over vectors read.

    Of a study its corpus, encoders, transcripts and ``rows`` count (``all``: also those that lack a
    modality); folds, arms and budget do not.

    Raises:
        ConfigError: neither audio nor text, targets that are no classes, an encoder that is
            trained per fold; CorpusError, MissingWeightsError.
    """
    corpus = load_corpus(study)
    arms = tuple(kind for kind in ("audio", "text") if getattr(study, kind) is not None)
    if not arms or corpus.task != "single-label":
        what = corpus.task if arms else "neither audio nor text"
        raise ConfigError(f"{what}: expected one class per utterance, and audio, text or both")
    rows, store = labelled(corpus), default_store()
    preflight(study, rows, arms)
    ready = Ready(study, corpus, rows, arms)
    with DecodeIndex(store.root / "hints.json", HELD_BYTES) as hints:
        words = words_of(ready, store, hints, progress)
        inputs = gather(ready, words, store, hints, progress)
    if inputs.awaited:
        raise ConfigError("an encoder that is trained in every fold has no one embedding of a row")
    sides = [_values(inputs.data.inputs[name]) for name in arms]
    return Arrays(
        embeddings=np.hstack(sides),
        labels=np.array([corpus.label(u) for u in inputs.utterances]),
        speakers=np.array([u.speaker or "" for u in inputs.utterances]),
        ids=tuple(u.id for u in inputs.utterances),
        split=sides[0].shape[1] if len(sides) > 1 else None,
        dropped=inputs.dropped,
    )


def _values(batch: ModalityBatch) -> Float32[np.ndarray, "rows dims"]:
    """One modality of all rows; NaN where it is missing."""
    values = batch.values[:, 0].numpy()
    return np.where(batch.present.numpy()[:, None], values, np.float32(np.nan))

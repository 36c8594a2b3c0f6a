"""The words half: heads on MiniLM, from the transcripts of MELD in its official split."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from encoders.asr.transcript import normalise
from encoders.extraction import Extractor, shared_encoders, text_sources
from encoders.pooling import for_head
from encoders.store import EmbeddingStore
from encoders.typed_names import parse_modality
from encoders.utterance import Corpus
from experiments.corpora import meld
from experiments.corpora.common_sets import apply_common
from fusion.splitting.splits import speaker_of
from scripts.ready_model.copies import WRITTEN, written
from scripts.ready_model.half import Fitted, Row, fit_half

TEXT = parse_modality("minilm", "text")


def words_half(root: Path, work: Path) -> Fitted:
    """Heads of the official training rows, tuned and stopped on dev, scored on test."""
    corpus = apply_common(meld.read(root), "ekman")
    split = {utterance.id: utterance.split for utterance in corpus.utterances}
    rows = embedded(corpus, work)

    def of(name: str) -> list[Row]:
        return [row for row in rows if split[row.utterance] == name]

    return fit_half("text", of("train"), of("dev"), of("test"))


def embedded(corpus: Corpus, work: Path) -> list[Row]:
    """Every utterance that has words, as in the script and bare; copies that are equal count once.

    What was embedded before is read from ``work``.
    """
    texts = {
        (utterance.id, how): written(text, how)
        for utterance in corpus.utterances
        if (text := normalise(utterance.transcript)) is not None
        for how in WRITTEN
    }
    vectors = _vectors(sorted(set(texts.values()), key=lambda text: (len(text), text)), work)
    return [
        Row(
            utterance.id,
            speaker_of(utterance),
            corpus.label(utterance) or "",
            how,
            vectors[texts[utterance.id, how]],
        )
        for utterance in corpus.utterances
        for how in WRITTEN
        if (utterance.id, how) in texts
    ]


def _vectors(texts: Sequence[str], work: Path) -> Mapping[str, torch.Tensor]:
    extractor = Extractor(shared_encoders([TEXT.encoder], "cpu"), EmbeddingStore(work))
    done = extractor.extract("text", text_sources({text: text for text in texts}))
    assert not done.failures, done.failures
    entries = extractor.spaces[TEXT.encoder].read(list(done.keys.values()))
    return {
        text: for_head(torch.from_numpy(stored.values), TEXT, stored.frame_count)
        for text, stored in zip(done.keys, entries, strict=True)
    }

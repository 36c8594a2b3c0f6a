"""The voice half: heads on the bundled AlexNet, and twins that tell what they are worth.

The AlexNet that ships has heard every actor of RAVDESS, so that nothing can be held out from it.
Each twin is trained like it, without the four actors of one fold of EmoBox, and gets heads like
those that ship; it scores those four as strangers. Temperature and figures are the twins'.
"""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from encoders.audio.reading import read_segment
from encoders.audio.waveform import Audio
from encoders.extraction import Extractor, HeldSource, shared_encoders
from encoders.finetuning.finetune import finetune
from encoders.pooling import for_head
from encoders.provenance import WEIGHTS
from encoders.specs import Modality
from encoders.store import EmbeddingStore, audio_key
from encoders.typed_names import parse_modality
from encoders.utterance import Corpus, Utterance
from experiments.comparing.fitting import one_thread
from experiments.corpora import ravdess
from experiments.corpora.common_sets import apply_common
from fusion.splitting.designs import EMOBOX
from fusion.splitting.splits import speaker_of
from scripts.bundled_alexnet.card import TERMS
from scripts.bundled_alexnet.make import DEV_ACTORS, SEED, SETTINGS, SPEC
from scripts.ready_model.copies import HEARD, heard
from scripts.ready_model.half import Fitted, Row, Scored, fit_half

#: Folds of EmoBox that have a twin: all six, so that every actor is scored as a stranger.
FOLDS = tuple(range(6))
#: Utterances whose copies are in memory at once.
CHUNK = 32
AUDIO = parse_modality("alexnet", "audio")


@dataclass(frozen=True, slots=True)
class Voice:
    """Heads that ship, and what the twins' heads say of actors whom they never heard."""

    shipped: Fitted
    held_out: tuple[Scored, ...]


def voice_half(root: Path, work: Path) -> Voice:
    """Train what ships and, where ``work`` has none, the twins: about twelve minutes each."""
    corpus = ravdess.read(root)
    groups = [tuple(actors.split()) for actors in EMOBOX]
    held_out = []
    for number in FOLDS:
        test, dev = groups[number], groups[(number + 1) % len(groups)]
        folder = twin(corpus, test, dev, work)
        rows = _rows(corpus, parse_modality(str(folder), "audio"), work)
        held_out.append(_fitted(rows, dev, test).test)
    return Voice(_fitted(_rows(corpus, AUDIO, work), DEV_ACTORS, ()), tuple(held_out))


def twin(corpus: Corpus, test: Sequence[str], dev: Sequence[str], work: Path) -> Path:
    """Folder of a network trained like the bundled one, without the actors of ``test``."""
    content = repr((asdict(SPEC), asdict(SETTINGS), SEED, tuple(test), tuple(dev)))
    folder = work / f"twin-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    if (folder / WEIGHTS).is_file():
        return folder
    every = corpus.utterances
    with one_thread():
        tuned = finetune(
            [u for u in every if speaker_of(u) not in (*test, *dev)],
            [u for u in every if speaker_of(u) in dev],
            ravdess.TARGETS,
            SPEC,
            SETTINGS,
            seed=SEED,
            corpus="ravdess",
            notice=TERMS,
            notify=lambda epoch, uar: tell(f"without {test[0]}: epoch {epoch}, UAR {uar:.3f}"),
        )
    tuned.save(folder, torch.float16)
    return folder


def embedded(corpus: Corpus, modality: Modality, work: Path) -> Iterator[Row]:
    """Every utterance in every copy; what was embedded before is read from ``work``."""
    extractor = Extractor(shared_encoders([modality.encoder], "cpu"), EmbeddingStore(work))
    for start in range(0, len(corpus.utterances), CHUNK):
        chunk = list(enumerate(corpus.utterances[start : start + CHUNK], start))
        yield from _chunk(corpus, modality, extractor, chunk)


def _chunk(
    corpus: Corpus,
    modality: Modality,
    extractor: Extractor,
    chunk: Sequence[tuple[int, Utterance]],
) -> Iterator[Row]:
    sounds: dict[tuple[str, str], Audio] = {}
    for number, utterance in chunk:
        assert utterance.audio is not None
        whole = read_segment(utterance.audio, utterance.start_s, utterance.end_s)
        sounds |= {(utterance.id, how): heard(whole, how, number) for how in HEARD}
    sources = [HeldSource("/".join(k), audio_key(sound), sound) for k, sound in sounds.items()]
    done = extractor.extract("audio", sources)
    assert not done.failures, done.failures
    space = extractor.spaces[modality.encoder]
    for _, utterance in chunk:
        for how in HEARD:
            stored = space.read([done.keys[f"{utterance.id}/{how}"]])[0]
            values = for_head(torch.from_numpy(stored.values), modality, stored.frame_count)
            yield Row(
                utterance.id, speaker_of(utterance), corpus.label(utterance) or "", how, values
            )


def _rows(corpus: Corpus, modality: Modality, work: Path) -> list[Row]:
    tell(f"embedding with {modality.encoder.family}")
    return list(embedded(apply_common(corpus, "ekman"), modality, work))


def _fitted(rows: Sequence[Row], dev: Sequence[str], test: Sequence[str]) -> Fitted:
    return fit_half(
        "audio",
        [row for row in rows if row.speaker not in (*dev, *test)],
        [row for row in rows if row.speaker in dev],
        [row for row in rows if row.speaker in test],
    )


def tell(line: str) -> None:
    """Say how far it is."""
    sys.stderr.write(f"{line}\n")

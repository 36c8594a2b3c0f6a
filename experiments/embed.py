"""Fill the cache without training anything."""

from dataclasses import dataclass

from encoders.extraction import Extractor, Failure, Progress, default_store, shared_encoders
from encoders.hints import HELD_BYTES, KeyHints
from encoders.names import parse_modality
from encoders.specs import Kind
from encoders.utterance import Corpus, Utterance
from experiments.comparing.inputs import FEATURES
from experiments.comparing.modal import sources_of
from experiments.comparing.words import Words, find_words
from experiments.config import FINETUNED, OptionError


@dataclass(frozen=True, slots=True)
class Embedded:
    """What was done: embeddings made, found, and utterances that could not be used."""

    encoded: int
    cached: int
    failures: tuple[Failure, ...]


def embed_corpus(
    corpus: Corpus,
    *,
    audio: str | None,
    text: str | None,
    asr: str,
    shard: str = "1/1",
    progress: Progress | None = None,
) -> Embedded:
    """Embed every utterance (pooled and as sequences), transcribing those without words.

    ``shard`` "2/4" takes the second of four parts: any scheduler can run the four.
    """
    if audio is None and text is None:
        raise OptionError("expected --audio NAME, --text NAME or both")
    for kind, typed in (("audio", audio), ("text", text)):
        if typed is not None and typed.startswith(FEATURES):
            raise OptionError(
                f"--{kind} {typed}: these are embeddings already, which compare reads as they are"
            )
        if typed is not None and typed.startswith(FINETUNED):
            raise OptionError(
                f"--{kind} {typed}: is trained in every fold of a comparison (serfusion compare), "
                "which embeds with it; there is nothing to embed with before"
            )
    store = default_store()
    rows = part(corpus.utterances, shard)
    encoded, cached, words = 0, 0, Words({})
    failures: dict[str, Failure] = {}
    asked: tuple[tuple[Kind, str | None], ...] = (("audio", audio), ("text", text))
    with KeyHints(store.root / "hints.json", HELD_BYTES) as hints:
        for kind, typed in asked:
            if typed is None:
                continue
            if kind == "text":
                words = find_words(rows, "gold_else_asr", asr, store, hints, progress)
                failures |= {f.utterance: f for f in words.failures}
            modality = parse_modality(typed, kind)
            specs = [modality.encoder, modality.as_sequence().encoder]
            extractor = Extractor(shared_encoders(specs), store)
            done = extractor.extract(kind, sources_of(kind, rows, words, hints), progress)
            encoded, cached = encoded + done.encoded, cached + done.cached
            failures |= {f.utterance: f for f in done.failures}
    return Embedded(encoded, cached, tuple(failures.values()))


def part(utterances: tuple[Utterance, ...], shard: str) -> tuple[Utterance, ...]:
    """The i-th of N parts, as ``i/N`` names it, counted from 1.

    Raises:
        OptionError: not of the form, or i is not among 1 to N.
    """
    number, _, total = shard.partition("/")
    digits = number.isascii() and total.isascii() and number.isdigit() and total.isdigit()
    if not (digits and 1 <= int(number) <= int(total)):
        raise OptionError(f"--shard {shard}: expected i/N with i from 1 to N, as in 2/4")
    return utterances[int(number) - 1 :: int(total)]

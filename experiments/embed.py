"""Fill the cache without training anything."""

from dataclasses import dataclass

from encoders.extraction import Failure, Progress, default_store, embed_audio, embed_text
from encoders.typed_names import parse_modality
from encoders.utterance import Corpus, Utterance
from experiments.comparing.inputs import FEATURES
from experiments.comparing.words import find_words
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
    encoded, cached = 0, 0
    failures: dict[str, Failure] = {}
    if audio is not None:
        modality = parse_modality(audio, "audio")
        specs = [modality.encoder, modality.as_sequence().encoder]
        voiced = [u for u in rows if u.audio is not None]
        done = embed_audio(voiced, specs, store, progress=progress)
        encoded, cached = encoded + done.encoded, cached + done.cached
        failures |= {f.utterance: f for f in done.failures}
    if text is not None:
        modality = parse_modality(text, "text")
        specs = [modality.encoder, modality.as_sequence().encoder]
        words = find_words(rows, "gold_else_asr", asr, store, progress)
        failures |= {f.utterance: f for f in words.failures}
        done = embed_text(words.texts, specs, store, progress=progress)
        encoded, cached = encoded + done.encoded, cached + done.cached
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

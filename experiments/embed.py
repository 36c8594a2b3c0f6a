"""Fill the cache without training anything."""

from dataclasses import dataclass

from encoders.context import in_context, with_dialogues
from encoders.decode_index import HELD_BYTES, DecodeIndex
from encoders.extraction import (
    Extraction,
    Failure,
    Progress,
    default_store,
    embed_audio,
    embed_text,
)
from encoders.specs import Kind, Spec
from encoders.typed_names import parse_modality
from encoders.utterance import Corpus, Utterance
from experiments.comparing.inputs import FEATURES, check_dialogues
from experiments.comparing.transcripts import find_words
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
    parts: list[Extraction] = []
    failures: dict[str, Failure] = {}
    with DecodeIndex(store.root / "hints.json", HELD_BYTES) as hints:
        if audio is not None:
            voiced = [u for u in rows if u.audio is not None]
            specs = _specs(audio, "audio")
            parts.append(embed_audio(voiced, specs, store, hints=hints, progress=progress))
            failures |= {f.utterance: f for f in parts[-1].failures}
        if text is not None:
            read = rows
            if (modality := parse_modality(text, "text")).in_dialogue:
                check_dialogues(modality, text, corpus.utterances)
                read = with_dialogues(rows, corpus.utterances)
            words = find_words(read, "gold_else_asr", asr, store, hints, progress)
            failures |= {f.utterance: f for f in words.failures}
            texts = in_context(words.texts, read, modality.context, modality.ahead).texts
            own = {u.id: texts[u.id] for u in rows if u.id in texts}
            parts.append(embed_text(own, _specs(text, "text"), store, progress=progress))
    encoded, cached = (
        sum(extraction.encoded for extraction in parts),
        sum(extraction.cached for extraction in parts),
    )
    return Embedded(encoded, cached, tuple(failures.values()))


def _specs(typed: str, kind: Kind) -> list[Spec]:
    modality = parse_modality(typed, kind)
    return [modality.encoder, modality.as_sequence().encoder]


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

"""What a reader of a timeline must know of the model that made it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from encoders.messages import printable, with_count
from encoders.weights.cards import CARDS
from experiments.interviews.classify_segments import ClassifiedSegment
from experiments.interviews.emotion import EmotionScores
from experiments.interviews.options import InterviewOptions
from fusion.evaluation.emotions import DERIVED, DERIVED_FROM, derived_values
from fusion.model.card import level_lines, transductive
from fusion.model.fusion_model import FusionModel
from fusion.training.normalise import LEAST

SYNTHETIC = (
    "SYNTHETIC SPEECH: this model learned from speech that a synthesiser made. What it says of "
    "people means nothing. Take serfusion interview demo, or a model trained on people"
)


def about_model(model: FusionModel) -> dict[str, Any]:
    """Facts of a timeline; ``warnings`` stand above everything else on its page."""
    origin = model.origin
    warnings = [SYNTHETIC] if origin.synthetic else []
    if origin.caution:
        warnings.append(f"The model {origin.caution}")
    if model.normaliser is not None:
        warnings.append(transductive(model.normaliser.by))
    return {
        "model": model.arm,
        "numbers": model.meaning,
        "learned_from": list(origin.corpora) or ["not known"],
        "synthetic": origin.synthetic,
        "licence_of_model": origin.licence or None,
        "encoders": {name: modality.encoder.title for name, modality in model.modalities.items()},
        "warnings": warnings,
    }


def text_languages(model: FusionModel) -> frozenset[str]:
    """Languages that the text encoders of a model know, by two letters; empty where not known."""
    specs = [m.encoder for name, m in model.modalities.items() if name == "text"]
    cards = [CARDS.get(getattr(spec, "checkpoint", "")) for spec in specs]
    # "en", "en (tweets)": many languages have more letters.
    return frozenset(card.language[:2] for card in cards if card is not None)


def about_answers(model: FusionModel, options: InterviewOptions) -> dict[str, Any]:
    """Facts of a timeline: from which probabilities something is answered, and what else follows.

    ``abstain_below`` is None where a class is always named.
    """
    if model.task == "regression":
        return {"abstain_below": None}
    own = None if model.abstention is None else model.abstention.threshold
    facts: dict[str, Any] = {
        "abstain_below": own if options.abstain is None else options.abstain,
        "levels": level_lines(model.levels),
    }
    if options.sets is not None and model.sets is not None:
        speakers = with_count(model.sets.speakers, "development speaker")
        facts["sets"] = f"at a coverage of {options.sets:g}, by {speakers} of the model's corpus"
    if derived_values((1.0,) * len(model.targets), model.targets) is not None:
        facts["derived"] = f"{' and '.join(DERIVED)}, {DERIVED_FROM}"
    return facts


def notes_on(
    model: FusionModel, heard: Sequence[ClassifiedSegment], told_apart: bool = True
) -> Iterator[str]:
    """What a reader must know of what a model said of a recording.

    ``told_apart`` says whether it is known who speaks.
    """
    if not heard:
        yield "no speech was found: listen to the recording, or say --turns FILE"
        return
    if model.normaliser is not None and model.normaliser.by == "speaker":
        yield from _baselines(heard, told_apart)
    reads_words = any(modality.name == "text" for modality in model.modalities.values())
    missing = sum(segment.said.trusted is None for segment in heard)
    if reads_words and missing:
        which = f"{with_count(missing, 'segment')} of {len(heard)}"
        yield f"{which} without words that can be trusted: classified by voice"
    if not reads_words:
        yield "the model hears the voice only; words are shown, not classified"
    beyond = sum(_is_beyond(model, segment) for segment in heard)
    if beyond:
        which = f"{with_count(beyond, 'segment')} of {len(heard)}"
        yield f"{which} with values beyond those of training: this speech is unlike its corpus"
    said = "values" if model.task == "regression" else "probabilities"
    yield f"{said} are the model's own, learned on its corpus and not checked on this one"


def _baselines(heard: Sequence[ClassifiedSegment], told_apart: bool) -> Iterator[str]:
    """Whose own statistics are somebody else's, or none."""
    if not told_apart:
        yield (
            "speakers are not told apart: all are standardised as one; --speakers N or --turns "
            "FILE gives each a baseline of their own"
        )
        return
    counts = Counter(segment.piece.voice.speaker for segment in heard)
    few = [printable(name) for name, count in counts.items() if count < LEAST]
    if few:
        yield (
            f"{', '.join(few)}: fewer than {LEAST} segments, standardised by training statistics"
        )


def _is_beyond(model: FusionModel, segment: ClassifiedSegment) -> bool:
    if (
        model.task != "regression"
        or not isinstance(segment.sounds, EmotionScores)
        or segment.silent
    ):
        return False
    spans = zip(segment.sounds.fused, model.outputs.lowest, model.outputs.highest, strict=True)
    return any(not low <= value <= high for value, low, high in spans)

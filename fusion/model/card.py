"""The card of a saved model, as Markdown: what it is, what it learned from, how sure it is."""

from collections.abc import Iterator, Mapping

from encoders.messages import escape_markdown as say
from encoders.specs import Modality
from fusion.evaluation.calibration import Abstention
from fusion.model.origin import Origin
from fusion.model.outputs import OutputType

SYNTHETIC = "learned from synthetic speech: what it says of a human voice means nothing"
#: Tasks whose answers are no probabilities of one class.
UNCALIBRATED = ("multi-label", "regression")


def model_card(
    arm: str,
    targets: tuple[str, ...],
    modalities: Mapping[str, Modality],
    origin: Origin,
    outputs: OutputType,
    sureness: list[str],
) -> str:
    """The card; classes, checkpoints and corpora are what somebody typed: text, never markup.

    ``sureness`` is what :func:`sureness_lines` says of a model of classes.
    """
    head = [
        f"# {say(arm)} ({', '.join(map(say, targets))})",
        "A head on frozen encoders, trained by serfusion on every speaker of its corpus.",
        "What it is worth on unseen speakers is in results.json of the run beside it.",
    ]
    rest = [
        *encoder_lines(modalities),
        *_learned(origin),
        *(_uncalibrated(outputs) or sureness),
        _use(outputs, targets),
    ]
    return "\n\n".join(head) + "\n\n" + "\n".join(rest) + "\n"


def encoder_lines(modalities: Mapping[str, Modality]) -> list[str]:
    """A line for each encoder."""
    return [
        f"- {say(name)}: {say(m.encoder.title)}{_turns(m)}" for name, m in modalities.items()
    ] or ["- precomputed features"]


def _turns(modality: Modality) -> str:
    if not modality.in_dialogue:
        return ""
    return f", with {modality.context} turns before an utterance and {modality.ahead} after it"


def _use(outputs: OutputType, targets: tuple[str, ...]) -> str:
    load = "Load it with `FusionModel.load(folder)`; `predict(audio, text)` gives"
    if outputs.task in UNCALIBRATED:
        then = "; `labels(answers)` names them" if outputs.task == "multi-label" else ""
        return f"{load} {say(outputs.meaning(targets))}{then}."
    return f"{load} probabilities, `decide(probabilities)` a class or None."


def _uncalibrated(outputs: OutputType) -> list[str]:
    if outputs.task in UNCALIBRATED:
        return [f"- trained on {outputs.task} targets; its answers are not calibrated"]
    return []


def sureness_lines(temperature: float, abstention: Abstention | None) -> list[str]:
    """Temperature and threshold, and what the latter left of development rows."""
    if abstention is None:
        return ["- not calibrated; a class is always named"]
    rule = abstention
    kept = f"{rule.coverage:.0%} of development utterances, {rule.accuracy:.0%} of them right"
    asked = "" if rule.reached else f" ({rule.target:.0%} was asked for and could not be had)"
    return [
        "- temperature 1: on development speakers none was shown to be better"
        if temperature == 1
        else f"- temperature {temperature:g}, fitted on development speakers",
        f"- no class below a probability of {rule.threshold:.2f}, which leaves {kept}{asked}",
    ]


def _learned(origin: Origin) -> Iterator[str]:
    if origin.corpora:
        yield f"- learned from {', '.join(map(say, origin.corpora))}"
    if origin.synthetic:
        yield f"- **{SYNTHETIC}**"
    if origin.licence:
        yield f"- licence: {say(origin.licence)}"
    if origin.caution:
        yield f"- {say(origin.caution)}"

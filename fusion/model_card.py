"""What a model's folder says of it: its encoders, its calibration, what its numbers mean."""

from typing import TYPE_CHECKING

from fusion.escaping import escape_markdown

if TYPE_CHECKING:
    from fusion.model import FusionModel


def card(model: "FusionModel") -> str:
    """The README of a model's folder, as Markdown."""
    # Classes and checkpoints are what somebody typed: text here, never markup.
    say = escape_markdown
    encoders = [
        f"- {say(name)}: {say(getattr(m.encoder, 'checkpoint', m.encoder.family))}"
        for name, m in model.modalities.items()
    ] or ["- precomputed features"]
    lines = [
        f"# {say(model.arm)} ({', '.join(map(say, model.targets))})",
        "A head on frozen encoders, trained by serfusion on every speaker of its corpus.",
        "What it is worth on unseen speakers is in results.json of the run beside it.",
        *encoders,
        *_calibration(model),
        *_use(model),
    ]
    return "\n\n".join(lines[:3]) + "\n\n" + "\n".join(lines[3:]) + "\n"


def _use(model: "FusionModel") -> list[str]:
    load = "Load it with `FusionModel.load(folder)`; `predict(audio, text)` gives"
    if model.task in ("multi-label", "regression"):
        then = "; `labels(answers)` names them" if model.task == "multi-label" else ""
        return [f"{load} {escape_markdown(model.meaning)}{then}."]
    return [f"{load} probabilities, `decide(probabilities)` a class or None."]


def _calibration(model: "FusionModel") -> list[str]:
    if model.task in ("multi-label", "regression"):
        return [f"- trained on {model.task} targets; its answers are not calibrated"]
    one = model.abstention
    if one is None:
        return ["- not calibrated; a class is always named"]
    kept = f"{one.coverage:.0%} of development utterances, {one.accuracy:.0%} of them right"
    asked = "" if one.reached else f" ({one.target:.0%} was asked for and could not be had)"
    return [
        f"- temperature {model.temperature:g}, fitted on development speakers",
        f"- no class below a probability of {one.threshold:.2f}, which leaves {kept}{asked}",
    ]

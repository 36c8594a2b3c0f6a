"""The card of a saved model, as Markdown: what it is, what it learned from, how sure it is."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from encoders.messages import escape_markdown as say, with_count
from encoders.specs import Modality
from fusion.evaluation.backoff import LevelRule
from fusion.evaluation.calibration import Abstention
from fusion.evaluation.conformal import LEAST, PredictionSets
from fusion.evaluation.emotions import Level
from fusion.model.origin import Origin
from fusion.model.outputs import OutputType
from fusion.training.arm_table import Normalise

SYNTHETIC = "learned from synthetic speech: what it says of a human voice means nothing"
#: What every card and every page of an interview says of use; docs/use.md has the whole.
USE = (
    "It says which label people gave to recordings like this one, which were acted or judged by "
    "listeners: not what a person feels.",
    "For research on methods, and to find where to listen in recordings of people who agreed to "
    "it. A person listens, and decides.",
    "Not for emotions of employees at work, or of pupils and students: prohibited in the European "
    "Union, but for medical or safety reasons (AI Act, Regulation (EU) 2024/1689, Article "
    "5(1)(f)). Not for decisions about a person, diagnoses, or lies.",
    "Whoever is analysed must be told (Article 50(3)); voices and words are personal data.",
    "It serves some groups of speakers worse than others: look at the scores by sex, age group, "
    "language and speaker in the report of a run on speech like yours.",
)
#: Tasks whose answers are no probabilities of one class.
UNCALIBRATED = ("multi-label", "regression")


def model_card(
    arm: str,
    targets: tuple[str, ...],
    modalities: Mapping[str, Modality],
    origin: Origin,
    outputs: OutputType,
    sureness: list[str],
    normalise: Normalise | None = None,
) -> str:
    """The card; classes, checkpoints and corpora are what somebody typed: text, never markup.

    ``sureness`` is what :func:`sureness_lines` says of a model of classes, ``normalise`` whose
    statistics standardise, where those of training alone do not.
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
        *([] if normalise is None else [f"- {transductive(normalise)}"]),
        _load(outputs, targets),
    ]
    return "\n\n".join([*head, "\n".join(rest), use_section()]) + "\n"


def use_section() -> str:
    """What the model is for and what not, under a heading."""
    return "\n".join(["## Use and misuse", "", *(f"- {line}" for line in USE)])


def encoder_lines(modalities: Mapping[str, Modality]) -> list[str]:
    """A line for each encoder."""
    return [
        f"- {say(name)}: {say(m.encoder.title)}{_turns(m)}" for name, m in modalities.items()
    ] or ["- precomputed features"]


def _turns(modality: Modality) -> str:
    if not modality.in_dialogue:
        return ""
    return f", with {modality.context} turns before an utterance and {modality.ahead} after it"


def _load(outputs: OutputType, targets: tuple[str, ...]) -> str:
    load = "Load it with `FusionModel.load(folder)`; `predict(audio, text)` gives"
    if outputs.task in UNCALIBRATED:
        then = "; `labels(answers)` names them" if outputs.task == "multi-label" else ""
        return f"{load} {say(outputs.meaning(targets))}{then}."
    then = "`decide(probabilities)` a class or None, `answer(probabilities)` what is coarser, too"
    return f"{load} probabilities, {then}."


def _uncalibrated(outputs: OutputType) -> list[str]:
    if outputs.task in UNCALIBRATED:
        return [f"- trained on {outputs.task} targets; its answers are not calibrated"]
    return []


def sureness_lines(
    temperature: float,
    abstention: Abstention | None,
    levels: Sequence[LevelRule] = (),
    sets: PredictionSets | None = None,
) -> list[str]:
    """Temperature and thresholds, and what these left of development rows."""
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
        *(f"- {level}: {line}" for level, line in level_lines(levels).items()),
        *([] if sets is None else [f"- {sets_line(sets)}"]),
    ]


def transductive(by: Normalise) -> str:
    """What a reader must know of answers that hang on other utterances."""
    return (
        f"transductive: an utterance is standardised by those of the same {by}, drawn to training "
        "statistics, so that its answer hangs on them; alone, by training statistics"
    )


#: What a level is, in words.
LEVEL_NAMES: Mapping[Level, str] = MappingProxyType(
    {
        "class": "a class",
        "group": "else a group of classes",
        "arousal": "else whether it is aroused",
    }
)


def level_lines(levels: Sequence[LevelRule]) -> dict[str, str]:
    """What each level is, from which probability it is answered, and what that was worth."""
    return {LEVEL_NAMES[rule.level]: _worth(rule) for rule in levels}


def _worth(rule: LevelRule) -> str:
    right = "" if rule.accuracy is None else f", {rule.accuracy:.0%} of them right"
    said = f"{rule.coverage:.0%} of development utterances{right}"
    return f"from {rule.threshold:.2f} on: {said}, at thresholds of other speakers"


def sets_line(sets: PredictionSets) -> str:
    """What sets may be asked for."""
    return (
        f"sets of classes at a coverage of {LEAST:g} to {sets.most:g}, from "
        f"{with_count(sets.speakers, 'development speaker')} with one vote each"
    )


def _learned(origin: Origin) -> Iterator[str]:
    if origin.corpora:
        yield f"- learned from {', '.join(map(say, origin.corpora))}"
    if origin.synthetic:
        yield f"- **{SYNTHETIC}**"
    if origin.licence:
        yield f"- licence: {say(origin.licence)}"
    if origin.caution:
        yield f"- {say(origin.caution)}"

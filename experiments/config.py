"""The experiment file (TOML) and the dataclass that it becomes; strict about every key."""

import json
import os
import re
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

from encoders.manifest_rows import channel_of, did_you_mean
from fusion.evaluation.goals import Goal
from fusion.training.arm_table import ARMS, LISTENERS, SCORES, Normalise

TranscriptSource = Literal["gold", "asr", "gold_else_asr"]

#: Readers of TOML take the square of a file's size where a key has as many parts: 14 s of 200 kB.
LARGEST_KB = 64
#: Options that say where a corpus lies.
PLACES = ("manifest", "root")
DEFAULT_ARMS = ("audio", "text", "concat", "late", "attention")
#: Begins the name of an encoder that is trained on the training speakers of every fold.
FINETUNED = "finetuned:"
#: What ``--recipe s4`` compares, and the encoders that it fine-tunes where no others are named.
RECIPE_ARMS = ("audio_linear", "text_linear", "concat_linear", "concat_crossfit")
RECIPE_ENCODERS = {"audio": "finetuned:alexnet@pooling=mean", "text": "finetuned:bert-base"}


TRIALS = "Optuna trials per arm and fold; 0: documented defaults."
CHANNEL = (
    "Channel that is heard of recordings with several: 1, 2, … or mean; a manifest's column "
    "channel goes before [mean]."
)
SEEDS = "Heads trained with different seeds, per arm and fold."


def _option(default: Any, explained: str) -> Any:  # noqa: ANN401 - as dataclasses.field has it
    """A field of a study with the words that explain it on the command line."""
    return field(default=default, metadata={"help": explained})


def default_asr() -> str:
    """The recogniser of a study that names none; the study then names it, wherever it is read."""
    from encoders.asr.recognisers import default_recogniser

    return default_recogniser()


class ConfigError(ValueError):
    """A command or an experiment file asks for something that cannot be done."""


class OptionError(ConfigError):
    """The options of a command do not make one; the exit code is 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One comparison: the corpus, the encoders, the protocol and the budget.

    ``corpus`` or ``manifest`` is given; several of them are compared as one. ``extra`` corpora join
    the training rows of every fold, and are never scored. ``channel`` is heard of recordings whose
    row of a manifest names none. ``arms`` None means the default arms, of which those that the
    inputs cannot serve are left out with a warning.
    ``map`` says which class a label of a published classifier is (``hap=happy``), where its name
    does not.
    ``head`` fixes hyperparameters of heads (``loss=focal``), which are then not tuned. ``select``
    is the metric that trials, weights of late fusion and best arms are chosen by on development
    rows, and that the report tells and tests first; None: the task's own.
    ``normalise`` other than "training" standardises each row by its own corpus, speaker or
    recording first, test rows by test rows, and is named beside every number.
    ``allow_contaminated`` scores a fine-tuned encoder on what it has seen, and marks every table.

    An encoder named ``finetuned:NAME`` is trained on the training speakers of every fold, then
    frozen. ``recipe`` "s4" does that with both, and trains only a final layer on the embeddings of
    each, on both side by side, and on cross-fitted ones.
    """

    corpus: str | tuple[str, ...] | None = _option(
        None, "Name of a known corpus (serfusion corpora); repeat it for several."
    )
    manifest: str | tuple[str, ...] | None = _option(
        None, "CSV or JSONL with one utterance per row."
    )
    root: str | tuple[str, ...] | None = _option(
        None, "Folder of the corpus or of the audio files; one for each corpus."
    )
    labels: tuple[str, ...] | None = _option(
        None, "Classes as angry,happy,sad; a set as 4-class; common:ekman for any corpus."
    )
    extra: str | tuple[str, ...] | None = _option(
        None,
        "More training data, as CORPUS=ROOT, CORPUS:SET=ROOT or a manifest; repeat it. It joins "
        "the training rows of every fold in the same classes, and is never scored.",
    )
    channel: int | str | None = _option(None, CHANNEL)
    audio: str = _option(
        MISSING, "Audio encoder, as in logmel, wav2vec2-base or finetuned:alexnet."
    )
    text: str = _option(MISSING, "Text encoder, as in minilm or bert-base.")
    asr: str = field(
        default_factory=default_asr,
        metadata={
            "help": "Recogniser of missing transcripts, as in whisper-small@language=de "
            "[whisper-base, or whisper-tiny.en where only that is here]."
        },
    )
    transcript: TranscriptSource = _option(  # noqa: RUF009 - a field with words
        "gold_else_asr", "gold, asr or gold_else_asr [gold_else_asr]."
    )
    arms: tuple[str, ...] | None = _option(
        None,
        f"Some of {', '.join(ARMS)}, pretrained:NAME (a published classifier's own head), "
        "scores:FILE (any other model's: id and a score for each class, or a prediction), and "
        "late:ARM+scores:FILE (both combined), listeners (the majority of a corpus's own votes).",
    )
    map: tuple[str, ...] | None = _option(
        None, "Classes of labels from elsewhere that differ, as in hap=happy,exc=happy."
    )
    folds: str | None = _option(
        None, "How folds are made; 'help' lists the ways [the corpus's own]."
    )
    rows: Literal["complete", "all"] = _option(
        "complete", "complete, or all: keep rows that lack a modality [complete]."
    )
    trials: int = _option(20, f"{TRIALS} [20]")
    seeds: int = _option(5, f"{SEEDS} [5]")
    head: tuple[str, ...] | None = _option(
        None,
        "Hyperparameters of heads that are not tuned, as in "
        "loss=focal,modality_dropout=0.3,unimodal_loss=0.2,hidden=64.",
    )
    select: Goal | None = _option(  # noqa: RUF009 - a field with words
        None,
        "Metric that everything is chosen by and told in: uar, accuracy, macro_f1, weighted_f1, "
        "auc or ccc [that of the task: uar, macro_f1 of sets of labels, ccc of values].",
    )
    normalise: Normalise = _option(  # noqa: RUF009 - a field with words
        "training",
        "Whose statistics standardise embeddings: training, or corpus, speaker or recording: a "
        "row's own, drawn to training, for which test rows are looked at, never their labels "
        "[training].",
    )
    allow_contaminated: bool = _option(
        False, "Score a fine-tuned encoder on speakers it has seen; marks every table."
    )
    recipe: Literal["s4"] | None = _option(
        None,
        "s4: fine-tune both encoders in every fold [alexnet, bert-base], freeze them, and train a "
        "final layer on each, on both, and on cross-fitted embeddings.",
    )

    def __post_init__(self) -> None:
        if faults := _take_types(self):
            raise ConfigError("; ".join(faults))
        if self.recipe is not None:
            faults += self._follow_recipe()
        if self.corpus in (None, ()) and self.manifest in (None, ()):
            faults.append("expected --corpus NAME or --manifest FILE (or several of them)")
        if self.trials < 0:
            faults.append(f"--trials {self.trials}: expected 0 (documented defaults) or more")
        if self.arms is not None and not self.arms:
            faults.append(f"--arms: expected at least one, such as {','.join(DEFAULT_ARMS)}")
        if self.seeds < 1:
            faults.append(f"--seeds {self.seeds}: expected 1 or more")
        if faults:
            raise ConfigError("; ".join(faults))

    def _follow_recipe(self) -> list[str]:
        """Fill in what the recipe says; returns what does not go with it."""
        faults = []
        if self.arms is not None and set(self.arms) != set(RECIPE_ARMS):
            faults.append(f"--recipe s4 has arms of its own: {', '.join(RECIPE_ARMS)}; drop --arms")
        object.__setattr__(self, "arms", RECIPE_ARMS)
        for kind in ("audio", "text"):
            typed = getattr(self, kind)
            if typed.startswith("features:"):
                faults.append(f"--{kind} {typed}: --recipe s4 trains encoders, not features")
            object.__setattr__(self, kind, FINETUNED + typed.removeprefix(FINETUNED))
        return faults


def _take_types(study: Study) -> list[str]:
    """Make every option of the type that it has, from Python too; returns what cannot be."""
    from pydantic import TypeAdapter, ValidationError

    faults = []
    for name, hint in get_type_hints(Study).items():
        value = getattr(study, name)
        if name in (*PLACES, "extra"):
            several = isinstance(value, list | tuple)
            value = tuple(map(_text, value)) if several else _text(value)
        try:
            object.__setattr__(study, name, TypeAdapter(hint).validate_python(value))
        except ValidationError as error:
            faults.append(f"{name}={value!r}: {error.errors()[-1]['msg']}")
    return faults


def _text(place: Any) -> Any:  # noqa: ANN401 - whatever a caller gives
    return os.fspath(place) if isinstance(place, os.PathLike) else place


def channel_asked(typed: int | str | None) -> int | None:
    """The channel of ``--channel``, from 1 on; None is the mean of all.

    Raises:
        OptionError: it is neither a number from 1 on nor ``mean``.
    """
    try:
        return None if typed is None else channel_of(str(typed))
    except ValueError as error:
        raise OptionError(f"--{error}") from None


def read_study(path: Path) -> Study:
    """Read an experiment file; unknown keys are refused, with the nearest known one.

    Raises:
        ConfigError: with every fault of the file.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        if path.stat().st_size > LARGEST_KB * 1024:
            raise ConfigError(
                f"{path}: {path.stat().st_size >> 10} kB, expected at most {LARGEST_KB} kB: is it "
                "an experiment file?"
            )
        text = _toml_as_json(path.read_text(encoding="utf-8"))
    except ConfigError:
        raise
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError(f"{path}: not TOML ({error})") from error
    try:
        return TypeAdapter(Study).validate_json(_with_recipe(text), strict=True, extra="forbid")
    except ValidationError as error:
        faults = [_fault(fault["loc"], fault["msg"], fault["type"]) for fault in error.errors()]
        raise ConfigError("\n  ".join([f"{path}: {len(faults)} faults", *faults])) from error


def _with_recipe(text: str) -> str:
    """A study as JSON with the encoders of its recipe, where it names one and not them."""
    content = json.loads(text)
    if content.get("recipe") is None:
        return text
    return json.dumps({**RECIPE_ENCODERS, **content})


def _toml_as_json(text: str) -> str:
    """TOML as JSON; a ValueError where it is none, or is more than Python reads, with its line."""
    try:
        # A date, which no key wants and JSON lacks, becomes a table and is refused like one.
        return json.dumps(tomllib.loads(text), default=lambda value: {"date": str(value)})
    except RecursionError:
        depths = [line.count("[") + line.count("{") + line.count(".") for line in text.split("\n")]
        line = depths.index(max(depths)) + 1
        raise ValueError(f"nested too deep at line {line}") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:
        digits = sys.get_int_max_str_digits()
        long = re.search(rf"\d{{{digits + 1}}}", text.replace("_", ""))
        if long is None:
            raise
        line = text.replace("_", "")[: long.start()].count("\n") + 1
        what = f"a number of more than {digits} digits at line {line}"
        raise ValueError(what) from error


def study_from_options(**options: Any) -> Study:  # noqa: ANN401 - checked here
    """A study from command line options, those that are None left out.

    Raises:
        OptionError: with every option that is missing or cannot be; an encoder is missing where an
            arm reads it.
    """
    from pydantic import TypeAdapter, ValidationError

    given = {name: value for name, value in options.items() if value is not None}
    if "recipe" in given:
        given = {**RECIPE_ENCODERS, **given}
    examples = {"audio": "logmel", "text": "minilm"}
    needed = _inputs_of(given.get("arms"))
    # An encoder that no arm reads is named all the same, so that a study says what it has not read.
    given = {n: e for n, e in examples.items() if n not in needed} | given
    missing = [
        f"--{name} is required, for example --{name} {example}"
        for name, example in examples.items()
        if name not in given
    ]
    if missing:
        raise OptionError("; ".join(missing))
    try:
        return TypeAdapter(Study).validate_json(json.dumps(given), strict=True, extra="forbid")
    except ValidationError as error:
        # Without a location it is our own message, which names the options.
        faults = [
            f"--{'.'.join(map(str, f['loc']))}: {f['msg']}"
            if f["loc"]
            else f["msg"].removeprefix("Value error, ")
            for f in error.errors()
        ]
        raise OptionError("; ".join(faults)) from error


def _inputs_of(arms: Sequence[str] | None) -> set[str]:
    """Modalities that arms read, windows and frames of one among them; both of arms not known.

    Scores of a file and of listeners are read by no encoder.
    """
    both = {"audio", "text"}
    read = [arm for arm in arms or () if arm != LISTENERS and not arm.startswith(SCORES)]
    if arms and not read:
        return set()
    if not read or not set(read) <= ARMS.keys():
        return both
    inputs = {name for arm in read for name in ARMS[arm].inputs}
    return {kind for kind in both if any(name.startswith(kind) for name in inputs)} or both


def identity_of(study: Study) -> dict[str, Any]:
    """What of a study names its run: every option but those that came later and are not used.

    So a command keeps the folder and the id that it had before there was such an option. Paths are
    those from the working folder, however they were spelled.
    """
    later = {"select": None, "extra": None, "normalise": "training", "channel": None}
    return {
        name: _from_here(value) if name in PLACES else value
        for name, value in asdict(study).items()
        if name not in later or value != later[name]
    }


def _from_here(paths: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
    if paths is None:
        return None
    if isinstance(paths, str):
        return os.path.relpath(os.path.realpath(paths))
    return tuple(os.path.relpath(os.path.realpath(path)) for path in paths)


def options_of(study: Study) -> dict[str, str | int | list[str] | None]:
    """A study as its options: several values are a list, as in JSON."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(study).items()
    }


def default_options() -> dict[str, str | int | None]:
    """Options of a study that have a default."""
    return {field.name: field.default for field in fields(Study) if field.default is not MISSING}


def write_study(study: Study, path: Path) -> None:
    """Write a study as TOML, so that :func:`read_study` returns an equal one."""
    from encoders.files import write_atomically

    lines = [
        f"{name} = {_toml(value)}" for name, value in asdict(study).items() if value is not None
    ]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def _toml(value: Any) -> str:  # noqa: ANN401 - what a field of Study may hold
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    # A JSON string is a TOML string but for the escape of slashes, which json does not make, and
    # for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _fault(location: tuple[int | str, ...], message: str, kind: str) -> str:
    name = ".".join(map(str, location))
    if kind != "extra_forbidden" and kind != "unexpected_keyword_argument":
        return f"{name or 'file'}: {message.removeprefix('Value error, ')}"
    known = [field.name for field in fields(Study)]
    return f"unknown key {name!r}: {did_you_mean(name, known)}"

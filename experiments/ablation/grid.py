"""From the options of a command to the cells of an ablation, and what cannot be one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from encoders.messages import with_count
from encoders.specs import Kind
from encoders.typed_names import parse_modality
from experiments.ablation.cells import Cell, CellChanges, CellDraft, Factor, NoiseIn
from experiments.ablation.encoder_options import layer_count
from experiments.ablation.factors import expanded, find_factor
from experiments.ablation.subsets import counts_up_to
from experiments.comparing.inputs import FEATURES, inputs_needed, typed_encoders
from experiments.comparing.preparation import chosen_arms
from experiments.comparing.trainable import is_finetuned
from experiments.config import ConfigError, OptionError, Study
from fusion.training.arm_table import ARMS

#: Factors of one ablation: a table and a figure show no more.
MOST_FACTORS = 2
#: Cells of one ablation; far more are a typing error that would run for days.
MOST_CELLS = 200


@dataclass(frozen=True, slots=True)
class FactorSpec:
    """A factor as it was typed: its name, and its values as one text, None: the usual ones."""

    factor: str
    values: str | None = None

    @property
    def first(self) -> str | None:
        """The first of its values, as it was typed."""
        return split_values(self.values)[0] if self.values else None


@dataclass(frozen=True, slots=True)
class Grid:
    """The factors with their values, the first value of each being the reference, and all cells."""

    factors: tuple[Factor, ...]
    values: tuple[tuple[str, ...], ...]
    cells: tuple[Cell, ...]

    @property
    def reference(self) -> Cell:
        """The cell that the others are compared with."""
        return next(cell for cell in self.cells if cell.reference)

    @property
    def comparable(self) -> bool:
        """Whether a score means the same in every cell."""
        return all(factor.comparable for factor in self.factors)


def split_values(text: str) -> list[str]:
    """Values apart: by semicolons where there is one, else by commas.

    >>> split_values("0,5"), split_values("alexnet@window_s=1,hop_s=1; logmel")
    (['0', '5'], ['alexnet@window_s=1,hop_s=1', 'logmel'])

    Raises:
        OptionError: a value is empty.
    """
    mark = ";" if ";" in text else ","
    parts = [part.strip() for part in text.split(mark)]
    if not all(parts):
        raise OptionError(
            f"--values {text!r}: value {parts.index('') + 1} of {len(parts)} is empty; leave out "
            f"the '{mark}' beside it"
        )
    return parts


def paired_values(over: Sequence[str], values: Sequence[str]) -> tuple[FactorSpec, ...]:
    """Factors with their values, in the order of the options.

    Raises:
        OptionError: more values than factors.
    """
    if len(values) > len(over):
        raise OptionError(
            f"{len(values)} --values for {len(over)} --over: give one for each factor, in their "
            "order ('' for the usual ones)"
        )
    texts = [text if text.strip() else None for text in values]
    texts += [None] * (len(over) - len(texts))
    return tuple(FactorSpec(name.strip(), text) for name, text in zip(over, texts, strict=True))


def make_grid(
    study: Study,
    over: Sequence[FactorSpec],
    *,
    side: NoiseIn = "test",
    seed: int = 0,
    most: int = 0,
) -> Grid:
    """The cells of an ablation; ``most`` are the training speakers that every fold has.

    Raises:
        OptionError: factors or values that make no grid; ConfigError: a value that cannot be, or
            what cannot be ablated of this study.
    """
    _check_over(over)
    factors = [find_factor(spec.factor, study, side) for spec in over]
    # The study's own values, written as those of their factors are.
    references = [None if factor.own is None else factor.tidy(factor.own) for factor in factors]
    values = [
        _values(factor, spec.values, reference, most)
        for factor, spec, reference in zip(factors, over, references, strict=True)
    ]
    start = [
        reference if reference in levels else levels[0]
        for reference, levels in zip(references, values, strict=True)
    ]
    cells = tuple(_cells(CellDraft(study, CellChanges(seed=seed)), factors, values, tuple(start)))
    for cell in cells:
        check_possible(cell)
    return Grid(tuple(factors), tuple(values), cells)


def _check_over(over: Sequence[FactorSpec]) -> None:
    names = [spec.factor for spec in over]
    if not names:
        raise OptionError("expected --over FACTOR, as in --over head; 'serfusion ablate --help'")
    if len(names) > MOST_FACTORS:
        raise OptionError(
            f"--over {', '.join(names)}: at most {MOST_FACTORS} factors; run one ablation for each"
        )
    if len(set(names)) < len(names):
        raise OptionError(f"--over {names[0]} is given twice; put all of its --values behind one")


def _values(factor: Factor, typed: str | None, reference: str | None, most: int) -> tuple[str, ...]:
    values = list(factor.values) if typed is None else split_values(typed)
    if typed is None and factor.name == "speakers" and most:
        values = list(map(str, counts_up_to(most)))
    tidy = [factor.tidy(value) for value in expanded(factor, values)]
    twice = sorted({value for value in tidy if tidy.count(value) > 1})
    if twice and typed is not None:
        raise OptionError(f"--over {factor.name}: {', '.join(twice)} is given twice")
    if reference is not None and reference not in tidy and (factor.anchored or len(tidy) == 1):
        # The end of a learning curve, the beginning of everything else.
        tidy = [*tidy, reference] if factor.name == "speakers" else [reference, *tidy]
    if len(tidy) < 2 and factor.name == "speakers" and typed is None:
        raise OptionError(
            f"--over speakers: heads are trained on {with_count(most, 'speaker')} once test and "
            "development speakers are taken away, and the usual values begin with 2; a learning "
            "curve needs a corpus of more speakers"
        )
    if len(tidy) < 2:
        raise OptionError(
            f"--over {factor.name}: {with_count(len(tidy), 'value')}; give two or more, as in "
            "--values 'ONE,OTHER' (';' between values that hold commas)"
        )
    return tuple(tidy)


def _cells(
    draft: CellDraft,
    factors: Sequence[Factor],
    values: Sequence[Sequence[str]],
    start: tuple[str, ...],
) -> Iterator[Cell]:
    combined = list(product(*values))
    if len(combined) > MOST_CELLS:
        raise OptionError(f"{len(combined)} cells, at most {MOST_CELLS}: give fewer --values")
    for chosen in combined:
        named = {factor.name: value for factor, value in zip(factors, chosen, strict=True)}
        changed = draft
        # Encoders and classes first: their options are set in what they are.
        for factor in sorted(factors, key=lambda f: not f.early):
            changed = factor.apply(changed, named[factor.name])
        yield Cell(named, changed, chosen == start)


# ---------------------------------------------------------------- what cannot be


def check_possible(cell: Cell) -> None:
    """Refuse a cell whose changes would reach nothing, or something that they must not.

    Raises:
        ConfigError: why, and what can be done instead.
    """
    study, changes = cell.draft.study, cell.draft.changes
    arms = chosen_arms(study)
    trained = [f"--{kind} {typed}" for kind, typed in typed_encoders(study) if is_finetuned(typed)]
    elsewhere = [arm for arm in arms if arm not in ARMS]
    for kind, typed in typed_encoders(study):
        if not is_finetuned(typed) and not typed.startswith(FEATURES):
            _check_layer(typed, kind)
    if changes.noise is not None:
        _check_noise(study, trained, elsewhere)
    if "transcript" in cell.values:
        _check_words(study, arms)
    if "missing" in cell.values:
        _check_missing(study, trained, elsewhere)
    if "speakers" in cell.values and trained:
        raise ConfigError(
            f"--over speakers cannot go with {', '.join(trained)}: an encoder that is trained in "
            "every fold is trained on all of its speakers; name a frozen one"
        )
    if "time_pool" in cell.values:
        _check_time_pool(study, arms)


def _check_layer(typed: str, kind: Kind) -> None:
    """A layer or a pooling that there is not is told before hours of work."""
    modality = parse_modality(typed, kind)
    count = layer_count(modality)
    if count is None or isinstance(modality.layer, str):
        return
    if not -count <= modality.layer < count:
        raise ConfigError(
            f"--{kind} {typed}: there are {with_count(count, 'layer')}, 0 to {count - 1}"
        )


def _check_noise(study: Study, trained: Sequence[str], elsewhere: Sequence[str]) -> None:
    if trained:
        raise ConfigError(
            f"--over noise cannot go with {', '.join(trained)}: it was trained on the clean "
            "recordings of its fold, and noise in its training is --audio finetuned:…@train.…; "
            "name a frozen encoder"
        )
    if elsewhere:
        raise ConfigError(
            f"--over noise cannot go with {', '.join(elsewhere)}: what was trained elsewhere heard "
            "the recordings as they are; leave it out of --arms"
        )
    if study.audio.startswith(FEATURES):
        raise ConfigError(
            f"--over noise: --audio {study.audio} was computed from clean recordings; name an "
            "encoder that hears them, as in --audio logmel"
        )


def _check_words(study: Study, arms: Sequence[str]) -> None:
    if study.text.startswith(FEATURES):
        raise ConfigError(
            f"--over transcript: --text {study.text} was computed from fixed words; name an "
            "encoder that reads them, as in --text minilm"
        )
    if not inputs_needed(arms) & {"text", "text_tokens"}:
        raise ConfigError("--over transcript: no arm reads words; add text to --arms")


def _check_missing(study: Study, trained: Sequence[str], elsewhere: Sequence[str]) -> None:
    if study.rows != "all":
        raise ConfigError(
            "--over missing needs --rows all: with --rows complete a row without words would "
            "leave every arm, and other rows would be compared"
        )
    if trained or elsewhere:
        raise ConfigError(
            f"--over missing cannot go with {', '.join((*trained, *elsewhere))}: name frozen "
            "encoders and arms that are trained here"
        )
    if not study.text.startswith(FEATURES) and parse_modality(study.text, "text").in_dialogue:
        raise ConfigError(
            f"--over missing cannot go with --text {study.text}: words that a row has lost would "
            "still be read around its neighbours; leave context and ahead out"
        )


def _check_time_pool(study: Study, arms: Sequence[str]) -> None:
    if study.audio.startswith(FEATURES) or is_finetuned(study.audio):
        raise ConfigError(f"--over time_pool: --audio {study.audio} cannot be pooled anew")
    if "audio_frames" not in inputs_needed(arms):
        raise ConfigError("--over time_pool: no arm reads frames; add attention to --arms")

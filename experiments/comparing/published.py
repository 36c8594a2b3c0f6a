"""Published classifiers among the arms: found and checked before any work, told of afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from encoders.manifest_rows import did_you_mean
from encoders.messages import printable
from encoders.pretrained.classifiers import check_head, class_labels, classifier_spec, says_values
from encoders.specs import BertSpec, ClassifierSpec, SpeechSpec
from encoders.typed_names import SHORT_NAMES
from encoders.utterance import Corpus
from experiments.config import ConfigError, Study
from experiments.corpora.label_map import LabelMap, map_labels, parse_map
from experiments.reporting.results_schema import PublishedFact
from fusion.evaluation.emotions import word
from fusion.training.arm_table import PUBLISHED, PublishedArm, ScoresArm, arm_of


@dataclass(frozen=True, slots=True)
class Published:
    """A published classifier as an arm: its checkpoint, and the class of each of its labels.

    One of values has a target for each of its dimensions.
    """

    arm: str
    spec: ClassifierSpec
    labels: LabelMap
    values: bool = False

    @property
    def fact(self) -> PublishedFact:
        """What ``results.json`` keeps."""
        labels = self.labels
        unused, absent = tuple(labels.unused), tuple(labels.absent)
        return PublishedFact(self.spec.checkpoint, self.spec.kind, labels.pairs, unused, absent)

    @property
    def remark(self) -> str:
        """The map in one line."""
        pairs = [f"{label} is {name}" for label, name in self.labels.pairs.items()]
        return f"{self.arm}: {', '.join(pairs)}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of its row must know."""
        lines = [
            f"{self.arm}: scored as it was published, nothing trained or tuned here (0 trials); it "
            "may have been trained on this corpus or on its speakers, which no fold can undo"
        ]
        if self.values:
            lines.append(
                f"{self.arm}: its values are brought to the units of the corpus by the mean and "
                "the deviation of each fold's training rows, which Pearson's r does not see"
            )
            return tuple(lines)
        return (*lines, *(f"{self.arm}: {line}" for line in self.labels.lines("label")))


def find_published(study: Study, arms: Sequence[str], corpus: Corpus) -> dict[str, Published]:
    """The published classifiers among the arms, with their label maps; no weight is read.

    Raises:
        MissingWeightsError: a checkpoint is not to be had; ClassifierError: it cannot be scored;
            ConfigError: its labels and the classes do not meet, or the study does not allow it.
    """
    named = [arm for arm in arms if isinstance(arm_of(arm), PublishedArm)]
    from_files = [arm for arm in arms if isinstance(arm_of(arm), ScoresArm)]
    if not named and not from_files and study.map:
        raise ConfigError(f"--map: there is no arm to map; add one as in --arms {PUBLISHED}NAME")
    if named and study.rows == "all":
        raise ConfigError(
            f"--rows all cannot go with {', '.join(named)}: a published classifier has no answer "
            "where its input is missing; use --rows complete"
        )
    asked = parse_map(study.map or (), corpus.targets)
    published = {arm: _published(arm, corpus, asked) for arm in named}
    said = {word(label) for classifier in published.values() for label in classifier.labels.labels}
    # A label of the map may be a column of a file, which is read afterwards.
    if (unknown := asked.keys() - said) and not from_files:
        labels = sorted(
            {label for classifier in published.values() for label in classifier.labels.labels}
        )
        raise ConfigError(
            f"--map: no published classifier says {', '.join(sorted(unknown))}; they say "
            f"{', '.join(labels)}"
        )
    return published


def checkpoint_of(arm: str) -> str:
    """Checkpoint of a published arm, which may go by the short name of ``serfusion models ls``.

    Raises:
        ConfigError: it is no short name of a transformer, and neither a folder nor a hub name.
    """
    name = arm.removeprefix(PUBLISHED)
    if "/" in name or name.startswith("."):
        return name
    spec = SHORT_NAMES.get(name)
    if isinstance(spec, SpeechSpec | BertSpec):
        return spec.checkpoint
    known = [short for short, one in SHORT_NAMES.items() if isinstance(one, SpeechSpec | BertSpec)]
    why = "no such checkpoint" if spec is None else f"{name} is no transformer with a head"
    raise ConfigError(
        f"--arms {printable(arm)}: {why}; {did_you_mean(name, known, most=3)} (a folder or a hub "
        "name contains a '/')"
    )


def _published(arm: str, corpus: Corpus, asked: Mapping[str, str]) -> Published:
    spec = classifier_spec(checkpoint_of(arm))
    values = says_values(spec)
    said = class_labels(spec)
    if values != (corpus.task == "regression"):
        kinds = ("values", "classes") if values else ("classes", "values")
        raise ConfigError(
            f"--arms {printable(arm)}: predicts {kinds[0]} ({', '.join(said)}), and these targets "
            f"are {kinds[1]}; use its embeddings, --{spec.kind} {spec.checkpoint}, or leave it out"
        )
    check_head(spec)
    labels = map_labels(arm, said, corpus.targets, asked)
    if values and (labels.absent or len(labels.pairs) > len(corpus.targets)):
        raise ConfigError(
            f"--arms {printable(arm)}: says {', '.join(said)}, and the targets are "
            f"{', '.join(corpus.targets)}; expected one of its values for each: say which as in "
            f"--map {said[0]}={corpus.targets[0]}"
        )
    return Published(arm, spec, labels, values)

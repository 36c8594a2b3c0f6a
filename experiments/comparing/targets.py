"""What a study asks for that its kind of targets does not allow, found before any work."""

from collections.abc import Sequence

from encoders.messages import printable
from encoders.utterance import Corpus
from experiments.comparing.inputs import typed_encoders
from experiments.comparing.trainable import is_finetuned
from experiments.config import ConfigError, Study
from fusion.networks.head import fixed_values
from fusion.networks.losses import with_loss
from fusion.training.arm_table import PUBLISHED
from fusion.training.late import LATE


def check_targets(study: Study, corpus: Corpus, arms: Sequence[str]) -> bool:
    """Refuse losses, encoders and arms of another kind; whether encoders are to be trained.

    Raises:
        ConfigError: with everything that cannot be; ValueError: a hyperparameter is none.
    """
    faults = []
    try:
        with_loss(fixed_values(study.head), corpus.task)
    except ValueError as error:
        faults.append(str(error))
    if corpus.task != "single-label":
        faults += [
            f"--{kind} {printable(typed)}: encoders are trained on one class per utterance, and "
            f"these targets are {corpus.task}; use the encoder as it is"
            for kind, typed in typed_encoders(study)
            if is_finetuned(typed)
        ]
    published = [arm for arm in arms if arm.startswith(PUBLISHED)]
    if published and corpus.task in ("multi-label", "regression"):
        faults.append(
            f"--arms {printable(','.join(published))}: a published classifier names one class, and "
            f"these targets are {corpus.task}; leave it out"
        )
    unknown = [name for name in arms if name in LATE and corpus.task not in LATE[name].tasks]
    if unknown:
        faults.append(
            # compare calls the option --arms, train --arm.
            f"arm {', '.join(unknown)}: {corpus.task} targets cannot be combined so; use late, "
            "late_mean or late_per_class"
        )
    if faults:
        raise ConfigError("; ".join(faults))
    return any(is_finetuned(typed) for _, typed in typed_encoders(study))

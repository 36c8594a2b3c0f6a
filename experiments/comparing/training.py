"""One arm trained on every speaker of a source: the model that an interview is given."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from encoders.decode_index import HELD_BYTES, DecodeIndex
from encoders.extraction import Failure, Progress, default_store
from encoders.messages import with_count
from experiments.comparing.certificate import certificate_lines, certify_model
from experiments.comparing.comparison import check_writable
from experiments.comparing.contamination import Sounds, check_unseen, remarks, stamped
from experiments.comparing.fitting import final_model
from experiments.comparing.inputs import (
    FEATURES,
    Ready,
    check_sequences,
    gather,
    preflight,
    typed_encoders,
    words_of,
)
from experiments.comparing.plan import Plan, budget_of
from experiments.comparing.preparation import (
    Notify,
    check_statistics,
    check_targets,
    chosen_arms,
    labelled,
    load_corpus,
)
from experiments.comparing.trainable import is_finetuned
from experiments.config import ConfigError, Study
from fusion.model.fusion_model import FusionModel
from fusion.splitting.splits import inner_folds
from fusion.training.arm_table import ARMS
from fusion.training.arms import try_own_heads
from fusion.tuning.storage import check_storage


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model, where it lies, on how much it was trained, and what could not be used."""

    model: FusionModel
    folder: Path
    utterances: int
    speakers: int
    dropped: tuple[Failure, ...]
    failures: tuple[Failure, ...]

    def lines(self) -> Iterator[str]:
        """What was trained, in lines."""
        yield (
            f"{self.model.arm} trained on {with_count(self.utterances, 'utterance')} of "
            f"{with_count(self.speakers, 'speaker')}: {', '.join(self.model.targets)}"
        )
        if self.dropped:
            yield f"left out: {with_count(len(self.dropped), 'row')} ({self.dropped[0].why})"
        yield "what it is worth on other speakers, serfusion compare tells"
        yield f"model: {self.folder}"


def train(
    study: Study,
    out: Path | str,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    notify: Notify | None = None,
    storage: str | None = None,
) -> TrainedModel:
    """Train the one arm of a study on every row, and save the model into a folder.

    Hyperparameters are tuned, training is stopped and probabilities are calibrated on development
    groups of speakers, as in every fold of a comparison: recordings on two sides of those, and
    encoders that have heard them, are refused, or said in the model's card where the study allows
    it. There is no test set, so no score. Each group is left out by as many heads as the study has
    seeds, of which an answer is the mean; both sides of late fusion are trained side by side with
    ``jobs`` above 1 [the number of cores]. Optuna's studies are kept in ``storage``, where one is
    given.

    Raises:
        CorpusError, ConfigError, SplitError, LeakError, MissingWeightsError, StorageError: nothing
            is written then.
    """
    out, arm = Path(out), _one_arm(study)
    corpus = load_corpus(study)
    rows = labelled(corpus)
    check_writable(out)
    check_storage(storage)
    if (out / "results.json").exists():
        raise ConfigError(f"--out {out}: holds a run, whose files a model would lie among")
    arms, _ = check_sequences(study, chosen_arms(study, "--arm"))
    try_own_heads(arms)
    check_targets(study, corpus, arms)
    check_statistics(study, corpus, rows)
    preflight(study, rows, arms)
    check_unseen(study, corpus, arms, rows, Sounds())
    inner = inner_folds(rows, corpus.classes)
    ready, store = Ready(study, corpus, tuple(rows), arms), default_store()
    with DecodeIndex(store.root / "hints.json", HELD_BYTES) as hints:
        evidence, certificate = certify_model(ready, inner, store, hints, progress)
        sounds = Sounds.of(evidence)
        seen = check_unseen(study, corpus, arms, rows, sounds)
        words = words_of(ready, store, hints, progress)
        inputs = gather(ready, words, store, hints, progress)
    if notify is not None:
        notify(f"{inputs.encoded} encoded, {inputs.cached} from the cache")
        for line in (*remarks({}, seen), *certificate_lines(certificate)):
            notify(line)
    budget = budget_of(study, corpus.task)
    plan = Plan((arm,), inputs, (), (), budget, None, "", (), storage=storage)
    with TemporaryDirectory() as there:
        made = final_model(plan, corpus, arm, Path(there), seeds=study.seeds, jobs=jobs)
        model = stamped(made, seen)
    model.save(out)
    speakers = {utterance.speaker for utterance in inputs.utterances}
    return TrainedModel(
        model, out, len(inputs.utterances), len(speakers), inputs.dropped, inputs.failures
    )


def _one_arm(study: Study) -> str:
    arms = study.arms or ()
    chosen_arms(study, "--arm")
    if len(arms) != 1 or arms[0] not in ARMS:
        raise ConfigError(f"expected one arm to train, such as late, got {', '.join(arms)}")
    faults = [
        f"--{kind} {typed}: {why}"
        for kind, typed in typed_encoders(study)
        for refused, why in (
            (is_finetuned(typed), "is trained per fold of a comparison; name its folder instead"),
            (typed.startswith(FEATURES), "a model of precomputed features can hear no recording"),
        )
        if refused
    ]
    if faults:
        raise ConfigError("; ".join(faults))
    return arms[0]

"""A comparison up to its first head: every fault found, inputs gathered, folds certified."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from encoders.extraction import Progress, default_store
from encoders.store import EmbeddingStore
from encoders.utterance import Corpus, Utterance
from experiments.comparing.certify import first_look, second_look
from experiments.comparing.contamination import (
    Contamination,
    check_unseen,
    remarks,
    scored_rows,
)
from experiments.comparing.disk import heavy_frames
from experiments.comparing.inputs import (
    Inputs,
    check_sequences,
    gather,
    preflight,
    reads_words,
)
from experiments.comparing.plan import Plan, make_folds, make_plan
from experiments.comparing.published import Published, find_published
from experiments.comparing.rows import labelled
from experiments.comparing.targets import check_targets
from experiments.comparing.variation import AS_IT_IS, Variation
from experiments.comparing.views import Bench, check_shared, train_encoders
from experiments.comparing.words import Words, find_words
from experiments.config import DEFAULT_ARMS, ConfigError, Study
from experiments.corpora import load_source
from fusion.arms import ARMS, PUBLISHED
from fusion.leakage.findings import Certificate
from fusion.splitting.splits import Fold, InnerFolds, rows_of

Notify = Callable[[str], None]
#: What becomes of the words of some rows before they are read.
Reword = Callable[[Words, Sequence[Utterance]], Words]


@dataclass(frozen=True, slots=True)
class Ready:
    """A study of which nothing is wrong that can be found before any work.

    Without a protocol and folds nothing is scored.
    """

    study: Study
    corpus: Corpus
    rows: tuple[Utterance, ...]
    arms: tuple[str, ...]
    notes: tuple[str, ...] = ()
    published: Mapping[str, Published] = field(default_factory=dict)
    protocol: str = ""
    folds: tuple[Fold, ...] = ()
    inner: tuple[InnerFolds, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that heads need, what was tested for leaks, and what a reader must be told.

    ``contaminated``: an encoder has seen what is scored, which was allowed.
    """

    corpus: Corpus
    plan: Plan
    certificate: Certificate
    contaminated: bool
    told: tuple[str, ...]


def load_corpus(study: Study) -> Corpus:
    """The corpus that a study names.

    Raises:
        CorpusError: with every fault of a manifest, or of a corpus's layout.
    """
    return load_source(study.corpus, study.manifest, study.root, study.labels)


def chosen_arms(study: Study, option: str = "--arms") -> tuple[str, ...]:
    """Arms that a study asks for, with those that they need; frames-only audio beside attention.

    ``option`` is how they were asked for.

    Raises:
        ConfigError: an arm is unknown.
    """
    asked = study.arms or DEFAULT_ARMS
    published = [
        arm for arm in dict.fromkeys(asked) if arm.removeprefix(PUBLISHED) not in ("", arm)
    ]
    unknown = [arm for arm in asked if arm not in (*ARMS, *published)]
    if unknown:
        known = (*ARMS, f"{PUBLISHED}NAME")
        many = "one" if option == "--arm" else "some"
        raise ConfigError(f"{option} {','.join(unknown)}: expected {many} of {', '.join(known)}")
    wanted = set(asked)
    if any(ARMS[arm].head == "late" for arm in wanted if arm in ARMS):
        wanted |= {"audio", "text"}
    if "attention" in wanted:
        wanted |= {"audio_frames"}
    return (*(arm for arm in ARMS if arm in wanted), *published)


def check_ready(study: Study, variation: Variation = AS_IT_IS) -> Ready:
    """Find every fault of a study that can be found before any work.

    Raises:
        CorpusError, ConfigError, SplitError, MissingWeightsError.
    """
    corpus = load_corpus(study)
    protocol = study.folds or corpus.folds
    rows = variation.rows(rows_of(labelled(corpus), protocol))
    arms, notes = check_sequences(study, chosen_arms(study))
    finetuned = check_targets(study, corpus, arms)
    folds, inner = make_folds(corpus, rows, protocol, held_out=finetuned)
    published = find_published(study, arms, corpus)
    preflight(study, rows, arms, published)
    # Speakers' names before hours of work; their samples once they have been read.
    check_unseen(study, corpus, arms, scored_rows(rows, folds), {})
    return Ready(study, corpus, rows, arms, notes, published, protocol, folds, inner)


def gathered(
    ready: Ready, store: EmbeddingStore, progress: Progress | None, reword: Reword | None = None
) -> Inputs:
    """Transcribe what is missing, embed what the arms read, and line the rows up."""
    study, rows = ready.study, ready.rows
    source = study.transcript if reads_words(study, ready.arms, ready.published) else "gold"
    words = find_words(rows, source, study.asr, store, progress)
    if reword is not None:
        words = reword(words, rows)
    return gather(ready.corpus, rows, words, study, ready.arms, store, progress, ready.published)


def prepare(
    study: Study, variation: Variation, progress: Progress | None, tell: Notify
) -> Prepared:
    """Everything before the first head; encoders that are trained per fold are trained here.

    Raises:
        CorpusError, ConfigError, SplitError, MissingWeightsError, LeakError.
    """
    ready = check_ready(study, variation)
    for published in ready.published.values():
        tell(published.told)
    evidence = first_look(ready.corpus, ready.rows, ready.folds, ready.protocol, progress)
    store = default_store()
    for line in heavy_frames(study, ready.arms, ready.rows, store):
        tell(line)
    inputs = gathered(ready, store, progress, variation.words)
    tell(f"{inputs.encoded} encoded, {inputs.cached} from the cache")
    plan = make_plan(ready.corpus, inputs, study, ready.arms)
    plan = variation.plan(plan, study, store, progress)
    certificate = second_look(evidence, plan)
    seen = _seen(ready, inputs, plan)
    plan = train_encoders(Bench(ready.corpus, plan, store, progress, tell, bool(seen)))
    told = _told(ready, plan, seen)
    return Prepared(ready.corpus, plan, certificate, bool(seen), told)


def _seen(ready: Ready, inputs: Inputs, plan: Plan) -> tuple[Contamination, ...]:
    """What is scored though an encoder has seen it, which was allowed; else an error."""
    scored = scored_rows(inputs.utterances, plan.folds)
    return (
        *check_unseen(ready.study, ready.corpus, ready.arms, scored, inputs.keys),
        *check_shared(ready.study, plan),
    )


def _told(ready: Ready, plan: Plan, seen: tuple[Contamination, ...]) -> tuple[str, ...]:
    notes = (*ready.notes, *(line for one in ready.published.values() for line in one.warnings))
    inputs = plan.inputs
    return (*remarks(inputs.modalities, seen), *ready.corpus.notes, *notes, *inputs.warnings)

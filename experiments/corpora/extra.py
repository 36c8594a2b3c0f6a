"""More training data: rows of other corpora that join the training rows of every fold.

They are never scored, nor stopped or selected on; what of them a test row must not share, the split
certificate tests.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from encoders.messages import with_count
from encoders.utterance import Corpus, CorpusError, Fault, Utterance, one_hot
from experiments.config import ConfigError
from experiments.corpora.label_map import map_labels
from experiments.corpora.merged import with_prefix
from experiments.corpora.registry import CORPORA

OPTION = "--extra"


def with_extra(corpus: Corpus, extras: Sequence[Corpus]) -> Corpus:
    """A corpus and rows that only train, in the corpus's own targets; ``Corpus.extra`` names them.

    Ids begin with ``extra/NAME/``, those of a second part of one name with ``extra2/NAME/``. People
    and scripts carry the name of their corpus, as where several are merged, but for another part of
    the same corpus, or a second manifest: there equal names are the same person, whom no fold may
    have on two sides.

    Raises:
        CorpusError: the targets are of another kind, or none is one of the corpus's.
    """
    names = [extra.name for extra in extras]
    several = any(u.corpus is not None for u in corpus.utterances)
    rows = []
    for place, extra in enumerate(extras):
        before = names[:place].count(extra.name)
        first = f"extra{before + 1 if before else ''}/{extra.name}/"
        same = not several and _is_part(corpus, extra)
        prefix, origin = "" if same else f"{extra.name}/", extra.name if several else None
        for u in _in_targets(corpus, extra):
            renamed = with_prefix(u, prefix)
            row = replace(renamed, id=f"{first}{u.id}", split=None, corpus=origin)
            rows.append((row, extra.name))
    return replace(
        corpus,
        utterances=(*corpus.utterances, *(u for u, _ in rows)),
        extra={u.id: name for u, name in rows},
        synthetic=corpus.synthetic or any(extra.synthetic for extra in extras),
        notes=(*corpus.notes, *(note for extra in extras for note in _notes(corpus, extra))),
    )


def _in_targets(corpus: Corpus, extra: Corpus) -> list[Utterance]:
    """Labelled rows with a target of the corpus; those of other classes are left out."""
    if extra.task != corpus.task:
        sets = [s.name for s in CORPORA[extra.name].labels] if extra.name in CORPORA else []
        what = f"{extra.task} targets, and those of {corpus.name} are {corpus.task}"
        if sets:
            named = f"{OPTION} {extra.name}:{sets[0]}=ROOT"
            what += f"; name a set of it, as in {named} ({', '.join(sets)})"
        raise CorpusError(f"{OPTION} {extra.name}", [Fault("--labels", what)])
    known = [(u, u.target) for u in extra.utterances if u.target is not None]
    if corpus.task == "single-label":
        classes = _classes(corpus, extra)
        labels = [(u, classes.get(str(extra.label(u)))) for u, _ in known]
        return [replace(u, target=one_hot(c, corpus.targets)) for u, c in labels if c is not None]
    if not set(corpus.targets) <= set(extra.targets):
        what = f"expected {', '.join(corpus.targets)}, found {', '.join(extra.targets)}"
        raise CorpusError(f"{OPTION} {extra.name}", [Fault("targets", what)])
    columns = [extra.targets.index(name) for name in corpus.targets]
    return [replace(u, target=tuple(target[k] for k in columns)) for u, target in known]


def _classes(corpus: Corpus, extra: Corpus) -> Mapping[str, str]:
    """Class of the corpus of each label, by name, synonym or nearest emotion."""
    try:
        return map_labels(f"{OPTION} {extra.name}", extra.targets, corpus.targets, {}).pairs
    except ConfigError as error:
        # The map is of published classifiers: here both are brought to common classes.
        what = f"{str(error).partition('; say ')[0]}; give --labels common:NAME, for both"
        raise CorpusError(f"{OPTION} {extra.name}", [Fault("--labels", what)]) from None


def _is_part(corpus: Corpus, extra: Corpus) -> bool:
    """Whether equal names are equal people: another part of a corpus, or one user's manifests."""
    return extra.name == corpus.name or not {extra.name, corpus.name} & CORPORA.keys()


def _notes(corpus: Corpus, extra: Corpus) -> tuple[str, ...]:
    """How many rows join, as which classes, and what is left out."""
    rows = _in_targets(corpus, extra)
    people = len({u.speaker for u in rows})
    line = (
        f"extra {extra.name}: {with_count(len(rows), 'utterance')} of "
        f"{with_count(people, 'speaker')} join the training rows of every fold, and are never "
        "scored, nor stopped on"
    )
    if corpus.task == "single-label":
        classes = _classes(corpus, extra)
        counts = Counter(extra.label(u) for u in extra.utterances if u.target is not None)
        moved = [f"{label} = {name}" for label, name in classes.items() if label != name]
        lost = [f"{label} ({n})" for label, n in sorted(counts.items()) if label not in classes]
        line += f"; {', '.join(moved)}" if moved else ""
        line += f"; left out {', '.join(lost)}" if lost else ""
        absent = [name for name in corpus.targets if name not in classes.values()]
        # What has one class of its own alone is told by its sound from all that has none of it.
        line += _absent(corpus, absent) if absent else ""
    return (line, *(f"{extra.name}: {note}" for note in extra.notes))


def _absent(corpus: Corpus, absent: Sequence[str]) -> str:
    names = ", ".join(absent)
    return (
        f"; it has no {names}: heads may take whatever sounds like {corpus.name} for {names}; "
        "--labels keeps to classes that both have"
    )

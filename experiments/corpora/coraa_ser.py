"""CORAA SER: spontaneous Brazilian Portuguese, neutral or not (SE&R 2022).

Names end in ``_neutral``, ``_non-neutral-female`` or ``_non-neutral-male`` and begin with the
recording of C-ORAL-BRASIL (https://github.com/rmarcacini/ser-coraa-pt-br). Speakers are not
published: the recording stands for them, which keeps everyone in it on one side of a fold. The
official test set has its labels in a table.
"""

from collections.abc import Mapping
from pathlib import Path, PureWindowsPath

from encoders.utterance import Corpus, CorpusError, Fault, Utterance, one_hot
from experiments.corpora.entry import Entry
from experiments.corpora.tables import read_table
from experiments.corpora.tree import Named, Tree, own_folds, scan

ENTRY = Entry(
    name="coraa-ser",
    title="CORAA SER 1.0",
    language="Portuguese (Brazilian)",
    size="about 50 minutes, 625 training segments and a test set",
    speakers="not published; recordings of C-ORAL-BRASIL",
    emotions="neutral, non-neutral (female, male)",
    truth="naturalistic",
    setup="uncontrolled setting",
    licence="CC BY-NC-ND 4.0",
    where="https://github.com/rmarcacini/ser-coraa-pt-br",
    module=__name__,
    layout=(
        "train/bfamdl01_segment153_neutral.wav",
        "train/..._non-neutral-female.wav",
        "test_ser/...  (with test_ser_metadata.csv: wav_file, label)",
    ),
    signature=r"(^|/)\w+_(non-)?neutral(-female|-male)?\.\w+$",
)

TARGETS = ("neutral", "non-neutral-female", "non-neutral-male")
RULE = (
    r"(?P<recording>[^/_]+)_(?P<segment>[^/]+?)_(?P<label>neutral|non-neutral-female|"
    r"non-neutral-male)"
)
#: Columns of the table of the test set.
TABLE, COLUMNS = "test_ser_metadata.csv", ("wav_file", "label")
SEXES = {"non-neutral-female": "female", "non-neutral-male": "male"}


def read(root: Path) -> Corpus:
    """Read labelled names, and the official test set where its table is there.

    Raises:
        CorpusError: no file of CORAA SER below the root, or an unknown label in the table.
    """
    tree = scan(ENTRY, root)
    media = tree.named(RULE)
    tested = _test_rows(tree)
    if not media.named and not tested:
        tree.refuse()
    train = [_utterance(file, "train" if tested else None) for file in media.named]
    notes = (
        "speakers are not published: the recording of C-ORAL-BRASIL stands for them",
        *(media.notes if not tested else ()),
    )
    return Corpus(
        name="coraa-ser",
        root=root,
        task="single-label",
        targets=TARGETS,
        utterances=(*train, *tested),
        folds=own_folds((*train, *tested)),
        notes=notes,
    )


def _utterance(file: Named, split: str | None) -> Utterance:
    label = file.fields["label"].lower()
    return Utterance(
        id=file.id,
        audio=file.path,
        speaker=file.fields["recording"],
        target=one_hot(label, TARGETS),
        split=split,
        language="pt",
        sex=SEXES.get(label),
    )


def _test_rows(tree: Tree) -> tuple[Utterance, ...]:
    path = tree.find(TABLE)
    if path is None:
        return ()
    rows = read_table(path, COLUMNS)
    wrong = sorted({row["label"] for row in rows} - set(TARGETS))
    if wrong:
        what = f"unknown labels {', '.join(wrong)}: expected {', '.join(TARGETS)}"
        raise CorpusError(str(path), [Fault("label", what)])
    paths = tree.stems()
    return tuple(_tested(row["wav_file"], row["label"], paths) for row in rows)


def _tested(file: str, label: str, paths: Mapping[str, Path]) -> Utterance:
    stem = PureWindowsPath(file).stem
    return Utterance(
        id=f"test/{stem}",
        audio=paths.get(stem),
        # Names of the test set are numbers: nobody is known in it, and nobody of training.
        speaker=f"test/{stem.split('_')[0]}",
        target=one_hot(label, TARGETS),
        split="test",
        language="pt",
        sex=SEXES.get(label),
    )

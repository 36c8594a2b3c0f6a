"""Which corpus, speaker or recording a row is standardised by, and whether that has enough rows."""

from collections import Counter
from collections.abc import Mapping, Sequence

from encoders.messages import printable, with_count
from encoders.utterance import Utterance
from experiments.config import ConfigError
from fusion.training.arm_table import Normalise
from fusion.training.normalise import LEAST

#: Names of groups: the corpus, and the speaker or recording in it.
Group = tuple[str, ...]
#: What a row must have to be of a group.
COLUMNS = {"speaker": "speaker", "recording": "dialogue or audio"}


def groups_of(
    by: Normalise, rows: Sequence[Utterance], corpus: str, extra: Mapping[str, str]
) -> list[Group]:
    """The group of each row of a corpus, of which ``extra`` ones are of others by their id.

    A recording is a dialogue, and the audio file where no dialogue is named.

    Raises:
        ConfigError: rows do not say whose they are.
    """
    names = [_own_name(by, row) for row in rows]
    lacking = [row.id for row, name in zip(rows, names, strict=True) if name is None]
    if lacking:
        raise ConfigError(
            f"standardising by {by}: {with_count(len(lacking), 'row')} of {len(rows)} without a "
            f"{by} (first {printable(lacking[0])}); expected a manifest with the column "
            f"{COLUMNS[by]} in every row"
        )
    origins = [extra.get(row.id) or row.corpus or corpus for row in rows]
    return [(origin, *(name or ())) for origin, name in zip(origins, names, strict=True)]


def _own_name(by: Normalise, row: Utterance) -> Group | None:
    if by == "corpus":
        return ()
    if by == "speaker":
        return None if row.speaker is None else (row.speaker,)
    if row.dialogue is not None:
        # Numbers of dialogues that start again in each session are told apart.
        return (row.session or "", row.dialogue)
    return None if row.audio is None else ("", row.audio.as_posix())


def check_groups(by: Normalise, groups: Sequence[Group]) -> None:
    """Refuse groups of so few rows that their own statistics are not worth having.

    Raises:
        ConfigError: there are some; :data:`fusion.training.normalise.LEAST` says why.
    """
    counts = Counter(groups)
    few = {group: count for group, count in counts.items() if count < LEAST}
    if few:
        group, count = next(iter(few.items()))
        raise ConfigError(
            f"--normalise {by}: {len(few)} of {len(counts)} have fewer than {LEAST} rows (first "
            f"{printable(group[-1])} with {count}), too few for statistics of their own; leave "
            "them out, or use --normalise corpus or training"
        )


def transductive(by: Normalise) -> str:
    """What a reader must know of rows that were standardised by their own group."""
    return (
        f"transductive: rows are standardised by those of their own {by}, test rows by test rows "
        "without their labels"
    )

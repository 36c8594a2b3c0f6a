"""Counts in sentences."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun.

    >>> counted(1, "recording"), counted(0, "recording"), counted(2, "run of many", "runs of many")
    ('1 recording', '0 recordings', '2 runs of many')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def verb(number: int, one: str, many: str) -> str:
    """The form of a verb that goes with a number.

    >>> verb(1, "is", "are"), verb(3, "is", "are")
    ('is', 'are')
    """
    return one if number == 1 else many

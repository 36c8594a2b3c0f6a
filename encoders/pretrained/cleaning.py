"""What happens to a transcript before a model reads it."""

import string

from encoders.specs import Cleaning

_PUNCTUATION = str.maketrans("", "", string.punctuation)


class TextError(ValueError):
    """Nothing of a transcript is left to be read."""


def clean_text(text: str, how: Cleaning) -> str:
    """The text as it is, or without punctuation and characters outside ASCII ("s4").

    Characters are dropped, not replaced: "don't" becomes "dont", "café" becomes "caf".

    Raises:
        TextError: cleaning leaves nothing; an empty string would stand for a missing transcript.
    """
    if how == "none":
        return text
    plain = text.encode("ascii", "ignore").decode().translate(_PUNCTUATION)
    cleaned = " ".join(plain.split())
    if not cleaned:
        raise TextError(f"clean={how} leaves nothing of the transcript {text!r}; use clean=none")
    return cleaned

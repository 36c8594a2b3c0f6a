"""Names of speakers that stand before the words, as meeting tools write them."""

import re
from collections.abc import Sequence

#: ``Anna Smith: words`` or ``[Anna Smith]: words``; nobody's name is longer.
_NAMED = re.compile(r"(?:\[([^\]\n]{1,80})\]|([^\[\]:\n]{1,80})):(?:\s+|\Z)")


def split_names(texts: Sequence[str]) -> list[tuple[str | None, str]]:
    """Name and words of each text, if before all words there is a name.

    That a colon stands after a name is taken for granted only where every text has one and names
    return, at least one of them; otherwise ``Well: no`` would be said by someone called Well.

    >>> split_names(["Anna: Hello.", "Ben: Hi.", "Anna: Well: no."])[2]
    ('Anna', 'Well: no.')
    >>> split_names(["Well: no.", "Yes."])[0]
    (None, 'Well: no.')
    """
    matches = [_NAMED.match(text.lstrip()) for text in texts]
    names = [match and (match[1] or match[2]).strip() for match in matches]
    if not all(names) or len(set(names)) == len(names):
        return [(None, text) for text in texts]
    ends = [match.end() for match in matches if match is not None]
    words = [text.lstrip()[end:] for text, end in zip(texts, ends, strict=True)]
    return list(zip(names, words, strict=True))

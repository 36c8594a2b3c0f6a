"""Times as people and tools write them: seconds, or hours, minutes and seconds."""

import re

#: 1, 1.5 or 1,5; 1:02.5; 1:02:03,456. Nothing else, so that no date and no frame becomes a time.
_CLOCK = re.compile(r"(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,9})(?:[.,](\d{1,20}))?", re.ASCII)
#: What programs make of small numbers: 1e-05.
_POWER = re.compile(r"\d{1,20}(?:\.\d{1,20})?[eE][-+]?\d{1,3}", re.ASCII)
SHAPES = "seconds as in 83.5 or 83,5, or 1:23.5, or 0:01:23.500"


def parse_clock(text: str) -> float | None:
    """Seconds of a time, or None where it is none.

    >>> parse_clock("83,5"), parse_clock("1:23.500"), parse_clock("00:01:23"), parse_clock("1:75")
    (83.5, 83.5, 83.0, None)
    """
    text = text.strip()
    match = _CLOCK.fullmatch(text)
    if match is None:
        return float(text) if _POWER.fullmatch(text) else None
    hours, minutes, seconds, fraction = match.groups()
    if (minutes and int(seconds) > 59) or (hours and int(minutes) > 59):
        return None
    whole = 3600 * int(hours or 0) + 60 * int(minutes or 0) + int(seconds)
    # Read as one number, so that 83.5 is the float of 83.5 however it was written.
    return float(f"{whole}.{fraction or 0}")


def clock(time_ms: int) -> str:
    """Hours, minutes, seconds and milliseconds, as WebVTT writes them.

    >>> clock(3723004)
    '01:02:03.004'
    """
    seconds, ms = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{ms:03}"

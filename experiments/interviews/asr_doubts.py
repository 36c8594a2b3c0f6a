"""When recognised words are not to be trusted: signs that a recogniser made them up.

Doubtful words are shown as such and reach the model as missing words, not as words. The bounds of
the first three are those of openai-whisper's ``transcribe`` (Radford et al. 2022, section 4.5).
"""

import zlib
from collections.abc import Sequence

from encoders.asr.transcript import Transcript

NO_SPEECH_PROBABILITY = 0.6
AVERAGE_LOG_PROBABILITY = -1.0
COMPRESSION_RATIO = 2.4
#: So many times the same one to four words, one after the other, are nobody's speech.
REPETITIONS, LONGEST_REPEATED = 4, 4


def doubts_about(transcript: Transcript) -> tuple[str, ...]:
    """Reasons to doubt what was recognised, in words; none where there are none."""
    text, doubts = transcript.text or "", []
    silent, sure = transcript.no_speech_prob, transcript.avg_logprob
    if silent is not None and silent > NO_SPEECH_PROBABILITY:
        doubts.append(f"probably no speech ({silent:.2f})")
    if sure is not None and sure < AVERAGE_LOG_PROBABILITY:
        doubts.append(f"recogniser unsure (mean log-probability {sure:.2f})")
    ratio = compression_ratio(text)
    if ratio > COMPRESSION_RATIO:
        doubts.append(f"repetitive (compression ratio {ratio:.1f})")
    repeated = repeated_words(text.lower().split())
    if repeated is not None:
        doubts.append(f"repeats {' '.join(repeated)!r}")
    return tuple(doubts)


def compression_ratio(text: str) -> float:
    """Bytes of a text over its bytes when compressed, as whisper has it; 0 without a text.

    >>> compression_ratio("no " * 100) > 10 > compression_ratio("I thought you had left.")
    True
    """
    content = text.encode()
    return len(content) / len(zlib.compress(content)) if content else 0.0


def repeated_words(words: Sequence[str]) -> tuple[str, ...] | None:
    """The first one to four words that are said four times or more in a row; None without any.

    >>> repeated_words("oh thank you thank you thank you thank you".split())
    ('thank', 'you')
    """
    for length in range(1, LONGEST_REPEATED + 1):
        for start in range(len(words) - REPETITIONS * length + 1):
            first = tuple(words[start : start + length])
            if tuple(words[start : start + REPETITIONS * length]) == first * REPETITIONS:
                return first
    return None

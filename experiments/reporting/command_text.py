"""The command that asks for a study again, as a reader types it."""

import shlex
from collections.abc import Iterator, Mapping, Sequence

from encoders.messages import printable
from experiments.reporting.results_schema import Option

#: Letters in a line of a command, if an option is not longer by itself.
COMMAND_LETTERS = 76
#: What is said even where it is the default.
_ALWAYS = ("audio", "text", "asr", "trials", "seeds")
#: Options that come first and are repeated for each value; other lists stand behind one.
_SOURCES = ("corpus", "manifest", "root", "extra")


def study_words(study: Mapping[str, Option], defaults: Mapping[str, Option]) -> Iterator[str]:
    """Options with their values; what is the default is left out."""
    for name in (*_SOURCES, *(key for key in study if key not in _SOURCES)):
        value, option = study.get(name), f"--{name.replace('_', '-')}"
        default = name in defaults and value == defaults[name] and name not in _ALWAYS
        if value is None or default:
            continue
        if isinstance(value, bool):
            yield option
            continue
        texts = list(map(str, value if isinstance(value, list) else [value]))
        for text in texts if name in _SOURCES else [",".join(texts)]:
            yield f"{option} {shlex.quote(printable(text))}"


def folded(words: Sequence[str]) -> str:
    """Words of a command in lines that a shell reads as one; none is broken within an option."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) < COMMAND_LETTERS:
            lines[-1] += f" {word}"
        else:
            lines.append(f"  {word}")
    return " \\\n".join(lines)

"""One timeline in the format that the name of a file asks for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from encoders.messages import quoted
from experiments.annotations.segments import Timeline

#: Module and function that write a file, by the end of its name.
WRITERS: Mapping[str, str] = MappingProxyType(
    {
        ".csv": "segments_csv.write",
        ".eaf": "eaf_writing.write",
        ".json": "timeline_json.write_json",
        ".rttm": "rttm.write",
        ".textgrid": "textgrid.write",
        ".vtt": "vtt.write",
    }
)


def write_timeline(timeline: Timeline, path: Path | str) -> None:
    """Write a timeline; the end of the file's name tells the format.

    JSON, CSV and TextGrid keep times exactly, the others to the millisecond; RTTM keeps no words,
    and only JSON keeps everything.

    Raises:
        ValueError: an unknown format.
    """
    path = Path(path)
    name = WRITERS.get(path.suffix.lower())
    if name is None:
        known = ", ".join(WRITERS)
        raise ValueError(f"unknown format {quoted(path.suffix)}: expected one of {known}")
    module, _, function = name.partition(".")
    write: Callable[[Timeline, Path], None] = getattr(
        import_module(f"experiments.annotations.{module}"), function
    )
    write(timeline, path)

"""``docs/benchmarks.md``, made of ``benchmarks/results``: ratios of one run, the limit beside them.

No number is typed here: what a result does not hold has no row, and a result that changed its form
is an error.
"""

import re
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
HEAD = """\
# Speed and memory

Made by `python -m benchmarks page` from `benchmarks/results`, which `make benchmark` measures anew.
A ratio compares two ways in one run, interleaved where the machine had other work, so that it holds
though seconds do not: above 1 is faster. The limit is what the same run says could be had at most.
"""
COLUMNS = ("what", "usual way", "ours", "ratio", "limit", "result")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the page; a cell is empty where the result has nothing to put there."""

    what: str
    usual: str = ""
    ours: str = ""
    ratio: str = ""
    limit: str = ""
    result: str = ""


def page() -> str:
    """The page as Markdown."""
    rows = [*_speech(), *_whisper(), *_recognisers(), *_training(), *_store(), *_memory()]
    ran = dict.fromkeys(row.result for row in rows)
    machines = [[f"[{name}](../benchmarks/results/{name}.md)", _machine(name)] for name in ran]
    return "\n".join(
        [
            HEAD,
            *_table(COLUMNS, [list(astuple(row)) for row in rows]),
            "\n## The results\n",
            "Each says how it was measured, and more than stands above.\n",
            *_table(("result", "measured on"), machines),
            "",
        ]
    )


def _table(columns: tuple[str, ...], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows)]


def _text(name: str) -> str:
    return (RESULTS / f"{name}.md").read_text(encoding="utf-8")


def _rows(name: str, *columns: str) -> list[dict[str, str]]:
    """Rows of the table of a result that begins with these columns."""
    for block in re.findall(r"(?:^\|.*\|\n)+", _text(name), re.M):
        head, _, *body = (
            [cell.strip() for cell in line[1:-1].split("|")] for line in block.split("\n")[:-1]
        )
        if tuple(head[: len(columns)]) == columns:
            return [dict(zip(head, cells, strict=True)) for cells in body]
    raise ValueError(f"{name}.md: expected a table that begins with {', '.join(columns)}")


def _numbers(name: str, pattern: str) -> tuple[float, ...]:
    """What stands in a sentence of a result, as numbers."""
    match = re.search(pattern, _text(name))
    if match is None:
        raise ValueError(f"{name}.md: expected {pattern!r}")
    return tuple(map(float, match.groups()))


def _machine(name: str) -> str:
    match = re.search(r"^Measured on (.*?)\.$", _text(name), re.M)
    if match is None:
        raise ValueError(f"{name}.md: expected a line that begins with Measured on")
    return match[1]


def _speech() -> Iterator[Row]:
    reach = _numbers("speech", r"GFLOP/s: float32 (\d+), bfloat16 (\d+)")
    usual, *ways = _rows("speech", "way", "speed", "GFLOP/s")
    for row in ways:
        limit = reach["bfloat16" in row["way"]] / float(usual["GFLOP/s"])
        limited = f"{limit:.1f} (matrix products)" if row["GFLOP/s"] else ""
        what = f"wav2vec2-base: {row['way']}"
        yield Row(what, usual["way"], "", row["speed"], limited, "speech")
    milliseconds, percent = _numbers("speech", r"take ([\d.]+) ms per second of audio, ([\d.]+)%")
    share = f"{percent:g} % of the encoder's time"
    yield Row("resampling and log-mel", share, f"{milliseconds:g} ms per s", result="speech")


def _whisper() -> Iterator[Row]:
    (mean,) = _numbers("whisper_speed", r"recordings of ([\d.]+) s in the mean")
    for row in _rows("whisper_speed", "model", "way", "speed"):
        if row["way"].startswith("own length"):
            what, usual = f"{row['model']}: {row['way']}", "windows of 30 s, one at a time"
            limit = f"{30 / mean:.1f} (30 s over their length)"
            whole = row["way"].endswith("length, float32")
            yield Row(what, usual, "", row["speed"], limit if whole else "", "whisper_speed")


def _recognisers() -> Iterator[Row]:
    column = "CPU seconds per second"
    cost = {
        row["recogniser"].strip("`"): float(row[column])
        for row in _rows("recognisers", "recogniser")
    }
    for name, seconds in cost.items():
        if "engine=faster" in name:
            usual = f"{name.partition('@')[0]}@engine=openai"
            ratio = f"{cost[usual] / seconds:.2f}"
            took = f"{seconds:g} s per s"
            yield Row(f"words: `{name}`", f"`{usual}`", took, ratio, result="recognisers")


def _training() -> Iterator[Row]:
    for row in _rows("training", "rows of a batch", "heads", "hidden"):
        if "default" in row["rows of a batch"]:
            what = f"an epoch of {row['heads']} head(s), {row['hidden']} hidden"
            took = f"{row['ours']} s"
            yield Row(what, "a torch DataLoader", took, row["ratio"], result="training")
    for row in _rows("training", "way", "s per step", "speed")[2:]:
        usual = "random batches, padded"
        yield Row(f"attention: {row['way']}", usual, "", row["speed"], result="training")


def _store() -> Iterator[Row]:
    for row in _rows("store", "embeddings", "values", "shards"):
        what = f"store: {row['what']} {row['embeddings']} embeddings of {row['values']} values"
        yield Row(what, "", f"{row['s of the processor']} s of the processor", result="store")


def _memory() -> Iterator[Row]:
    short, long = _numbers("speech", r"30 s recording (\d+) MB, of a 10 minutes one (\d+) MB")
    what = "memory of 10 minutes, wav2vec2-base"
    usual = f"of 30 s: {short:g} MB"
    yield Row(what, usual, f"{long:g} MB", f"{long / short:.2f}", "1 (no growth)", "speech")


def write() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")

"""Run measurements by name (all without one); each writes ``benchmarks/results/NAME.md``."""

import platform
import sys
from importlib import import_module
from pathlib import Path

import torch

NAMES = (
    "activity",
    "answers",
    "calibration",
    "copies",
    "coverage",
    "diarisation",
    "embeddings",
    "functionals",
    "losses",
    "marks",
    "real_speech",
    "recognisers",
    "reliability",
    "scale",
    "seeds",
    "speech",
    "store",
    "training",
    "validity",
    "whisper_speed",
)
RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    """Processor, cores and library, because a ratio holds for a kind of machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor() or platform.machine()
    return f"{processor}, {torch.get_num_threads()} threads; torch {torch.__version__}"


def main(names: list[str]) -> None:
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(unknown)}; known are {', '.join(NAMES)}")
    RESULTS.mkdir(exist_ok=True)
    for name in names or NAMES:
        table = import_module(f"benchmarks.{name}").measure()
        text = f"{table}\n\nMeasured on {machine()}.\n"
        (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
        print(text)


if __name__ == "__main__":
    main(sys.argv[1:])

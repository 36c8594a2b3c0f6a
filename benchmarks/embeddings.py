"""What frozen audio encoders that need no download are worth to a plain classifier on EmoDB.

Logistic regression of scikit-learn as in :mod:`benchmarks.functionals`, leave one speaker out. The
bundled AlexNet has heard RAVDESS, so RAVDESS is no test of it.
"""

import sys
from importlib.util import find_spec

import numpy as np
import torch

from benchmarks.functionals import DATA, uar_of
from encoders.audio.reading import read_segment
from encoders.audio.waveform import Audio
from encoders.embedding import embed
from encoders.encoder import load_encoder
from encoders.pooling import for_head
from encoders.specs import Modality
from encoders.typed_names import parse_modality
from encoders.utterance import Corpus
from experiments.corpora import read_corpus

NAMES = ("logmel", "mfcc", "mfcc13", "egemaps", "alexnet", "alexnet:untrained")


def measure() -> str:
    """One row per encoder."""
    if not DATA.is_dir():
        sys.exit(f"no real speech in {DATA}: set SERFUSION_DATA")
    corpus = read_corpus("emodb", DATA / "emodb")
    lines = ["| encoder | values | UAR | UAR, mean over inner folds |", "|---|---|---|---|"]
    for name in NAMES:
        if name == "egemaps" and find_spec("opensmile") is None:
            lines.append(f"| {name} | | not measured: openSMILE is not installed | |")
            continue
        table = table_of(corpus, parse_modality(name, "audio"))
        whole, inner = (uar_of(corpus, table, nested=nested) for nested in (False, True))
        lines.append(f"| {name} | {table.shape[1]} | {whole:.3f} | {inner:.3f} |")
    return "\n".join(lines)


def table_of(corpus: Corpus, modality: Modality) -> np.ndarray:
    """What an encoder makes of each utterance, or of its words, ``[rows, values]``."""
    encoder, rows = load_encoder(modality.encoder), []
    for utterance in corpus.utterances:
        if modality.encoder.kind == "text":
            content: Audio | str = utterance.transcript or ""
        else:
            assert utterance.audio is not None
            content = read_segment(utterance.audio, utterance.start_s, utterance.end_s)
        (stored,) = embed(encoder, [content], [modality.encoder])
        values = stored[modality.encoder].values
        rows.append(for_head(torch.from_numpy(values), modality).numpy().ravel())
    return np.stack(rows)

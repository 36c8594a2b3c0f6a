"""Frozen encoders: a recording or a sentence in, an embedding on disk out. Knows nothing of heads.

What a notebook needs is one import deep; each name is loaded when it is first asked for, so that
``import encoders`` imports neither torch nor transformers.

Files and rooms, each importing only from lines above its own:

    bundled, dealing, device, locks, messages, packing, plugins, utterance
    specs
    audio, context, features, pooling, text_encodings, weights
    manifest_rows
    files, manifest, spectra, windows
    manifest_tables, store
    analysis, decode_index, encoder, provenance
    embedding, pretrained, typed_names
    extraction, networks
    asr
    finetuning
"""

from importlib import import_module
from typing import Any

_HOME = {
    "Corpus": "encoders.utterance",
    "EmbeddingStore": "encoders.store",
    "Utterance": "encoders.utterance",
    "from_frame": "encoders.manifest_tables",
    "read_manifest": "encoders.manifest",
    "to_frame": "encoders.manifest_tables",
    "write_manifest": "encoders.manifest_tables",
}

__all__ = [
    "Corpus",
    "EmbeddingStore",
    "Utterance",
    "from_frame",
    "read_manifest",
    "to_frame",
    "write_manifest",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the type is the one of the name asked for
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(
        f"module 'encoders' has no attribute {name!r}; it has {', '.join(__all__)}"
    )

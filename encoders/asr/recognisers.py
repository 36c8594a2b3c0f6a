"""What a recogniser is: its spec, the names users type, where its weights come from.

openai-whisper is the default; faster-whisper computes its models with 8 bits, transformers reads
those of its hub, pocketsphinx its own. :mod:`encoders.asr.transcription` runs them.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal

from encoders.asr.sphinx import sphinx_sha256
from encoders.manifest_rows import did_you_mean
from encoders.provenance import weights_sha256 as folder_sha256
from encoders.weights.files import CTRANSLATE2_FILES, Layout, file_sha256, files_sha256
from encoders.weights.locate import locate
from encoders.weights.sources import (
    POCKETSPHINX,
    WHISPER_MODELS,
    PublishedFile,
    Source,
    checkpoint_source,
    whisper_source,
)

NUMERICS_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WhisperSpec:
    """openai-whisper: a name from :data:`WHISPER_MODELS`, or the path of a checkpoint.

    ``language`` None means that it is detected in each utterance. The rest is fixed, because a
    transcript is a function of its audio: temperature 0 without fallback (sampling is random),
    no condition on previous text, greedy search, float32, whisper's own thresholds for silence.
    """

    family: Literal["whisper"] = "whisper"
    checkpoint: str = "base"
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PocketsphinxSpec:
    """pocketsphinx with the English model of its package: poor accuracy, nothing to download."""

    family: Literal["pocketsphinx"] = "pocketsphinx"

    language = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubWhisperSpec:
    """Whisper through transformers: a hub name, or a folder with such a model.

    The options of :class:`WhisperSpec` hold; what is longer than 30 s is heard window by window.
    """

    family: Literal["transformers-whisper"] = "transformers-whisper"
    checkpoint: str = "openai/whisper-base"
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FasterWhisperSpec:
    """Whisper through faster-whisper: a hub name, or a folder with CTranslate2's ``model.bin``.

    The options of :class:`WhisperSpec` hold; ``compute`` int8 multiplies with 8 bits.
    """

    family: Literal["faster-whisper"] = "faster-whisper"
    checkpoint: str = "Systran/faster-whisper-base"
    language: str | None = None
    compute: Literal["int8", "float32"] = "int8"


RecogniserSpec = WhisperSpec | HubWhisperSpec | FasterWhisperSpec | PocketsphinxSpec

#: Recognisers that read Whisper models of a hub: what stands before the model's own name there.
HUBS: Mapping[str, str] = MappingProxyType(
    {"transformers-whisper": "openai/whisper-", "faster-whisper": "Systran/faster-whisper-"}
)
#: Models that another group has converted.
ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {"faster-whisper-large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo"}
)


def parse_recogniser(typed: str) -> RecogniserSpec:
    """Recogniser that ``--asr`` names.

    ``whisper-base``, ``whisper:CHECKPOINT``, the same with ``faster-whisper`` and
    ``transformers-whisper`` (folders, hub names), or ``pocketsphinx``. Whisper takes
    ``@language=de``, faster-whisper ``@compute=float32``.

    Raises:
        ValueError: unknown name (nearest ones are offered), option or language.
    """
    name, options = _take_apart(typed)
    known = ["language", *(["compute"] if name.startswith("faster-whisper") else [])]
    unknown = sorted(set(options) - set(known))
    if unknown:
        fault = f"unknown option {', '.join(unknown)}; known: {', '.join(known)}"
        raise ValueError(f"--asr {typed}: {fault}")
    language = options.get("language")
    if name == "pocketsphinx":
        check_language(typed, language, ["en"])
        return PocketsphinxSpec()
    code, hub = _language(typed, name, language), _on_hub(name)
    if hub is None:
        return WhisperSpec(checkpoint=_checkpoint(name), language=code)
    if name.startswith("transformers"):
        return HubWhisperSpec(checkpoint=hub, language=code)
    compute = options.get("compute", "int8")
    if compute not in ("int8", "float32"):
        raise ValueError(f"--asr {typed}: compute is {compute!r}, expected int8 or float32")
    return FasterWhisperSpec(
        checkpoint=hub, language=code, compute="int8" if compute == "int8" else "float32"
    )


def _on_hub(name: str) -> str | None:
    """Hub name or folder of a model for transformers or faster-whisper; None for other names."""
    for family, before in HUBS.items():
        path, model = name.removeprefix(f"{family}:"), name.removeprefix(f"{family}-")
        if path not in (name, ""):
            return path
        if model != name and model in WHISPER_MODELS:
            # Names that openai-whisper alone has for the newest of a kind.
            newest = {"large": "large-v3", "turbo": "large-v3-turbo"}.get(model, model)
            return ELSEWHERE.get(f"{family}-{newest}", f"{before}{newest}")
    return None


def _take_apart(typed: str) -> tuple[str, Mapping[str, str]]:
    head, _, tail = typed.rpartition("@")
    if not head or "=" not in tail:  # the '@' of a path
        return typed, {}
    pairs = [pair.partition("=") for pair in tail.split(",")]
    return head, {name.strip(): value.strip().lower() for name, _, value in pairs}


def _checkpoint(name: str) -> str:
    path = name.removeprefix("whisper:")
    if path not in (name, ""):
        return path
    checkpoint = name.removeprefix("whisper-")
    if checkpoint != name and checkpoint in WHISPER_MODELS:
        return checkpoint
    every = ("whisper", *HUBS)
    names = [*(f"{family}-{model}" for family in every for model in WHISPER_MODELS), "pocketsphinx"]
    raise ValueError(
        f"--asr {name}: no such recogniser; {did_you_mean(name, names, most=3)} "
        "(whisper:PATH takes a local openai-whisper checkpoint)"
    )


def _language(typed: str, name: str, language: str | None) -> str | None:
    if language is None:
        return None
    from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

    code = TO_LANGUAGE_CODE.get(language, language)
    check_language(typed, code, ["en"] if name.endswith(".en") else list(LANGUAGES))
    return code


def check_language(where: str, language: str | None, known: Sequence[str]) -> None:
    """Refuse, with a ValueError, a language that is not among those known."""
    if language is not None and language not in known:
        raise ValueError(f"{where}: no language {language!r} here; known: {', '.join(known)}")


# ---------------------------------------------------------------- weights


def recogniser_fingerprint(spec: RecogniserSpec) -> str:
    """Sha256 over everything that can change a transcript: options, weights, version of our code.

    Where a checkpoint lies is left out: the hash of its weights says which it is.
    """
    options = {name: value for name, value in asdict(spec).items() if name != "checkpoint"}
    identity = {"spec": options, "weights": weights_sha256(spec), "numerics": NUMERICS_VERSION}
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def weights_sha256(spec: RecogniserSpec) -> str:
    """Hash of a recogniser's weights.

    For a published Whisper model it is the published one, which loading checks: transcripts that
    are in the cache can be read where the model is not.
    """
    source = recogniser_source(spec)
    if isinstance(source, PublishedFile):
        return source.sha256
    if isinstance(spec, PocketsphinxSpec):
        return sphinx_sha256()
    if isinstance(spec, HubWhisperSpec):
        return folder_sha256(locate(source))
    path = locate(source)
    if isinstance(spec, WhisperSpec):
        return file_sha256(path)
    files = sorted({file for pattern in CTRANSLATE2_FILES for file in path.glob(pattern)})
    return files_sha256((file.name, file) for file in files)


def recogniser_source(spec: RecogniserSpec) -> Source:
    """Where the weights of a recogniser come from."""
    if isinstance(spec, PocketsphinxSpec):
        return POCKETSPHINX
    if isinstance(spec, WhisperSpec):
        return whisper_source(spec.checkpoint)
    layout: Layout = "ctranslate2" if isinstance(spec, FasterWhisperSpec) else "transformers"
    return checkpoint_source(spec.checkpoint, layout=layout)

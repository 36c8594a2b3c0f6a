"""What a recogniser is: its transcript, its spec, the names users type, where its weights lie.

openai-whisper is the default; faster-whisper computes its models with 8 bits, transformers reads
those of its hub, pocketsphinx its own. :mod:`encoders.asr.transcription` runs them.
"""

import difflib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from types import MappingProxyType
from typing import Literal
from urllib.request import Request, urlopen

from encoders.asr.ct2_files import ct2_sha256
from encoders.asr.sphinx import sphinx_sha256
from encoders.asr.transcript import NOTHING, Segment, Transcript, normalise
from encoders.checkpoints import PROBE_TIMEOUT_S, MissingWeightsError, file_sha256, locate
from encoders.checkpoints import weights_sha256 as folder_sha256

__all__ = ["NOTHING", "PocketsphinxSpec", "RecogniserSpec", "Segment", "Transcript", "WhisperSpec"]
__all__ += ["check_language", "normalise", "parse_recogniser", "recogniser_fingerprint"]

NUMERICS_VERSION = 1

_MULTILINGUAL_AND_ENGLISH = {"tiny": 76, "base": 145, "small": 484, "medium": 1530}
#: openai-whisper's models with the size of their files in MB.
WHISPER_MODELS: Mapping[str, int] = MappingProxyType(
    {
        **_MULTILINGUAL_AND_ENGLISH,
        **{f"{name}.en": size_mb for name, size_mb in _MULTILINGUAL_AND_ENGLISH.items()},
        **dict.fromkeys(("large-v1", "large-v2", "large-v3", "large"), 3090),
        **dict.fromkeys(("large-v3-turbo", "turbo"), 1620),
    }
)


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
        told = f"unknown option {', '.join(unknown)}; known: {', '.join(known)}"
        raise ValueError(f"--asr {typed}: {told}")
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
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or [*every, "pocketsphinx"]
    raise ValueError(
        f"--asr {name}: no such recogniser; did you mean {' or '.join(near)}? "
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
    if isinstance(spec, PocketsphinxSpec):
        return sphinx_sha256()
    if isinstance(spec, HubWhisperSpec):
        return folder_sha256(locate(spec.checkpoint))
    if isinstance(spec, FasterWhisperSpec):
        return ct2_sha256(spec.checkpoint)
    if spec.checkpoint in WHISPER_MODELS:
        return _whisper_url(spec.checkpoint).split("/")[-2]
    return file_sha256(locate_whisper(spec.checkpoint))


def locate_whisper(checkpoint: str) -> Path:
    """File of a Whisper model, downloaded once if its server answers.

    Raises:
        MissingWeightsError: in under five seconds where it does not, or the file is damaged.
    """
    if checkpoint not in WHISPER_MODELS:
        if (path := Path(checkpoint).expanduser()).is_file():
            return path
        raise MissingWeightsError(f"{path}: no such file, expected a checkpoint of Whisper")
    path, url = whisper_path(checkpoint), _whisper_url(checkpoint)
    if path.is_file():
        return _checked(path, url.split("/")[-2], checkpoint)
    if os.environ.get("HF_HUB_OFFLINE") == "1" or not answers(url):
        raise MissingWeightsError(_missing(checkpoint))
    return fetch_whisper(checkpoint)


def fetch_whisper(checkpoint: str) -> Path:
    """Download a published Whisper model; the file is complete and checked, or not there.

    Raises:
        MissingWeightsError: the download fails, or brings something else.
    """
    from whisper import _download

    path, url = whisper_path(checkpoint), _whisper_url(checkpoint)
    if path.is_file() and file_sha256(path) == url.split("/")[-2]:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(dir=path.parent, prefix=".fetch-") as folder:
            return Path(_download(url, folder, in_memory=False)).replace(path)
    except (OSError, RuntimeError) as error:
        raise MissingWeightsError(f"{url}: the download failed ({error}); try again") from error


def _whisper_url(checkpoint: str) -> str:
    from whisper import _MODELS

    return str(_MODELS[checkpoint])


def whisper_path(checkpoint: str) -> Path:
    """Where openai-whisper keeps the file of a published model."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "whisper" / _whisper_url(checkpoint).rsplit("/", 1)[-1]


def _checked(path: Path, expected: str, checkpoint: str) -> Path:
    if (found := file_sha256(path)) == expected:
        return path
    raise MissingWeightsError(
        f"{path}: sha256 {found}, expected {expected}: cut short, or not the published model. "
        f"Run serfusion models fetch whisper-{checkpoint}, or name it by --asr whisper:PATH"
    )


def answers(url: str) -> bool:
    """One short probe, in a thread because looking up a host's name heeds no timeout."""
    answered = Event()

    def probe() -> None:
        # What a refused or absent network raises depends on proxies and resolvers.
        with suppress(Exception), urlopen(Request(url, method="HEAD"), timeout=PROBE_TIMEOUT_S):
            answered.set()

    thread = Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_TIMEOUT_S)
    return answered.is_set()


def _missing(checkpoint: str) -> str:
    return (
        f"whisper-{checkpoint} (about {WHISPER_MODELS[checkpoint]} MB) is not in "
        f"{whisper_path(checkpoint).parent} and its server cannot be reached. "
        f"Where there is a network run: serfusion models fetch whisper-{checkpoint}. Offline, "
        "--asr pocketsphinx works where 'serfusion[offline]' is installed (English, many errors)."
    )

"""What a recogniser is: its transcript, its spec, the names users type, where its weights lie.

openai-whisper is the default; pocketsphinx carries an English model in its package and works
without a download. :mod:`encoders.asr.transcription` runs them.
"""

import difflib
import hashlib
import json
import os
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from types import MappingProxyType
from typing import Literal
from urllib.request import Request, urlopen

from encoders.checkpoints import PROBE_TIMEOUT_S, MissingWeightsError

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


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of recognised speech, in seconds from the start of the audio.

    ``avg_logprob`` is the mean natural log-probability of its tokens, ``no_speech_prob`` the
    probability that its window holds no speech; None where a recogniser has no such number.
    """

    start_s: float
    end_s: float
    text: str
    avg_logprob: float | None
    no_speech_prob: float | None


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a recogniser heard; its scores are means over the segments, weighted by tokens."""

    segments: tuple[Segment, ...]
    language: str | None
    avg_logprob: float | None
    no_speech_prob: float | None

    @property
    def text(self) -> str | None:
        """All words, normalised; None where none were heard."""
        return normalise(" ".join(segment.text for segment in self.segments))


#: What is heard in a recording that is silent, empty, or holds no word.
NOTHING = Transcript((), None, None, None)


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


RecogniserSpec = WhisperSpec | PocketsphinxSpec


def normalise(text: str | None) -> str | None:
    """Text in NFC with white space collapsed; None where nothing is left."""
    return " ".join(unicodedata.normalize("NFC", text or "").split()) or None


def parse_recogniser(typed: str) -> RecogniserSpec:
    """Recogniser that ``--asr`` names.

    ``whisper-base``, ``whisper:PATH`` (any openai-whisper checkpoint) or ``pocketsphinx``; Whisper
    takes ``@language=de``.

    Raises:
        ValueError: unknown name (nearest ones are offered), option or language.
    """
    name, options = _take_apart(typed)
    unknown = sorted(set(options) - {"language"})
    if unknown:
        raise ValueError(f"--asr {typed}: unknown option {', '.join(unknown)}; known: language")
    language = options.get("language")
    if name == "pocketsphinx":
        check_language(typed, language, ["en"])
        return PocketsphinxSpec()
    return WhisperSpec(checkpoint=_checkpoint(name), language=_language(typed, name, language))


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
    names = [*(f"whisper-{model}" for model in WHISPER_MODELS), "pocketsphinx"]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names
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

    Where a checkpoint lies is left out: the hash of its weights says which one it is.
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
        return _sphinx_sha256()
    if spec.checkpoint in WHISPER_MODELS:
        return _whisper_url(spec.checkpoint).split("/")[-2]
    return _file_sha256(locate_whisper(spec.checkpoint))


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
    if path.is_file() and _file_sha256(path) == url.split("/")[-2]:
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
    if (found := _file_sha256(path)) == expected:
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


def _sphinx_sha256() -> str:
    # Over the files, not the version of the package: POCKETSPHINX_PATH may name another model.
    digest = hashlib.sha256()
    for part in sphinx_model().values():
        for file in sorted(part.iterdir()) if part.is_dir() else [part]:
            digest.update(f"{part.name} {file.name} {_file_sha256(file)}\n".encode())
    return digest.hexdigest()


def sphinx_model() -> dict[str, Path]:
    """Parts of pocketsphinx's model, by the option of its decoder that takes them.

    Raises:
        MissingWeightsError: pocketsphinx is not installed.
    """
    if find_spec("pocketsphinx") is None:
        raise MissingWeightsError(
            "pocketsphinx is not installed: pip install 'serfusion[offline]', or --asr whisper-base"
        )
    from pocketsphinx import get_model_path

    folder = Path(get_model_path("en-us"))
    names = {"hmm": "en-us", "lm": "en-us.lm.bin", "dict": "cmudict-en-us.dict"}
    return {option: folder / name for option, name in names.items()}


def _file_sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()

"""What a recogniser is: a model of Whisper, the engine that computes it, where it comes from.

One name stands for one model, whoever computes it: faster-whisper with 8 bits, openai-whisper, or
transformers. :mod:`encoders.asr.transcription` runs them.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar, get_args

from encoders.manifest_rows import did_you_mean
from encoders.weights.files import CTRANSLATE2_FILES, files_sha256, model_at
from encoders.weights.locate import find, locate
from encoders.weights.sources import (
    WHISPER_MODELS,
    HubCheckpoint,
    LocalPath,
    Source,
    packaged_whisper,
    whisper_hub,
    whisper_source,
)
from encoders.weights.whisper import WhisperLayoutError, is_ctranslate2, whisper_sha256

NUMERICS_VERSION = 3

Value = TypeVar("Value", bound=str)

Engine = Literal["faster", "openai", "transformers"]
Task = Literal["transcribe", "translate"]
Compute = Literal["int8", "float32"]

#: The package that computes each engine, by its name in registries.
ENGINES: Mapping[Engine, str] = MappingProxyType(
    {"faster": "faster-whisper", "openai": "openai-whisper", "transformers": "transformers"}
)
#: Hypotheses that can be followed at once, and how many are where nothing is said.
BEAMS = tuple(str(number) for number in range(1, 11))
DEFAULT_BEAM = 5
#: Recognisers where none is named: the first that is here, else the first.
DEFAULTS = ("whisper-base", "whisper-tiny.en")
#: Hashes of the tensors of models that packages carry, as :func:`whisper_sha256` has them.
TENSORS: Mapping[str, str] = MappingProxyType(
    {
        "tiny.en": "d500b568ee77a48c440363a45c581cc771e4358f8670a7fc1ed5afa2f6302438",
        "base": "11599cf96b458e1cf749fbf84fb1606804a22f5dd619f4843223ea4704ef6e0e",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecogniserSpec:
    """Whisper: a name from :data:`WHISPER_MODELS`, a hub name, or a path, and what computes it.

    ``language`` None means that it is detected in each utterance; ``task`` translate gives English
    words of speech in other languages; ``compute`` is the precision of faster-whisper, None that of
    the other engines, float32; ``beam`` is how many hypotheses are followed, 1 a greedy search.
    ``fallback`` decodes again, at higher temperatures, what repeats itself or is unlikely; words
    are drawn there, so that only a transcript that was kept is had again. Without it a transcript
    is a function of its audio. The rest is fixed: no condition on previous text, no times within
    what fits into one window, whisper's own thresholds for silence.
    """

    checkpoint: str = "base"
    engine: Engine = "openai"
    language: str | None = None
    task: Task = "transcribe"
    compute: Compute | None = None
    beam: int = DEFAULT_BEAM
    fallback: bool = False


def parse_recogniser(typed: str) -> RecogniserSpec:
    """Recogniser that ``--asr`` names: ``whisper-base``, ``whisper:PATH``, ``whisper:OWNER/NAME``.

    Options follow an ``@``: ``engine=faster|openai|transformers``, ``compute=int8|float32`` (of
    faster), ``language=de``, ``task=translate``, ``beam=N``, ``fallback=yes`` (not of
    transformers). Where no engine is named a path has that of its layout, and a model
    faster-whisper's, where :func:`engine_note` says nothing else.

    Raises:
        ValueError: unknown name (nearest ones are offered), option, language or value.
    """
    name, options = _take_apart(typed)
    checkpoint = _checkpoint(name, options)
    known = ("engine", "language", "task", "compute", "beam", "fallback")
    if unknown := sorted(set(options) - set(known)):
        fault = f"unknown option {', '.join(unknown)}; known: {', '.join(known)}"
        raise ValueError(f"--asr {typed}: {fault}")
    engine: Engine = _choice(typed, options, "engine", get_args(Engine)) or (
        "faster" if "compute" in options else _default_engine(checkpoint)[0]
    )
    compute: Compute | None = _choice(typed, options, "compute", get_args(Compute))
    if compute is not None and engine != "faster":
        raise ValueError(f"--asr {typed}: compute is an option of engine=faster alone")
    english = checkpoint in WHISPER_MODELS and checkpoint.endswith(".en")
    spec = RecogniserSpec(
        checkpoint=checkpoint,
        engine=engine,
        language=_language(typed, english, options.get("language")),
        task=_choice(typed, options, "task", get_args(Task)) or "transcribe",
        compute=(compute or "int8") if engine == "faster" else None,
        beam=int(_choice(typed, options, "beam", BEAMS) or DEFAULT_BEAM),
        fallback=_choice(typed, options, "fallback", ("no", "yes")) == "yes",
    )
    if spec.fallback and engine == "transformers":
        raise ValueError(f"--asr {typed}: fallback is an option of engine=faster and engine=openai")
    if english:
        check_task(spec, multilingual=False)
    return spec


def _take_apart(typed: str) -> tuple[str, Mapping[str, str]]:
    head, _, tail = typed.rpartition("@")
    if not head or "=" not in tail:  # the '@' of a path
        return typed, {}
    pairs = [pair.partition("=") for pair in tail.split(",")]
    return head, {name.strip(): value.strip().lower() for name, _, value in pairs}


def _checkpoint(name: str, options: Mapping[str, str]) -> str:
    if (path := name.removeprefix("whisper:")) not in (name, ""):
        return path
    checkpoint = name.removeprefix("whisper-")
    if checkpoint != name and checkpoint in WHISPER_MODELS:
        return checkpoint
    for engine in ("faster", "transformers"):
        if (rest := name.removeprefix(f"{engine}-")).startswith("whisper") and rest != name:
            written = {"engine": engine, **options}
            now = f"{rest}@{','.join(f'{option}={value}' for option, value in written.items())}"
            raise ValueError(f"--asr {name}: engines are options now, write {now}")
    names = [f"whisper-{model}" for model in WHISPER_MODELS]
    raise ValueError(
        f"--asr {name}: no such recogniser; {did_you_mean(name, names, most=3)} "
        "(whisper:PATH takes weights of your own; whisper-tiny.en comes with 'serfusion[offline]')"
    )


def _choice(
    typed: str, options: Mapping[str, str], name: str, known: tuple[Value, ...]
) -> Value | None:
    """The value of an option, one of those known; None where it is not given."""
    if (given := options.get(name)) is None:
        return None
    for value in known:
        if value == given:
            return value
    expected = f"{', '.join(known[:-1])} or {known[-1]}"
    raise ValueError(f"--asr {typed}: {name} is {given!r}, expected {expected}")


def _language(typed: str, english: bool, language: str | None) -> str | None:
    if language is None:
        return None
    from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

    code = TO_LANGUAGE_CODE.get(language, language)
    check_language(f"--asr {typed}", code, ["en"] if english else list(LANGUAGES))
    return code


def check_language(where: str, language: str | None, known: Sequence[str]) -> None:
    """Refuse, with a ValueError, a language that is not among those known."""
    if language is not None and language not in known:
        raise ValueError(f"{where}: no language {language!r} here; known: {', '.join(known)}")


def check_task(spec: RecogniserSpec, multilingual: bool) -> None:
    """Refuse, with a ValueError, a translation by a model that knows English alone."""
    if spec.task == "translate" and not multilingual:
        raise ValueError(
            f"Whisper {spec.checkpoint}: knows English alone, and task=translate translates into "
            "English; expected a model of many languages, as in whisper-base@task=translate"
        )


# ---------------------------------------------------------------- engines


def _default_engine(checkpoint: str) -> tuple[Engine, str]:
    """The engine of a model where none is named, and why it is not faster-whisper."""
    engine: Engine = "faster"
    if checkpoint not in WHISPER_MODELS:
        engine = _engine_of_layout(checkpoint)
    elif not _is_here(checkpoint, "faster") and _is_here(checkpoint, "openai"):
        return "openai", "its weights are here, and not as faster-whisper reads them"
    if engine == "faster" and find_spec("faster_whisper") is None:
        return "openai", "faster-whisper is not installed: pip install 'serfusion[fast]'"
    return engine, ""


def _engine_of_layout(checkpoint: str) -> Engine:
    """The engine that a path was made for; of a hub name that is not here, by its words."""
    path = model_at(Path(checkpoint).expanduser(), "whisper")
    if path is None and _is_hub_name(checkpoint):
        return "faster" if "faster-whisper" in checkpoint else "transformers"
    if path is None or path.is_file():
        return "openai"
    return "faster" if is_ctranslate2(path) else "transformers"


def _is_here(checkpoint: str, engine: Engine) -> bool:
    """Whether an engine can read a published model that is on this machine."""
    spec = RecogniserSpec(checkpoint=checkpoint, engine=engine)
    return find(recogniser_source(spec)) is not None


def engine_note(typed: str) -> str:
    """Why a name that says no engine is not computed by faster-whisper; empty where it is."""
    name, options = _take_apart(typed)
    if "engine" in options or "compute" in options:
        return ""
    return _default_engine(_checkpoint(name, options))[1]


def describe(typed: str) -> str:
    """A recogniser for readers: what was typed, and what computes it how.

    >>> describe("whisper-tiny.en@engine=faster")
    'whisper-tiny.en@engine=faster (English only, faster-whisper int8)'
    """
    spec, note = parse_recogniser(typed), engine_note(typed)
    known = spec.checkpoint in WHISPER_MODELS
    computes = " ".join(filter(None, (ENGINES[spec.engine], spec.compute)))
    parts = [
        *(["English only"] if known and spec.checkpoint.endswith(".en") else []),
        *(["translated into English"] if spec.task == "translate" else []),
        *(["with fallback to drawn words"] if spec.fallback else []),
        f"{computes}: {note}" if note else computes,
    ]
    return f"{typed} ({', '.join(parts)})"


def default_recogniser() -> str:
    """The recogniser where none is named: whisper-base, or whisper-tiny.en where only that is here.

    Where neither is, whisper-base is what will be downloaded.
    """
    here = (n for n in DEFAULTS if find(recogniser_source(parse_recogniser(n))) is not None)
    return next(here, DEFAULTS[0])


# ---------------------------------------------------------------- weights


def recogniser_fingerprint(spec: RecogniserSpec) -> str:
    """Sha256 over everything that can change a transcript: options, weights, version of our code.

    Where a checkpoint lies and in which layout is left out: the hash of its tensors says which it
    is, so that package, hub and the file of OpenAI share the transcripts of one engine.
    """
    options = {name: value for name, value in asdict(spec).items() if name != "checkpoint"}
    identity = {"spec": options, "weights": weights_sha256(spec), "numerics": NUMERICS_VERSION}
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def weights_sha256(spec: RecogniserSpec) -> str:
    """Hash of a recogniser's tensors; of a quantised folder of CTranslate2 that of its files.

    Of a model that a package carries it is known where the model is not, so that transcripts in
    the cache can be read there; those of other models need the model. How users' own folders of
    transformers are to generate is part of it.

    Raises:
        MissingWeightsError: the weights are not to be had; WhisperLayoutError: they are none.
    """
    source = recogniser_source(spec)
    if find(source) is None and spec.checkpoint in TENSORS:
        return TENSORS[spec.checkpoint]
    path = locate(source)
    try:
        tensors = whisper_sha256(path)
    except WhisperLayoutError:
        if not (path.is_dir() and is_ctranslate2(path)):
            raise
        files = sorted({file for pattern in CTRANSLATE2_FILES for file in path.glob(pattern)})
        return files_sha256((file.name, file) for file in files)
    generation = path / "generation_config.json"
    if isinstance(source, LocalPath) and spec.engine == "transformers" and generation.is_file():
        return files_sha256([(tensors, generation)])
    return tensors


def recogniser_source(spec: RecogniserSpec) -> Source:
    """Where the weights of a recogniser are: what is on this machine, else what is downloaded.

    faster-whisper reads folders of CTranslate2; the other engines read every layout.
    """
    name, engine = spec.checkpoint, spec.engine
    if name not in WHISPER_MODELS:
        path = Path(name).expanduser()
        if path.exists() or not _is_hub_name(name):
            return LocalPath(path, "whisper")
        return HubCheckpoint(name, layout="ctranslate2" if engine == "faster" else "transformers")
    package = packaged_whisper(name)
    packages = [] if package is None else [package]
    own = _publisher(name, engine)
    if engine == "faster":
        places = [*packages, own]
    else:
        others = (_publisher(name, other) for other in ENGINES if other != engine)
        places = [own, *packages, *others]
    return next((place for place in places if find(place) is not None), own)


def _publisher(name: str, engine: Engine) -> Source:
    """Where the makers of an engine, or its users, publish a model for it."""
    if engine == "openai":
        return whisper_source(name)
    return whisper_hub(name, "ctranslate2" if engine == "faster" else "transformers")


def _is_hub_name(checkpoint: str) -> bool:
    return checkpoint.count("/") == 1 and not checkpoint.startswith((".", "/", "~"))

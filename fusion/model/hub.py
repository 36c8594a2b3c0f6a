"""A model folder on the Hugging Face hub."""

from pathlib import Path

from fusion.model.fusion_model import FusionModel, folder_of


def push(model: Path | str, repository: str, *, private: bool = True) -> str:
    """Upload a model folder to a hub repository, made where there is none; returns its address.

    Only what a model consists of is uploaded: ``model.json``, ``heads.safetensors``, ``seen.json``
    (hashes), the card and a notice, whatever else lies in the folder. The token is that of ``hf
    auth login``.

    Raises:
        ValueError: the folder is no model.
        huggingface_hub.errors.HfHubHTTPError: the hub refuses.
    """
    from huggingface_hub import HfApi

    folder = folder_of(model)
    FusionModel.load(folder)
    hub = HfApi()
    hub.create_repo(repository, private=private, exist_ok=True)
    commit = hub.upload_folder(
        repo_id=repository,
        folder_path=folder,
        allow_patterns=["model.json", "heads.safetensors", "seen.json", "README.md", "NOTICE"],
        commit_message="Model by serfusion",
    )
    return str(commit.repo_url)

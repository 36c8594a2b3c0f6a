"""Low-rank adapters of transformers (LoRA, Hu et al. 2021, arXiv 2106.09685) through ``peft``.

Query and value of every self-attention, as in the paper's section 5.1, get a product of two thin
matrices beside their weights, with the paper's scaling at ``alpha = rank``: 1. They alone are
trained, with what stands behind the transformer, and are added to the weights afterwards, so that
what is saved is what full tuning saves and is loaded without ``peft``.
"""

from typing import Any

from encoders.finetuning.settings import FinetuneError

#: Names of query and value by transformers' families.
QUERY_VALUE = (("query", "value"), ("q_proj", "v_proj"), ("q_lin", "v_lin"), ("q", "v"))
#: WavLM's attention reads the weights of its layers past them, so that adapters there would be no
#: part of it: those of its feed-forward layers are.
FEED_FORWARD = ("intermediate_dense", "output_dense")


def adapt(network: Any, rank: int) -> None:  # noqa: ANN401 - a transformers model
    """Put adapters into a transformer in place, and freeze all else; drawn from torch's own state.

    Raises:
        FinetuneError: it has no layers that are known to take them.
    """
    from peft import LoraConfig, inject_adapter_in_model

    # Whisper's decoder has layers of the same names.
    encoder = getattr(network, "encoder", network)
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=_targets(network, encoder))
    network.requires_grad_(False)
    inject_adapter_in_model(config, encoder)


def merge(network: Any) -> None:  # noqa: ANN401 - a transformers model
    """Add adapters to the weights that they stand beside, and take them away."""
    from peft.tuners.lora import LoraLayer

    adapted = [
        (name, part) for name, part in network.named_modules() if isinstance(part, LoraLayer)
    ]
    for name, part in adapted:
        part.merge(safe_merge=True)
        network.set_submodule(name, part.get_base_layer())


def _targets(network: Any, encoder: Any) -> list[str]:  # noqa: ANN401 - transformers models
    if network.config.model_type == "wavlm":
        return [*FEED_FORWARD]
    names = {name.rpartition(".")[2] for name, _ in encoder.named_modules()}
    for pair in QUERY_VALUE:
        if names.issuperset(pair):
            return [*pair]
    raise FinetuneError(
        f"lora_rank: no query and value that are known in a {network.config.model_type} model; "
        "leave train.lora_rank out to train all of it"
    )

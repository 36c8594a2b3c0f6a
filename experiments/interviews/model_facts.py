"""What a reader of a timeline must know of the model that made it."""

from typing import Any

from fusion.model import FusionModel

SYNTHETIC = (
    "SYNTHETIC SPEECH: this model learned from speech that a synthesiser made. What it says of "
    "people means nothing. Take serfusion interview demo, or a model trained on people"
)


def about_model(model: FusionModel) -> dict[str, Any]:
    """Facts of a timeline; ``warnings`` stand above everything else on its page."""
    origin = model.origin
    warnings = [SYNTHETIC] if origin.synthetic else []
    if origin.caution:
        warnings.append(f"The model {origin.caution}")
    return {
        "model": model.arm,
        "learned_from": list(origin.corpora) or ["not known"],
        "synthetic": origin.synthetic,
        "licence_of_model": origin.licence or None,
        "encoders": {
            name: getattr(one.encoder, "checkpoint", one.encoder.family)
            for name, one in model.modalities.items()
        },
        "warnings": warnings,
    }

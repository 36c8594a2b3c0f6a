"""What encoders are: one frozen dataclass per family with a common face, and nothing heavy.

Whatever computes imports the specs, never the reverse.

Of encoders, imports only plugins.
"""

from encoders.specs.classifiers import ClassifierSpec, SpeechClassifierSpec, TextClassifierSpec
from encoders.specs.cnn import (
    TORCHVISION,
    Architecture,
    MfccArchitecture,
    MfccCnnSpec,
    SpectrogramCnnSpec,
    WindowSpec,
)
from encoders.specs.descriptors import EgemapsSpec, LogMelSpec, MfccSpec
from encoders.specs.families import FAMILIES, Family, is_own, spec_from_json
from encoders.specs.modality import AllLayers, Modality, Windows
from encoders.specs.pretrained import (
    BertSpec,
    Cleaning,
    SentenceSpec,
    SpeechSpec,
    WhisperEncoderSpec,
)
from encoders.specs.spec import (
    TIME_STATISTICS,
    UNTRAINED_SEED,
    Kind,
    Spec,
    Storage,
    StorageDtype,
    WindowFunction,
    fingerprint,
    model_part,
)

__all__ = ["FAMILIES", "TIME_STATISTICS", "TORCHVISION", "UNTRAINED_SEED", "Architecture"]
__all__ += ["BertSpec", "ClassifierSpec", "Cleaning", "EgemapsSpec", "Family", "Kind"]
__all__ += ["LogMelSpec", "MfccArchitecture", "MfccCnnSpec", "MfccSpec", "Modality"]
__all__ += ["SentenceSpec", "Spec", "SpectrogramCnnSpec", "SpeechClassifierSpec", "SpeechSpec"]
__all__ += ["Storage", "StorageDtype", "TextClassifierSpec", "WhisperEncoderSpec"]
__all__ += ["AllLayers", "WindowFunction", "WindowSpec", "Windows", "fingerprint", "model_part"]
__all__ += ["is_own", "spec_from_json"]

"""What encoders are: one frozen dataclass per family with a common face, and nothing heavy.

Whatever computes imports the specs, never the reverse.

Of encoders, imports nothing.
"""

from encoders.specs.classifiers import ClassifierSpec, SpeechClassifierSpec, TextClassifierSpec
from encoders.specs.cnn import TORCHVISION, Architecture, SpectrogramCnnSpec, WindowSpec
from encoders.specs.descriptors import EgemapsSpec, LogMelSpec, MfccSpec
from encoders.specs.families import FAMILIES, Family, spec_from_json
from encoders.specs.mfcc_cnn import MfccArchitecture, MfccCnnSpec
from encoders.specs.modality import Modality, Windows
from encoders.specs.pretrained import BertSpec, Cleaning, SentenceSpec, SpeechSpec
from encoders.specs.spec import Kind, Spec, fingerprint, model_part
from encoders.specs.storage import (
    TIME_STATISTICS,
    UNTRAINED_SEED,
    Storage,
    StorageDtype,
    WindowFunction,
)

__all__ = [
    "FAMILIES",
    "TIME_STATISTICS",
    "TORCHVISION",
    "UNTRAINED_SEED",
    "Architecture",
    "BertSpec",
    "ClassifierSpec",
    "Cleaning",
    "EgemapsSpec",
    "Family",
    "Kind",
    "LogMelSpec",
    "MfccArchitecture",
    "MfccCnnSpec",
    "MfccSpec",
    "Modality",
    "SentenceSpec",
    "Spec",
    "SpectrogramCnnSpec",
    "SpeechClassifierSpec",
    "SpeechSpec",
    "Storage",
    "StorageDtype",
    "TextClassifierSpec",
    "WindowFunction",
    "WindowSpec",
    "Windows",
    "fingerprint",
    "model_part",
    "spec_from_json",
]

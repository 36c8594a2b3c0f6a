"""The table of families: the spec of each, and the module that computes what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from encoders.plugins import Table
from encoders.specs.classifiers import SpeechClassifierSpec, TextClassifierSpec
from encoders.specs.cnn import MfccCnnSpec, SpectrogramCnnSpec
from encoders.specs.descriptors import EgemapsSpec, LogMelSpec, MfccSpec
from encoders.specs.pretrained import BertSpec, SentenceSpec, SpeechSpec, WhisperEncoderSpec
from encoders.specs.spec import Spec


@dataclass(frozen=True, slots=True)
class Family:
    """One family of encoders.

    ``module`` is imported when an encoder is loaded or its weights are asked for. It has
    ``NUMERICS_VERSION``, which rises when the same spec computes something else;
    ``weights_sha256(spec)``, "none" where there are no weights; and ``load(spec, device)``, a torch
    module that turns a list of :class:`encoders.audio.waveform.Audio`, or of texts, into one tensor
    ``[layers, frames, dim]`` each and says as ``frame_s`` how far apart frames are.
    """

    spec: type[Spec]
    module: str


#: By the ``family`` of their specs; a user's own come behind (``docs/adding.md``).
FAMILIES: Table[Family] = Table(
    {
        "logmel": Family(LogMelSpec, "encoders.spectra.acoustic"),
        "mfcc": Family(MfccSpec, "encoders.spectra.acoustic"),
        "egemaps": Family(EgemapsSpec, "encoders.spectra.acoustic"),
        "speech": Family(SpeechSpec, "encoders.pretrained.speech"),
        "whisper_encoder": Family(WhisperEncoderSpec, "encoders.pretrained.whisper_encoder"),
        "bert": Family(BertSpec, "encoders.pretrained.text"),
        "sentence": Family(SentenceSpec, "encoders.pretrained.text"),
        "spectrogram_cnn": Family(SpectrogramCnnSpec, "encoders.networks.spectrogram_cnn"),
        "mfcc_cnn": Family(MfccCnnSpec, "encoders.networks.spectrogram_cnn"),
        "speech_classifier": Family(SpeechClassifierSpec, "encoders.pretrained.classifiers"),
        "text_classifier": Family(TextClassifierSpec, "encoders.pretrained.classifiers"),
    }
)


def is_own(spec: Spec) -> bool:
    """Whether an encoder is a user's, of a plugin."""
    return not FAMILIES[spec.family].module.startswith("encoders.")


def spec_from_json(fields_of: Mapping[str, Any]) -> Spec:
    """Spec whose ``asdict`` went through JSON, which knows lists only.

    Raises:
        ValueError: no family of this version is called so.
    """
    family = FAMILIES.get(str(fields_of.get("family")))
    if family is None:
        raise ValueError(
            f"family {fields_of.get('family')!r}: expected one of {sorted(FAMILIES)}, or the "
            "--plugin that it is of"
        )
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in fields_of.items()
    }
    return family.spec(**values)

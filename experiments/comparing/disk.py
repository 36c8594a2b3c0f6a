"""How much disk the frames of a run would take, said before hours of encoding."""

import numpy as np

from encoders.decode_index import DecodeIndex
from encoders.specs import LogMelSpec, Modality, SpeechSpec
from encoders.typed_names import parse_modality
from encoders.utterance import Utterance
from encoders.weights.cards import CARDS
from experiments.comparing.inputs import FEATURES, SEQUENCE_OF, inputs_needed
from experiments.comparing.trainable import is_finetuned
from experiments.config import Study

#: Bytes above which a run says so first (frames of all layers of IEMOCAP would be 90 GB).
SAID_FROM = 20e9
#: Distance of two frames of wav2vec2, its relatives and Whisper's encoder.
SPEECH_FRAME_S = 0.02


def heavy_frames(
    study: Study, arms: tuple[str, ...], utterances: tuple[Utterance, ...], hints: DecodeIndex
) -> tuple[str, ...]:
    """A line where the audio frames that some arm reads would take more than 20 GB.

    Counts the recordings whose length is known by now, and checkpoints with a known size.
    """
    typed = study.audio
    unknown = typed.startswith(FEATURES) or is_finetuned(typed)
    if unknown or SEQUENCE_OF["audio"] not in inputs_needed(arms):
        return ()
    heard = [hints.get(u) for u in utterances if u.audio is not None]
    seconds = sum(audio.duration_s for audio in heard if audio is not None)
    size = frame_bytes(parse_modality(typed, "audio").as_sequence(), seconds)
    if size <= SAID_FROM:
        return ()
    return (
        f"--audio {typed}: the frames of {seconds / 3600:.1f} hours will take {size / 1e9:.0f} GB "
        "in the cache; one layer (@layer=K) instead of a mix, or arms without attention, take less",
    )


def frame_bytes(modality: Modality, seconds: float) -> float:
    """Bytes of the stored frames of so many seconds of audio; 0 where they are not known."""
    spec = modality.encoder
    width = np.dtype(spec.storage_dtype).itemsize
    if isinstance(spec, SpeechSpec) and spec.checkpoint in CARDS:
        card = CARDS[spec.checkpoint]
        layers = card.layers if spec.layers is None else len(spec.layers)
        return seconds / SPEECH_FRAME_S / spec.time_pool * layers * card.dim * width
    if isinstance(spec, LogMelSpec):
        dim = spec.n_mels * (1 + spec.deltas)
        return seconds / (spec.hop_ms / 1000) / spec.time_pool * dim * width
    return 0.0

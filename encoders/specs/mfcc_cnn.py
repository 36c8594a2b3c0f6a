"""The spec of small networks on windows of cepstra: convolutions, recurrent layers, attention."""

from dataclasses import dataclass
from typing import Literal

from encoders.specs.cnn import WindowSpec

MfccArchitecture = Literal[
    "cnn1d-3", "cnn1d-5", "cnn1d-8", "cnn2d-2", "cnn2d-6", "cnn-lstm", "cnn-lstm-attention"
]
#: Frames that the poolings of the deepest network join into one.
SHORTEST_WINDOW = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class MfccCnnSpec(WindowSpec):
    """A network over MFCC: 3, 5 or 8 convolutions over time, 2 or 6 over time and cepstrum, LSTM.

    Nobody publishes weights of these: they are trained on a corpus
    (:mod:`encoders.finetuning.finetune`). ``checkpoint`` is the folder or file that came of it,
    None: there is none yet. ``untrained`` draws seeded random weights.

    The spectrogram is that of :class:`encoders.specs.cnn.SpectrogramCnnSpec` with its
    defaults (8 kHz, silence 30 dB below the loudest frame trimmed, 128 bands every 12.5 ms, at most
    ``top_db`` below the loudest band of the recording), divided by ``top_db``; its orthonormal
    DCT-II over the bands gives ``n_mfcc`` coefficients, 40 or 13 in the published study, None: the
    bands themselves. The level of a recording is left out. Windows of ``window_s`` start every
    ``hop_s`` on the frames of the trimmed recording; what is shorter, and the tail, is filled up
    with zeros.

    Raises:
        ValueError: fields that cannot be, all of them at once.
    """

    family: Literal["mfcc_cnn"] = "mfcc_cnn"
    architecture: MfccArchitecture = "cnn1d-3"
    n_mfcc: int | None = 40
    window_s: float = 2.0
    hop_s: float = 0.5

    options = (
        *("checkpoint", "n_mfcc", "sample_rate_hz", "trim_db", "n_fft", "win_length"),
        *("window_function", "hop_length", "n_mels", "mel_sample_rate_hz", "top_db"),
        *("window_s", "hop_s"),
    )

    def __post_init__(self) -> None:
        # Two dimensions are pooled over the coefficients too, three times by two.
        fewest = SHORTEST_WINDOW if self.architecture.startswith("cnn2d") else 1.0
        self.check({"window_s": SHORTEST_WINDOW * self.frame_s, "n_mfcc": fewest})
        if (self.n_mfcc or 0) > self.n_mels:
            raise ValueError(f"n_mfcc {self.n_mfcc}: expected n_mels={self.n_mels} or less")

    @property
    def inputs(self) -> int:
        """Coefficients or bands of a frame."""
        return self.n_mels if self.n_mfcc is None else self.n_mfcc

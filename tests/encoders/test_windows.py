"""Long recordings: windows tile the frames, and statistics merge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from encoders.audio.waveform import Audio
from encoders.embedding import embed
from encoders.encoder import load_encoder
from encoders.pooling import Reduction, for_storage
from encoders.specs import SpeechSpec
from encoders.typed_names import parse_modality
from encoders.windows import cut

pytestmark = pytest.mark.arithmetic

FRAME_S = 0.02
RATE = 16000


def silence(seconds: float, rate: int = RATE) -> Audio:
    return Audio(np.zeros(round(seconds * rate), np.float32), rate)


@settings(max_examples=60, deadline=None)
@given(
    seconds=st.floats(0.05, 400),
    window=st.integers(10, 1500),
    share=st.floats(0, 0.9),
    rate=st.sampled_from([8000, 16000, 22050, 44100]),
)
def test_every_frame_belongs_to_one_window(seconds, window, share, rate):
    margin = int(share * (window - 1) / 2)
    audio = silence(seconds, rate)
    windows = cut(audio, window * FRAME_S, 2 * margin * FRAME_S, FRAME_S)
    hop = window - 2 * margin
    own = []
    for number, one in enumerate(windows):
        frames = int(one.content.duration_s / FRAME_S + 1e-6)
        own += [number * hop + k for k in range(frames)[one.start : one.stop]]
    assert own == list(range(len(own))), "none twice, none left out, in order"
    assert abs(len(own) - seconds / FRAME_S) <= 2


@pytest.mark.parametrize("seconds", [0.5, 30.0])
def test_what_fits_is_left_whole(seconds):
    audio = silence(seconds)
    (window,) = cut(audio, 30.0, 4.0, FRAME_S)
    assert window.content is audio
    assert (window.start, window.stop) == (0, None)


@pytest.mark.parametrize(
    ("window_s", "overlap_s"), [(30.0, 30.0), (30.0, 4.01), (30.01, 4.0), (30.0, -1.0)]
)
def test_windows_off_the_grid_of_frames_are_refused(window_s, overlap_s):
    with pytest.raises(
        ValueError, match=r"window_s=.*, overlap_s=.*: expected .* multiples of 0.02"
    ):
        cut(silence(1), window_s, overlap_s, FRAME_S)


# ---------------------------------------------------------------- statistics of stretches


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(1, 49), max_size=5, unique=True), seed=st.integers(0, 99))
@pytest.mark.parametrize("storage", ["pooled", "frames"])
def test_stretches_are_reduced_as_the_whole(cuts, seed, storage):
    hidden = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(seed)) * 3 + 100
    spec = SpeechSpec(storage=storage, layers=(1,), time_pool=4)
    reduction = Reduction(spec)
    for part in hidden.tensor_split(sorted(cuts), dim=1):
        reduction.add(part)
    assert torch.allclose(reduction.stored(), for_storage(hidden, spec), rtol=1e-5, atol=1e-5)
    assert reduction.frame_count == 50


# ---------------------------------------------------------------- through an encoder


@pytest.fixture(scope="module")
def long_audio(make_audio) -> Audio:
    return make_audio(7.0, hertz=150.0)


@pytest.mark.parametrize("name", ["wav2vec2-layer-norm", "hubert", "wavlm", "whisper"])
def test_the_model_never_sees_more_than_a_window(speech_checkpoint, long_audio, name, monkeypatch):
    spec = parse_modality(str(speech_checkpoint(name)), "audio").encoder
    spec = replace(spec, window_s=2.0, overlap_s=0.4)
    encoder = load_encoder(spec)
    seen = []
    encode = encoder.encode

    def watched(inputs):
        seen.extend(audio.duration_s for audio in inputs)
        return encode(inputs)

    monkeypatch.setattr(encoder, "encode", watched)
    embed(encoder, [long_audio, long_audio], [spec])
    assert max(seen) == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["wav2vec2-layer-norm", "hubert", "wavlm", "data2vec"])
def test_windows_have_as_many_frames_as_the_whole(speech_checkpoint, long_audio, name):
    whole = SpeechSpec(checkpoint=str(speech_checkpoint(name)), storage="frames", layers=(-1,))
    cut_up = replace(whole, window_s=2.0, overlap_s=0.4)
    encoder = load_encoder(whole)
    counts = [embed(encoder, [long_audio], [s])[0][s].frame_count for s in (whole, cut_up)]
    assert counts[0] == counts[1]


def test_a_frame_far_from_every_seam_is_nearly_the_wholes(speech_checkpoint, long_audio):
    """Layer norm sees one frame, so that only attention's reach differs."""
    folder = speech_checkpoint("wav2vec2-layer-norm")
    whole = SpeechSpec(checkpoint=str(folder), storage="frames", layers=(0,))
    cut_up = replace(whole, window_s=4.0, overlap_s=2.4)
    encoder = load_encoder(whole)
    one, other = (embed(encoder, [long_audio], [s])[0][s].values for s in (whole, cut_up))
    # Normalising each window alone shifts level a little; the positional convolution reaches 1.3 s.
    similar = torch.cosine_similarity(torch.tensor(one[0]), torch.tensor(other[0]), dim=1)
    assert similar.min() > 0.99


def test_long_and_short_neighbours_change_nothing(speech_checkpoint, long_audio, make_audio):
    spec = SpeechSpec(checkpoint=str(speech_checkpoint("hubert")), window_s=2.0, overlap_s=0.4)
    encoder = load_encoder(spec)
    inputs = [make_audio(0.4, seed=1), long_audio, make_audio(1.9, seed=2)]
    together = embed(encoder, inputs, [spec])
    for one, found in zip(inputs, together, strict=True):
        alone = embed(encoder, [one], [spec])[0][spec].values
        assert np.allclose(found[spec].values, alone, rtol=1e-5, atol=1e-6)

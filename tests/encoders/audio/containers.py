"""Recordings that PyAV writes, by their suffix."""

from __future__ import annotations

from pathlib import Path

import numpy as np

#: Container, codec and suffix of what PyAV writes.
AV_CONTAINERS = {"m4a": "aac", "mp4": "aac", "webm": "libopus", "mka": "flac"}


def write_av(path: Path, channels: list[np.ndarray], rate: int = 48000) -> Path:
    import av

    layout = "mono" if len(channels) == 1 else "stereo"
    with av.open(str(path), "w", format="matroska" if path.suffix == ".mka" else None) as container:
        stream = container.add_stream(AV_CONTAINERS[path.suffix[1:]], rate=rate, layout=layout)
        kind = stream.format.name
        samples = np.stack(channels).astype(np.float32)
        if kind.startswith("s16"):
            samples = (samples * 32767).astype(np.int16)
        for start in range(0, samples.shape[1], 960):
            block = samples[:, start : start + 960]
            if not kind.endswith("p"):
                block = block.T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), kind, layout)
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path

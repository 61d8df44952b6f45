"""Pictures as FFmpeg's frames."""

from __future__ import annotations

import av

from mien.contract.pictures import Pixels


def video_frame(data: Pixels) -> av.VideoFrame:
    """A yuv420p frame of I420 samples, uint8 (H * 3 // 2, W); not copied where that can be.

    PyAV takes heights for multiples of four where it does not copy (`height // 6 * 4`), which
    would put the colours of other heights in wrong rows.
    """
    if data.shape[0] % 6:
        return av.VideoFrame.from_ndarray(data, "yuv420p")
    return av.VideoFrame.from_numpy_buffer(data, "yuv420p")

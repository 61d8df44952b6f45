"""Samples on their way to FFmpeg."""

import numpy as np
import pytest

from workers.video_frames import video_frame


@pytest.mark.parametrize("height", [2, 4, 6, 240, 270, 360, 406, 538])
@pytest.mark.parametrize("width", [2, 34, 480])
def test_a_frame_has_the_samples_of_its_picture_whatever_its_height(
    width: int, height: int
) -> None:
    data = np.random.default_rng(0).integers(0, 256, (height * 3 // 2, width), np.uint8)
    frame = video_frame(data)
    assert (frame.width, frame.height) == (width, height)
    assert np.array_equal(frame.to_ndarray(), data)

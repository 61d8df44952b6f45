"""The real clips and photos: every frame, at the size shown."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from producer.audio import AudioFeed
from producer.source import open_source

CLIPS = {
    "talking_head_720p.mp4": (271, 1280, 720),
    "talking_head_540p_vfr_gaps.mp4": (160, 960, 540),
    "expressions_woman_360p.mp4": (472, 640, 360),
    "classroom_four_people_270p.gif": (45, 480, 270),
    "two_people_walking_270p.gif": (35, 480, 270),
    "portrait_rot90_h264.mp4": (375, 404, 720),
    "selfie_rot90_hevc_two_streams.mp4": (53, 1080, 1440),
    "speaker_mpeg1.mpg": (75, 360, 288),
    "film_bw_two_men_360p.mp4": (241, 640, 360),
}
"""Frames, width and height that a player shows; the longer clips are like these."""

TURNED = {"portrait_rot90_h264.mp4": 90, "selfie_rot90_hevc_two_streams.mp4": 270}

PHOTOS = {
    "astronaut_512.png": (512, 512, 0),
    "exif6_woman_glasses.jpg": (1000, 664, 90),
    "lincoln_gray.jpg": (800, 1057, 0),
    "single_old_man_small.jpg": (197, 276, 0),
}


@pytest.mark.parametrize("name", CLIPS)
def test_a_real_clip_gives_all_that_a_player_shows(media: Path, name: str) -> None:
    source = open_source(str(media / "video" / name))
    times = []
    for frame in source.frames():
        times.append(frame.pts_ns)
        assert (frame.picture.width, frame.picture.height) == CLIPS[name][1:]
    source.close()
    assert len(times) == CLIPS[name][0]
    assert (source.reason, source.corrupt) == ("end of file", 0)
    assert all(later > sooner for sooner, later in pairwise(times))
    assert source.info.rotation == TURNED.get(name, 0)
    assert source.info.first_pts_ns == 0
    assert source.info.duration_ns is not None
    assert abs(source.end_ns - source.info.duration_ns) < 100_000_000


def test_the_gaps_of_a_real_clip_are_kept(media: Path) -> None:
    source = open_source(str(media / "video" / "talking_head_540p_vfr_gaps.mp4"))
    times = [frame.pts_ns for frame in source.frames()]
    source.close()
    steps = [later - sooner for sooner, later in pairwise(times)]
    assert (min(steps) // 10**6, max(steps) // 10**6) == (33, 633)
    assert max(steps) == round(Fraction(19 * 1001, 30000) * 10**9)


def test_a_real_clip_s_sound_is_as_long_as_its_picture(media: Path) -> None:
    path = str(media / "video" / "talking_head_720p.mp4")
    feed, source = AudioFeed(path), open_source(path)
    *_, (_, last) = feed.take(None)
    assert last.dts is not None
    end_ns = sum(1 for _ in source.frames()) and source.end_ns
    assert abs(round(last.dts * last.time_base * 10**9) - end_ns) < 100_000_000
    feed.close()
    source.close()


@pytest.mark.parametrize("name", PHOTOS)
def test_a_real_photo_stands_upright(media: Path, name: str) -> None:
    source = open_source(str(media / "photos" / name))
    (frame,) = source.frames()
    source.close()
    info = source.info
    assert (info.width, info.height, info.rotation) == PHOTOS[name]
    assert frame.picture.data.shape == (info.height, info.width, 3)
    colourless = name == "lincoln_gray.jpg"
    spread = np.ptp(frame.picture.data.astype(np.int16), axis=2).mean()
    assert (spread < 8) == colourless

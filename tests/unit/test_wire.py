"""What goes out as bytes comes back as it was; what is damaged is refused in one clear way."""

from contextlib import suppress
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.contract.analyses import AnalysisImage, AnalysisRecord, AnalysisSettings, FrameAnalysis
from mien.contract.pictures import Colour, Picture, even
from mien.transport.wire import (
    WireError,
    decode_image,
    decode_record,
    encode_image,
    encode_record,
    settings_from_json,
)
from tests.analyses import SETTINGS, image, record

indexes = st.integers(0, 2**40)
codes = st.integers(0, 255)
colours = st.builds(Colour, codes, codes, codes, st.booleans())
single = st.floats(width=32, allow_nan=False)


@st.composite
def images(draw: st.DrawFn) -> AnalysisImage:
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    rgb = (height, width, 3)
    shape = draw(st.sampled_from([rgb, (even(height) * 3 // 2, even(width))]))
    data = draw(arrays(np.uint8, shape))
    return AnalysisImage("s", draw(indexes), Picture(data, width, height, draw(colours)), SETTINGS)


@st.composite
def records(draw: st.DrawFn) -> AnalysisRecord:
    faces, index = draw(st.integers(0, 5)), draw(indexes)
    if draw(st.booleans()):
        return AnalysisRecord(index, None, draw(st.none() | st.text(min_size=1)))
    has = draw(st.booleans())
    analysis = FrameAnalysis(
        draw(arrays(np.float32, (faces, 4), elements=single)),
        draw(arrays(np.float32, (faces,), elements=single)) if has else None,
        draw(arrays(np.float32, (faces, 7), elements=single)),
        SETTINGS.sha256,
    )
    return AnalysisRecord(index, analysis)


def same(one: AnalysisRecord, other: AnalysisRecord) -> bool:
    if one.analysis is None or other.analysis is None:
        return one == other
    fields = [
        (asdict(one.analysis)[name], asdict(other.analysis)[name]) for name in asdict(one.analysis)
    ]
    return one.index == other.index and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray)
        else a == b
        for a, b in fields
    )


@given(images())
def test_an_image_comes_back_as_it_was(sent: AnalysisImage) -> None:
    got = decode_image(encode_image(sent), "s", SETTINGS)
    assert (got.stream, got.index, got.settings) == (sent.stream, sent.index, sent.settings)
    assert got.picture.colour == sent.picture.colour
    assert (got.picture.width, got.picture.height) == (sent.picture.width, sent.picture.height)
    assert got.picture.layout == sent.picture.layout
    assert got.picture.data.dtype == np.uint8
    assert np.array_equal(got.picture.data, sent.picture.data)


@given(records())
def test_a_record_comes_back_to_the_last_bit(sent: AnalysisRecord) -> None:
    assert same(decode_record(encode_record(sent)), sent)


@given(images(), st.data())
def test_an_image_that_was_cut_short_is_refused(sent: AnalysisImage, data: st.DataObject) -> None:
    message = encode_image(sent)
    cut = data.draw(st.integers(0, len(message) - 1))
    with pytest.raises(WireError, match="arrived damaged"):
        decode_image(message[:cut], "s", SETTINGS)


@given(st.binary())
def test_bytes_that_are_no_message_are_refused(message: bytes) -> None:
    with pytest.raises(WireError):
        decode_image(message, "s", SETTINGS)
    with pytest.raises(WireError):
        decode_record(message)
    with pytest.raises(WireError):
        settings_from_json(message)


@given(st.integers(0, 60), st.integers(0, 255))
def test_a_damaged_header_never_gives_another_error(place: int, value: int) -> None:
    for message, decode in (
        (encode_image(image("s", 3)), lambda m: decode_image(m, "s", SETTINGS)),
        (encode_image(image("s", 3), "jpeg"), lambda m: decode_image(m, "s", SETTINGS)),
        (encode_record(record(3, faces=2)), decode_record),
    ):
        damaged = bytearray(message)
        damaged[place % len(message)] = value
        with suppress(WireError):
            decode(bytes(damaged))


def test_a_record_with_too_few_faces_is_refused() -> None:
    with pytest.raises(WireError, match="bytes for 2 faces"):
        decode_record(encode_record(record(3, faces=2))[:-4])


def test_another_version_is_named() -> None:
    message = bytearray(encode_record(record(3)))
    message[2] = 9
    with pytest.raises(WireError, match="of version 9, and this mien knows 1"):
        decode_record(bytes(message))


def test_settings_come_back_and_equal_ones_are_one_line() -> None:
    line = SETTINGS.to_json()
    assert settings_from_json(line) == SETTINGS
    assert settings_from_json(line.encode()) == SETTINGS
    assert AnalysisSettings(**asdict(SETTINGS)).to_json() == line
    with pytest.raises(WireError):
        settings_from_json('{"detector": "mtcnn", "sharpness": 3}')


def smooth(height: int, width: int, layout: str) -> Picture:
    rows, columns = np.mgrid[0:height, 0:width]
    luma = (110 + 80 * np.sin(columns / 31) * np.cos(rows / 23)).astype(np.uint8)
    if layout == "rgb":
        data = np.stack([luma, 255 - luma, luma // 2], axis=2)
    else:
        chroma = np.concatenate([luma[: height // 2], 255 - luma[: height // 2]])
        data = np.concatenate([luma, chroma[::2].reshape(-1, width)])
    return Picture(np.ascontiguousarray(data), width, height, Colour(1, 1, 1))


@pytest.mark.parametrize("layout", ["i420", "rgb"])
def test_jpeg_is_close_and_a_fraction_of_the_size(layout: str) -> None:
    picture = smooth(240, 320, layout)
    message = encode_image(AnalysisImage("s", 1, picture, SETTINGS), "jpeg")
    got = decode_image(message, "s", SETTINGS).picture
    assert got.data.shape == picture.data.shape
    assert got.data.flags.c_contiguous
    error = np.mean((got.data.astype(float) - picture.data) ** 2)
    assert 10 * np.log10(255**2 / error) > 42
    assert len(message) < picture.nbytes / 3

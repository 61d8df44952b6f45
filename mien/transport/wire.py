"""What crosses the transport as bytes: analysis images, analyses and settings.

    image   "MI" version, length of a JSON header, header, pixels
    record  "MA" version, flags, index, faces, hash of the settings, then little-endian floats; or
            the reason why there is no analysis

Images go out raw, which loses nothing; JPEG is for thin networks. Floats travel as they are, so
that every transport shows the same numbers. Stream and settings do not travel with every image:
the transport knows them.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Literal

import numpy as np

from mien.contract.analyses import (
    AnalysisImage,
    AnalysisRecord,
    AnalysisSettings,
    Floats,
    FrameAnalysis,
)
from mien.contract.errors import JobError
from mien.contract.pictures import Colour, Picture, Pixels, even

VERSION = 1
JPEG_QUALITY = 95

Encoding = Literal["raw", "jpeg"]

_IMAGE = struct.Struct("<2sBH")
_RECORD = struct.Struct("<2sBBQH32s")
_HAS_ANALYSIS, _HAS_CONFIDENCES = 1, 2


class WireError(JobError):
    """A message is damaged, or from another version of mien: the server is up, the job is not."""


def encode_image(image: AnalysisImage, encoding: Encoding = "raw") -> bytes:
    """An image without its stream and settings, which the receiver is told otherwise."""
    picture, colour = image.picture, image.picture.colour
    header = {
        "index": image.index,
        "width": picture.width,
        "height": picture.height,
        "layout": picture.layout,
        "colour": [colour.primaries, colour.transfer, colour.matrix, colour.full_range],
        "encoding": encoding,
    }
    about = json.dumps(header, separators=(",", ":")).encode()
    pixels = picture.data.tobytes() if encoding == "raw" else _to_jpeg(picture.data)
    return b"".join((_IMAGE.pack(b"MI", VERSION, len(about)), about, pixels))


def decode_image(message: bytes, stream: str, settings: AnalysisSettings) -> AnalysisImage:
    """The image in a message; its pixels cannot be written to.

    Raises:
        WireError: the message is damaged.
    """
    length = _check(message, _IMAGE, b"MI", "an analysis image")[2]
    try:
        header = json.loads(message[_IMAGE.size : _IMAGE.size + length])
        width, height = int(header["width"]), int(header["height"])
        layout = header["layout"]
        primaries, transfer, matrix, full_range = header["colour"]
        colour = Colour(int(primaries), int(transfer), int(matrix), bool(full_range))
        shape = _shape(width, height, layout)
        pixels = memoryview(message)[_IMAGE.size + length :]
        data = _pixels(pixels, header["encoding"], shape)
        index = int(header["index"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise WireError(f"an analysis image arrived damaged: {error}") from error
    return AnalysisImage(stream, index, Picture(data, width, height, colour), settings)


def encode_record(record: AnalysisRecord) -> bytes:
    """A record; what it holds is what comes out again, to the last bit."""
    analysis = record.analysis
    if analysis is None:
        head = _RECORD.pack(b"MA", VERSION, 0, record.index, 0, b"")
        return head + (record.reason or "").encode()
    flags, parts = _HAS_ANALYSIS, [analysis.boxes, analysis.probabilities]
    if analysis.confidences is not None:
        flags |= _HAS_CONFIDENCES
        parts.append(analysis.confidences)
    settings = bytes.fromhex(analysis.settings_sha256)
    head = _RECORD.pack(b"MA", VERSION, flags, record.index, len(analysis), settings)
    return b"".join((head, *(part.astype("<f4").tobytes() for part in parts)))


def decode_record(message: bytes) -> AnalysisRecord:
    """The record in a message.

    Raises:
        WireError: the message is damaged.
    """
    _, _, flags, index, faces, settings = _check(message, _RECORD, b"MA", "an analysis")
    body = message[_RECORD.size :]
    if not flags & _HAS_ANALYSIS:
        try:
            return AnalysisRecord(index, None, body.decode() or None)
        except UnicodeDecodeError as error:
            raise WireError(f"an analysis arrived damaged: {error}") from error
    columns = 11 + bool(flags & _HAS_CONFIDENCES)
    if len(body) != 4 * columns * faces:
        raise WireError(f"an analysis arrived damaged: {len(body)} bytes for {faces} faces")
    values: Floats = np.frombuffer(body, "<f4").astype(np.float32)
    confidences = values[11 * faces :] if flags & _HAS_CONFIDENCES else None
    analysis = FrameAnalysis(
        boxes=values[: 4 * faces].reshape(faces, 4),
        confidences=confidences,
        probabilities=values[4 * faces : 11 * faces].reshape(faces, 7),
        settings_sha256=settings.hex(),
    )
    return AnalysisRecord(index, analysis)


def settings_from_json(line: str | bytes) -> AnalysisSettings:
    """The settings in a line of `AnalysisSettings.to_json`.

    Raises:
        WireError: they are damaged, or from another version of mien.
    """
    try:
        return AnalysisSettings(**json.loads(line))
    except (TypeError, ValueError) as error:
        raise WireError(f"analysis settings arrived damaged: {error}") from error


def _check(message: bytes, head: struct.Struct, magic: bytes, what: str) -> tuple[Any, ...]:
    if len(message) < head.size or message[:2] != magic:
        raise WireError(f"{what} arrived damaged: it does not begin as one")
    fields = head.unpack_from(message)
    if fields[1] != VERSION:
        raise WireError(f"{what} is of version {fields[1]}, and this mien knows {VERSION}")
    return fields


def _shape(width: int, height: int, layout: object) -> tuple[int, ...]:
    if width < 1 or height < 1:
        raise ValueError(f"no picture has {width}x{height} pixels")
    if layout == "rgb":
        return height, width, 3
    if layout == "i420":
        return even(height) * 3 // 2, even(width)
    raise ValueError(f"no layout is called {layout!r}")


def _pixels(message: memoryview, encoding: object, shape: tuple[int, ...]) -> Pixels:
    if encoding == "raw":
        return np.frombuffer(message, np.uint8).reshape(shape)
    if encoding == "jpeg":
        return _from_jpeg(message, shape)
    raise ValueError(f"no encoding is called {encoding!r}")


def _to_jpeg(data: Pixels) -> bytes:
    """The planes of 4:2:0 as one grey picture, so that no colour is converted; RGB as 4:4:4."""
    import cv2

    options = [
        cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]  # fmt: skip
    done, coded = cv2.imencode(".jpg", data[..., ::-1] if data.ndim == 3 else data, options)
    if not done:
        raise WireError(f"an image of {data.shape} cannot be made a JPEG")
    return bytes(coded)


def _from_jpeg(message: memoryview, shape: tuple[int, ...]) -> Pixels:
    import cv2

    flags = cv2.IMREAD_COLOR if len(shape) == 3 else cv2.IMREAD_GRAYSCALE
    try:
        coded = np.frombuffer(message, np.uint8)
        data = cv2.imdecode(coded, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ValueError("its JPEG cannot be read") from error
    if data is None or data.shape != shape:
        raise ValueError("its JPEG cannot be read")
    pixels = data[..., ::-1] if data.ndim == 3 else data
    return np.ascontiguousarray(pixels, np.uint8)

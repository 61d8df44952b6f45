"""Chooses and opens the sink for an output, and refuses early what cannot be written."""

from __future__ import annotations

from collections.abc import Sequence

from mien.contract.atomic import check_target
from mien.contract.errors import UsageError
from mien.contract.frames import SourceInfo, SourceKind
from mien.contract.outputs import OutputSettings
from workers.audio_mux import AudioPackets
from workers.containers import check_fps, container_of
from workers.live_sink import LiveSink, check_live
from workers.photo_sink import PHOTO_FORMATS, PhotoSink, check_photo
from workers.sink import Sink
from workers.video_encoder import find_encoder
from workers.video_options import encoder_options
from workers.video_sink import VideoSink

READABLE_PHOTOS = "JPEG, PNG, WebP, BMP, GIF and TIFF"
"""What `producer.photo` takes for photos; all else is read as a video."""


def check_outputs(outputs: Sequence[OutputSettings], kind: SourceKind) -> None:
    """Refuse what cannot be written, before anything is decoded. Touches no file.

    Raises:
        UsageError: An extension is unknown or does not fit the source, a folder is missing, an
            output is there already, encoder, preset, quality or rate do not fit, or there are
            more outputs than such a source may have.
    """
    if kind != "live" and len(outputs) > 1:
        raise UsageError(f"a {kind} gives one output; only a camera gives several")
    if len({(settings.fps, settings.blur) for settings in outputs}) > 1:
        raise UsageError("all outputs show the same pictures, at the same rate")
    for settings in outputs:
        _check(settings, kind)
        if settings.is_file:
            check_target(settings.path, settings.overwrite)


def open_sink(
    outputs: Sequence[OutputSettings], info: SourceInfo, audio: AudioPackets | None
) -> Sink:
    """Begin the outputs that are asked for.

    Args:
        outputs: One or, for a camera, more. For a container with one rate only, `fps` has to be
            set (see `constant_fps`).
        info: What the pictures will be like.
        audio: The source's sound, which the sink closes; None where there is none.

    Raises:
        UsageError: As `check_outputs`, or an encoder does not open, or a photo is too large for
            its format.
        OutputError: A file cannot be begun.
    """
    check_outputs(outputs, info.kind)
    if info.kind == "live":
        return LiveSink(outputs, info)
    (settings,) = outputs
    return PhotoSink(settings, info) if info.kind == "photo" else VideoSink(settings, info, audio)


def _check(settings: OutputSettings, kind: SourceKind) -> None:
    if kind == "live":
        check_live(settings)
    elif settings.kind != "file":
        raise UsageError(f"a {kind} gives a file; only a camera is published as {settings.name}")
    elif settings.segment_s is not None:
        raise UsageError(f"a {kind} gives one file; only a camera is recorded in segments")
    elif kind == "photo":
        check_photo(settings.path)
    else:
        _check_video(settings)


def _check_video(settings: OutputSettings) -> None:
    if settings.path.suffix.lower() in PHOTO_FORMATS:
        raise UsageError(
            f"a video gives a video; {settings.path.name} would be a photo, which only a photo "
            f"gives ({READABLE_PHOTOS})"
        )
    container = container_of(settings.path)
    asked = settings.encoder or container.encoder
    encoder = find_encoder(asked, container, f"{settings.path.suffix} files")
    encoder_options(encoder.name, settings.preset, settings.crf)
    check_fps(settings.path, settings.fps)

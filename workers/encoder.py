"""The door to the outputs: which sink a path asks for, and whether it can be had."""

from __future__ import annotations

from mien.contract.atomic import check_target
from mien.contract.errors import UsageError
from mien.contract.frames import SourceInfo, SourceKind
from mien.contract.outputs import OutputSettings
from workers.audio_mux import AudioPackets
from workers.containers import check_fps, container_of
from workers.photo_sink import PHOTO_FORMATS, PhotoSink, check_photo
from workers.sink import Sink
from workers.video_encoder import find_encoder
from workers.video_options import encoder_options
from workers.video_sink import VideoSink


def check_output(settings: OutputSettings, kind: SourceKind) -> None:
    """Refuse what cannot be written, before anything is decoded. Touches no file.

    Raises:
        UsageError: The extension is unknown or does not fit the source, the folder is missing,
            the output is there already, or encoder, preset, quality or rate do not fit.
    """
    if kind == "photo":
        check_photo(settings.path)
    else:
        _check_video(settings)
    check_target(settings.path, settings.overwrite)


def open_sink(settings: OutputSettings, info: SourceInfo, audio: AudioPackets | None) -> Sink:
    """Begin the output that `settings` ask for.

    Args:
        settings: For a container with one rate only, `fps` has to be set (see `constant_fps`).
        info: What the pictures will be like.
        audio: The source's sound, which the sink closes; None where there is none.

    Raises:
        UsageError: As `check_output`, or the encoder does not open.
        OutputError: The file cannot be begun.
    """
    check_output(settings, info.kind)
    if info.kind == "photo":
        return PhotoSink(settings)
    return VideoSink(settings, info, audio)


def _check_video(settings: OutputSettings) -> None:
    if settings.path.suffix.lower() in PHOTO_FORMATS:
        raise UsageError(f"a video gives a video; {settings.path.name} would be a photo")
    container = container_of(settings.path)
    asked = settings.encoder or container.encoder
    encoder = find_encoder(asked, container, settings.path.suffix)
    encoder_options(encoder.name, settings.preset, settings.crf)
    check_fps(settings.path, settings.fps)

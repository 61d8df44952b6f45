"""Opens an address with FFmpeg, for video and for audio alike."""

from __future__ import annotations

import io

import av
from av.container import InputContainer
from av.format import formats_available

from mien.contract.errors import SourceError
from producer.addresses import Address
from producer.explanations import NOT_MEDIA, explain
from producer.localfile import check_file
from producer.playlist import TEXT_ART, finished_text, readable_formats

Timeouts = tuple[float, float]
"""Seconds that opening may take, and seconds that one read may take."""

USUAL_TIMEOUTS_S: Timeouts = (10.0, 30.0)

GENERATE_PTS = 1
"""FFmpeg's AVFMT_FLAG_GENPTS, which PyAV always sets."""


class RefusedError(SourceError):
    """The server answered, and said no: to try again soon is of no use."""


class AbsentError(RefusedError):
    """The server does not know the thing: nobody has sent it any, or not yet."""


REFUSALS = (
    av.error.HTTPUnauthorizedError,
    av.error.HTTPForbiddenError,
    av.error.HTTPNotFoundError,
)


class TextFile(io.BytesIO):
    """A file's content under its name, by which FFmpeg finds what stands beside it."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


# PyAV keeps FFmpeg's own log silent by default; nothing here may change that.


def open_container(address: Address, timeout_s: Timeouts) -> InputContainer:
    """Open an address; the container must not be closed while another thread reads it.

    Raises:
        SourceError: it cannot be opened, or is a playlist that leads elsewhere; the text and the
            chain of causes hold no password.
        RefusedError: the server does not let us in, or has nothing of that name.
    """
    options = address.options
    if address.kind == "file":
        check_file(address.path, address.name)
        allowed = readable_formats(address.path, address.name)
        options = options | {"format_whitelist": allowed}
    elif address.kind == "web":
        # what playlists may lead to is for the protocols' list to say
        allowed = ",".join(sorted(formats_available - TEXT_ART))
        options = options | {"format_whitelist": allowed}
    try:
        content = finished_text(address.path) if address.kind == "file" else None
        container = av.open(
            address.url if content is None else TextFile(content, address.url),
            mode="r",
            format=address.format,
            container_options=options,
            metadata_errors="replace",
            timeout=None if address.kind == "file" else timeout_s,
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason, kind = explain(error), SourceError
        if isinstance(error, REFUSALS):
            absent = isinstance(error, av.error.HTTPNotFoundError)
            kind = AbsentError if absent else RefusedError
    else:
        if container.format.name == "avi":
            # AVI knows no presentation time; what FFmpeg makes up is wrong for B-frames.
            container.flags &= ~GENERATE_PTS
        return container
    if address.kind == "camera" and reason == NOT_MEDIA:
        reason = "it did not answer in time, or with no video"
    # Raised out here so that the original, whose text holds the URL, is not its context.
    raise kind(f"cannot read {address.name}: {reason}")

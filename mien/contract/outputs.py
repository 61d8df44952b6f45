"""What a stream's output is asked to be, and what is drawn on it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from mien.contract.errors import UsageError
from mien.contract.expressions import EXPRESSIONS
from mien.contract.urls import without_password, without_stream_key

OutputKind = Literal["file", "playlist", "rtsp", "rtmp"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PUBLISHING: dict[str, OutputKind] = {
    "rtsp": "rtsp",
    "rtsps": "rtsp",
    "rtmp": "rtmp",
    "rtmps": "rtmp",
}
"""What may be published to, by the scheme of the URL."""


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """One place that the annotated pictures go to, and how they are encoded for it."""

    target: Path | str = field(repr=False)
    """A file or a playlist as a path; where to publish to as a URL, which may hold a password."""
    fps: Fraction | None
    """Constant rate of the output; None keeps every frame at its own time."""
    encoder: str | None = None
    """FFmpeg's name of the video encoder; None takes the container's usual one."""
    preset: str = "veryfast"
    crf: int = 20
    blur: bool = False
    """Hide the faces instead of labelling them."""
    overwrite: bool = False
    segment_s: float | None = None
    """A camera's recording is split into files of this length; None keeps it in one."""

    @property
    def kind(self) -> OutputKind:
        if isinstance(self.target, str):
            return _PUBLISHING[self.target.partition("://")[0].lower()]
        return "playlist" if self.target.suffix.lower() == ".m3u8" else "file"

    @property
    def path(self) -> Path:
        """The file or playlist; must not be asked of an output that is published."""
        if isinstance(self.target, str):
            raise TypeError(f"{self.name} is no file")
        return self.target

    @property
    def is_file(self) -> bool:
        """Whether it has a path: it is a file or a playlist."""
        return isinstance(self.target, Path)

    @property
    def name(self) -> str:
        """The target without a password: the only name that may be shown."""
        return (
            str(self.target) if isinstance(self.target, Path) else without_stream_key(self.target)
        )


def parse_target(text: str) -> Path | str:
    """What the name of an output means: a path, or a URL to publish to as text.

    Raises:
        UsageError: it is empty, or a URL of another kind or of no server.
    """
    if not text:
        raise UsageError("an output needs a name")
    match = _SCHEME.match(text)
    if match is None:
        return Path(text)
    if match[1].lower() not in _PUBLISHING:
        known = ", ".join(_PUBLISHING)
        raise UsageError(
            f"cannot write to {without_password(text)}: its protocol is not one of those that "
            f"take pictures ({known})"
        )
    if not _has_host(text):
        raise UsageError(f"{without_password(text)} names no server to publish to")
    return text


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright picture."""


@dataclass(frozen=True, slots=True)
class DrawnFace:
    """A face as the viewer sees it on one frame."""

    track: int
    """Id of the face's track, from 1."""
    box: Box
    """Clipped to the picture."""
    expression: int
    """Index into EXPRESSIONS of the label shown."""
    probability: float
    """Of the label shown, in [0, 1]."""
    uncertain: bool = False
    """The probability is below `AnalysisRequest.abstain`."""

    @property
    def label(self) -> str:
        return EXPRESSIONS[self.expression]

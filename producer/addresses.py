"""What the name of an input means: a file, a camera or a server, and how each may be opened.

FFmpeg knows more protocols than anybody wants: a name must never reach it as anything but what it
is here, and a password must never leave this module's `Address.url`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from mien.contract.errors import SourceError
from mien.contract.urls import without_password

AddressKind = Literal["file", "web", "camera"]

PROTOCOLS = {
    "http": "http,https,httpproxy,tcp,tls,crypto",
    "https": "http,https,httpproxy,tcp,tls,crypto",
    "rtsp": "rtsp,rtsps,rtp,srtp,tcp,udp,tls",
    "rtsps": "rtsp,rtsps,rtp,srtp,tcp,udp,tls",
}
"""What FFmpeg may speak, by the scheme of the URL: a playlist from the net names no local file."""

CAMERA_OPTIONS = {
    "rtsp_transport": "tcp",
    "allowed_media_types": "video",
    "analyzeduration": "100000",  # microseconds; with FFmpeg's own limit, opening takes a second
}

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
WEBCAM = re.compile(r"/dev/video\d+")


@dataclass(frozen=True, slots=True)
class Address:
    """Where an input is."""

    name: str
    """As given, without a password: the only name that may be shown."""
    url: str = field(repr=False)
    """What FFmpeg opens; may hold a password."""
    kind: AddressKind
    options: dict[str, str]
    """Options of FFmpeg's demuxer."""
    format: str | None = None
    """FFmpeg's name of the demuxer, where it must not be guessed."""

    @property
    def path(self) -> Path:
        """The file itself, where it is one."""
        return Path(self.url.removeprefix("file:"))


def local_path(name: str) -> Path | None:
    """The local file that a name means, absolute, whether there is one or not.

    None for a URL, a webcam and a name that means nothing. It raises nothing.
    """
    try:
        address = parse(name)
    except (SourceError, OSError):  # the second where the current folder is gone
        return None
    return address.path if address.kind == "file" else None


def kind_of_name(name: str) -> AddressKind:
    """What a name means, without looking at it; a name that means nothing counts as a file's."""
    try:
        return parse(name).kind
    except (SourceError, OSError):
        return "file"


def parse(name: str) -> Address:
    """Say what an input's name means.

    Raises:
        SourceError: the name is empty or its protocol is not allowed.
    """
    match = SCHEME.match(name)
    if match is None:
        return _local(name, name)
    scheme = match[1].lower()
    if scheme == "file":
        return _local(name, _path_in(name))
    shown = without_password(name)
    if scheme not in PROTOCOLS:
        allowed = ", ".join(sorted({*PROTOCOLS, "file"}))
        raise SourceError(
            f"cannot read {shown}: its protocol is not one of those allowed ({allowed})"
        )
    url = scheme + name[match.end(1) :]  # FFmpeg knows its protocols in small letters alone
    options = {"protocol_whitelist": PROTOCOLS[scheme]}
    if scheme in ("http", "https"):
        return Address(shown, url, "web", options)
    return Address(shown, url, "camera", options | CAMERA_OPTIONS)


def _path_in(url: str) -> str:
    """The path of a `file://` URL; empty where it is not valid."""
    try:
        return unquote(urlsplit(url).path, errors="surrogateescape")
    except ValueError:
        return ""


def _local(name: str, path: str) -> Address:
    """The address of a file or of a webcam."""
    if not path or "\0" in path:
        raise SourceError(f"cannot read {name!r}: this is no name of a file")
    if WEBCAM.fullmatch(path):
        return Address(name, path, "camera", {}, format="v4l2")
    # With `file:` and an absolute path no colon or dash in a name can mean anything else.
    options = {"protocol_whitelist": "file", "pattern_type": "none"}
    return Address(name, f"file:{Path(path).absolute()}", "file", options)

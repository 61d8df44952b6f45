"""URLs as people may read them: without passwords, tokens and keys."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

_BEGUN = "pass|pwd|psw|token|jwt|key|secret|auth|sig|sess|ticket|hash|hmac|md5|hdn"
"""Parts of names, and whatever follows them; the last is Akamai's: `hdnts`, `hdnea`, `hdntl`."""
_ENDED = "pas|pw|sid|(?<![a-z0-9])p"
"""Ends of names."""
_NAME = rf"(?i)((?:(?:{_BEGUN})[^=&;/]*?|{_ENDED})(?:=|%3D))"
SECRET = re.compile(_NAME + "[^&]*")
SECRET_IN_PATH = re.compile(_NAME + "[^/]*")
"""Nobody knows where such a secret ends: recorders part their fields by `_`, which it may hold."""


def without_password(url: str) -> str:
    """The URL without password and without secrets anywhere in it; for people to read."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.split('://')[0]}://(an address that is not valid)"
    user, at, host = parts.netloc.rpartition("@")
    path, query, fragment = parts.path, parts.query, parts.fragment
    if not at and "@" in url and not _port_is_number(host):
        # A password with an unquoted slash or the like: hide all of it.
        host, path, query, fragment = url.rpartition("@")[2], "", "", ""
    if at:
        host = f"{user.partition(':')[0]}@{host}" if user.partition(":")[0] else host
    path = SECRET_IN_PATH.sub(r"\1***", path)
    query, fragment = (SECRET.sub(r"\1***", part) for part in (query, fragment))
    return urlunsplit((parts.scheme, host, path, query, fragment))


def without_stream_key(url: str) -> str:
    """As `without_password`; the last part of an RTMP path, behind an application, is hidden too.

    The large platforms give their users a secret to publish to, and it stands there.
    """
    shown = without_password(url)
    parts = urlsplit(shown)
    application, slash, key = parts.path.strip("/").rpartition("/")
    if not parts.scheme.startswith("rtmp") or not slash or not key:
        return shown
    return urlunsplit((parts.scheme, parts.netloc, f"/{application}/***", parts.query, ""))


def _port_is_number(host: str) -> bool:
    """Whether what stands behind the last colon of a host can be a port."""
    port = re.sub(r"^\[.*\]", "", host).partition(":")[2]
    return not port or port.isdigit()

"""Says in our own words what went wrong in FFmpeg or in the system.

The text of PyAV's errors holds the whole URL with its password, so it is never passed on.
"""

from __future__ import annotations

import errno
import os

import av

NOT_MEDIA = "this is no video or picture that can be read"

HTTP_ANSWERS: tuple[tuple[type[Exception], str], ...] = (
    (av.error.HTTPUnauthorizedError, "the server wants a user name and password (401)"),
    (av.error.HTTPForbiddenError, "the server forbids it (403)"),
    (av.error.HTTPNotFoundError, "not found (404)"),
    (av.error.HTTPTooManyRequestsError, "the server is asked too often (429)"),
    (av.error.HTTPClientError, "the server refuses the request (4xx)"),
    (av.error.HTTPServerError, "server error (5xx)"),
)

REASONS: tuple[tuple[type[Exception], str], ...] = (
    *HTTP_ANSWERS,
    (av.error.ExitError, "it did not answer in time"),
    (TimeoutError, "it did not answer in time"),
    (ConnectionRefusedError, "the connection was refused"),
    (ConnectionError, "the connection was lost"),
    (FileNotFoundError, "no such file"),
    (PermissionError, "permission denied"),
    (IsADirectoryError, "it is a folder"),
    (av.error.ProtocolNotFoundError, "its protocol is not allowed"),
    (av.error.DecoderNotFoundError, "there is no decoder for it"),
    (av.error.DemuxerNotFoundError, "its format is not known"),
    (av.error.EOFError, "it is empty or ends at once"),
    (av.error.InvalidDataError, NOT_MEDIA),
    (av.error.ArgumentError, NOT_MEDIA),  # a format that is not allowed, among others
    (av.error.PatchWelcomeError, "it uses something that FFmpeg cannot read"),
)


def explain(error: Exception) -> str:
    """The cause as the end of a sentence, without any name or URL."""
    for kind, words in REASONS:
        if isinstance(error, kind):
            return words
    code = getattr(error, "errno", None)
    if code == errno.EIO:
        return "it cannot be reached or read"
    if isinstance(code, int) and code in errno.errorcode:
        return os.strerror(code).lower()
    return NOT_MEDIA

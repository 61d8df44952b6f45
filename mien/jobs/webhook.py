"""Calls a job's webhook when the job has ended."""

from __future__ import annotations

import json
import logging
import re
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from urllib.parse import urlsplit

from mien.contract.errors import UsageError
from mien.jobs.record import JobRecord

ATTEMPTS = 3
PAUSE_S = 2.0
TIMEOUT_S = 10.0

_UNSENDABLE = re.compile(r"[\x00-\x20\x7f]")
"""What no request line may hold; the standard library refuses it too, but only when it is sent."""

_log = logging.getLogger(__name__)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Else the message would be repeated as a GET without it, and count as delivered."""

    def redirect_request(self, *_: object) -> None:
        """None: a redirection is a failure like any other answer that is no success."""


def check_webhook(url: str) -> None:
    """Raises `UsageError` for what is no address that can be called."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for what is no number
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("a webhook is an http:// or https:// address")
    if _UNSENDABLE.search(url) or not (parts.path + parts.query).isascii():
        raise UsageError(
            "a webhook's address has its spaces and special letters as %20 and the like"
        )
    if "@" in parts.netloc:
        raise UsageError("a webhook's address holds no password: it would be stored in the open")


def call_webhook(record: JobRecord) -> bool:
    """POST the job's status as JSON to its webhook, if it has one; True once it is delivered.

    Redirections are not followed. Raises nothing.
    """
    if record.webhook is None:
        return False
    body = json.dumps(record.status()).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "mien"}
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked
        record.webhook, body, headers, method="POST"
    )
    opener = urllib.request.build_opener(_NoRedirect)
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_S)
        try:
            with opener.open(request, timeout=TIMEOUT_S):
                return True
        except (OSError, ValueError, HTTPException) as error:
            reason = error.code if isinstance(error, urllib.error.HTTPError) else "no answer"
            _log.warning("the webhook failed (%s)", reason, extra={"job": record.id})
    return False

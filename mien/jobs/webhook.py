"""Tells a URL of the user's how a job has ended."""

from __future__ import annotations

import json
import logging
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from mien.contract.errors import UsageError
from mien.jobs.record import JobRecord

ATTEMPTS = 3
PAUSE_S = 2.0
TIMEOUT_S = 10.0

_log = logging.getLogger(__name__)


def check_webhook(url: str) -> None:
    """Raises `UsageError` for what is no address that can be told."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("a webhook is an http:// or https:// address")
    if "@" in parts.netloc:
        raise UsageError("a webhook's address holds no password: it would be stored in the open")


def tell(url: str, record: JobRecord) -> bool:
    """POST the job's status as JSON; whether somebody took it. Raises nothing."""
    body = json.dumps(record.status()).encode()
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked
        url, body, {"Content-Type": "application/json", "User-Agent": "mien"}, method="POST"
    )
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_S)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
                return True
        except (OSError, ValueError) as error:
            reason = error.code if isinstance(error, urllib.error.HTTPError) else "no answer"
            _log.warning("the webhook failed (%s)", reason, extra={"job": record.id})
    return False

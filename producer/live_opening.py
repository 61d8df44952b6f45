"""Opens a source that is waited for: at once, or as soon as it is there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from mien.contract.errors import SourceError
from producer.backoff import Backoff
from producer.live import TICK_S, LiveOptions
from producer.opening import RefusedError

_log = logging.getLogger(__name__)

Opened = TypeVar("Opened")

Wait = Callable[[str], bool]
"""Told why there is no source yet, again and again; whether it is to be waited for."""


def patient(open_once: Callable[[], Opened], options: LiveOptions, wait: Wait) -> Opened:
    """What `open_once` gives, tried again where the options say so.

    Raises:
        SourceError: it cannot be reached, refuses or gives no picture, and no more is tried.
    """
    backoff, began_s, told = Backoff(), time.monotonic(), ""
    while True:
        try:
            return open_once()
        except SourceError as error:
            refused = isinstance(error, RefusedError)
            limit_s, passed_s = options.give_up_after_s, time.monotonic() - began_s
            late = limit_s is not None and passed_s >= limit_s
            if not options.wait or late or (refused and not options.through_refusals):
                raise
            trouble = str(error)
            if trouble != told:
                told = trouble
                _log.warning("%s; it is tried again", told)
            if not _pass_time(backoff.wait_s(refused=refused), partial(wait, trouble)):
                raise


def _pass_time(seconds: float, wait: Callable[[], bool]) -> bool:
    """Whether it was waited for so long."""
    until_s = time.monotonic() + seconds
    while wait():
        if time.monotonic() >= until_s:
            return True
        time.sleep(TICK_S / 2)
    return False

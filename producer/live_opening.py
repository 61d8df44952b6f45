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

NOT_YET = "it has not answered yet"

_log = logging.getLogger(__name__)

Opened = TypeVar("Opened")

Wait = Callable[[str], bool]
"""Told why there is no source yet, again and again; whether it is to be waited for."""

GoOn = Callable[[], bool]
"""To be asked several times a second while a source is opened: whether it is still wanted."""


def patient(open_once: Callable[[GoOn], Opened], options: LiveOptions, wait: Wait) -> Opened:
    """What `open_once` gives, tried again where the options say so.

    Raises:
        SourceError: it cannot be reached, refuses or gives no picture, and no more is tried.
    """
    backoff, began_s, told = Backoff(), time.monotonic(), ""
    while True:
        try:
            return open_once(partial(wait, told or NOT_YET))
        except SourceError as error:
            refused, trouble = isinstance(error, RefusedError), str(error)
            limit_s, passed_s = options.give_up_after_s, time.monotonic() - began_s
            late = limit_s is not None and passed_s >= limit_s
            final = not options.wait or late or (refused and not options.through_refusals)
            if final or not wait(trouble):
                raise
            if trouble != told:
                told = trouble
                _log.warning("%s; it is tried again", told)
            if not _pass_time(backoff.wait_s(refused=refused), partial(wait, trouble)):
                raise


def _pass_time(seconds: float, wait: GoOn) -> bool:
    """Whether it was waited for so long."""
    until_s = time.monotonic() + seconds
    while wait():
        if time.monotonic() >= until_s:
            return True
        time.sleep(TICK_S / 2)
    return False

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

LEAST_S = 3.0
"""What an opening gets, however soon it is given up: a camera that is well may take so long."""

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
    limit_s = options.give_up_after_s if options.wait else None

    def goes_on(trouble: str, least_s: float = 0.0) -> bool:
        is_late = limit_s is not None and time.monotonic() - began_s >= max(limit_s, least_s)
        return not is_late and wait(trouble)

    while True:
        try:
            return open_once(partial(goes_on, told or NOT_YET, LEAST_S))
        except SourceError as error:
            refused, trouble = isinstance(error, RefusedError), str(error)
            final = not options.wait or (refused and not options.through_refusals)
            if final or not goes_on(trouble):
                raise
            if trouble != told:
                told = trouble
                _log.warning("%s; it is tried again", told)
            if not _pass_time(backoff.wait_s(refused=refused), partial(goes_on, trouble)):
                raise


def _pass_time(seconds: float, wait: GoOn) -> bool:
    """Whether it was waited for so long."""
    until_s = time.monotonic() + seconds
    while wait():
        if time.monotonic() >= until_s:
            return True
        time.sleep(TICK_S / 2)
    return False

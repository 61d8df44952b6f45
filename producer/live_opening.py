"""Opens a live source: at once, or as soon as it is there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from mien.contract.errors import SourceError
from producer.addresses import Address
from producer.backoff import Backoff
from producer.connection import Connection
from producer.live import TICK_S, LiveOptions, LiveSource
from producer.opening import RefusedError, Timeouts

_log = logging.getLogger(__name__)


def open_live(
    address: Address,
    timeouts: Timeouts,
    options: LiveOptions,
    *,
    connection: Connection | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> LiveSource:
    """Open a live source and decode its first frame.

    Where the options say so, a source that cannot be reached is tried again; not so one that
    refuses. stopped: asked while it is; ends the waiting.

    Raises:
        SourceError: it cannot be reached, refuses or gives no picture.
    """
    backoff, began_s, told = Backoff(), time.monotonic(), ""
    while True:
        try:
            return LiveSource(
                address, connection or Connection(address, timeouts), timeouts, options
            )
        except SourceError as error:
            limit_s, passed_s = options.give_up_after_s, time.monotonic() - began_s
            late = limit_s is not None and passed_s >= limit_s
            if not options.wait or late or stopped() or isinstance(error, RefusedError):
                raise
            if str(error) != told:
                told = str(error)
                _log.warning("%s; it is tried again", told)
        connection = None
        _wait(backoff.wait_s(), stopped)


def _wait(seconds: float, stopped: Callable[[], bool]) -> None:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s and not stopped():
        time.sleep(TICK_S / 2)

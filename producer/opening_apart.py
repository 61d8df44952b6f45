"""Opens a source in a thread of its own, so that whoever waits for it can leave at any time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Protocol, TypeVar

from mien.contract.errors import SourceError

ASK_EVERY_S = 0.1


class Closable(Protocol):
    def close(self) -> None: ...


Opened = TypeVar("Opened", bound=Closable)


def open_apart(
    open_once: Callable[[Callable[[], bool]], Opened], go_on: Callable[[], bool], name: str
) -> Opened:
    """What `open_once` gives or raises; it is told by the answer it is handed whether to go on.

    FFmpeg hands out nothing of a connection by http before it is open, so nobody can end that from
    outside. Where `go_on` says no, or raises, the thread is left alone, and closes what it opens:
    nobody else may.

    Raises:
        SourceError: it was waited for no longer; and what `open_once` and `go_on` raise.
    """
    opened: Future[Opened] = Future()

    def work() -> None:
        try:
            source = open_once(lambda: not opened.cancelled())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            if opened.set_running_or_notify_cancel():
                opened.set_exception(error)
            return
        if opened.set_running_or_notify_cancel():
            opened.set_result(source)
        else:
            source.close()

    threading.Thread(target=work, name="opening", daemon=True).start()
    try:
        while not wait([opened], ASK_EVERY_S).done and go_on():
            pass
    except BaseException:
        _leave(opened)
        raise
    if opened.cancel():
        raise SourceError(f"cannot read {name}: it did not answer in time")
    return opened.result()


def _leave(opened: Future[Opened]) -> None:
    """Let what is opened, or has just been, be closed."""
    if not opened.cancel() and opened.exception() is None:
        opened.result().close()

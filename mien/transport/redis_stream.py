"""A stream process's side of the transport over Redis: it survives a server that loses its data.

The images that were offered and not answered are kept here too, as many as the frame window lets
wait. So whatever a server loses is offered again, and the reader never notices. Of a live stream
only the last image is: the others would come too late.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from mien.contract.analyses import AnalysisImage, AnalysisRecord
from mien.contract.errors import Closed, TransportError
from mien.transport.feed import Feed
from mien.transport.numerics import merged
from mien.transport.ports import Superseded
from mien.transport.redis_attempt import RedisAttempt
from mien.transport.redis_server import LONGEST_BLOCK_S, RedisServer, Unreachable
from mien.transport.wire import Encoding, WireError, decode_record, encode_image

CLOSING_PATIENCE_S = 1.0
"""How long the end waits for the server: what it cannot remove has its life span."""
PAGE = 500
"""Most records that one read fetches."""
BEGINNING = b"0-0"
"""Of every log."""


class RedisStream:
    """A `StreamPort` that waits for its server; a thread of its own renews the lease until `close`.

    A live stream asks it through a `RedisLiveStream`, which does not wait. An analysis that cannot
    be read raises a `WireError` from `read`, once.
    """

    def __init__(self, server: RedisServer, attempt: RedisAttempt, wire: Encoding) -> None:
        self._server = server
        self._attempt = attempt
        self._wire: Encoding = wire
        self._feed = Feed()
        self._position = BEGINNING  # in the log; what lies before it is in the feed
        self._doubtful = False  # whether the log may have lost the entry there
        self._readable = True  # whether another attempt could use the log
        self._sending = threading.RLock()
        self._outstanding: dict[int, AnalysisImage] = {}
        self._numerics: set[str] = set()  # kept here too: a server may forget
        self._failure: BaseException | None = None
        self._ended = threading.Event()
        name = f"lease of {attempt.stream}"
        self._keeper = threading.Thread(target=self._keep_lease, name=name, daemon=True)
        self._keeper.start()

    def offer(self, image: AnalysisImage) -> None:
        with self._sending:
            self._check()
            if self._attempt.live:
                self._outstanding.clear()
            self._outstanding[image.index] = image
            if not self._send(image):
                self._recover()

    def read(self, after: int, wait_s: float) -> Sequence[AnalysisRecord]:
        self._feed.forget(after)
        deadline = time.monotonic() + wait_s
        while not self._feed.records:
            left_s = deadline - time.monotonic()
            self._fetch(min(max(left_s, 0), LONGEST_BLOCK_S))
            if left_s <= 0:
                break
        self._check()
        return list(self._feed.records)

    def numerics(self) -> Mapping[str, str]:
        self._check()
        self._numerics.update(self._attempt.numerics())
        return self.known_numerics()

    def known_numerics(self) -> Mapping[str, str]:
        """As `numerics`, as far as it is known without asking the server."""
        return merged(list(self._numerics))

    def confirm(self) -> None:
        self._check()
        self._renew()

    def close(self) -> None:
        if self._ended.is_set():
            return
        self._ended.set()
        self._outstanding.clear()
        try:
            self._attempt.end(CLOSING_PATIENCE_S, keep=self._readable)
        except (TransportError, Superseded, Closed):
            return  # every key has its life span, and a newer attempt its own

    @property
    def is_closed(self) -> bool:
        return self._ended.is_set()

    def _send(self, image: AnalysisImage) -> bool:
        """False where the server has lost what it knew."""
        offered = self._attempt.offer(image.index, encode_image(image, self._wire))
        if offered == "answered":
            self._outstanding.pop(image.index, None)  # an earlier attempt had it analysed
        return offered != "lost"

    def _fetch(self, wait_s: float) -> None:
        """Move what is new in the log into the feed."""
        self._check()
        if self._doubtful:
            if self._position != BEGINNING and not self._attempt.knows(self._position):
                self._position = BEGINNING  # repeats are dropped by index
            self._doubtful = False  # not before: the server may be away again
        entries = self._attempt.look(self._position, PAGE, wait_s)
        if entries is None:
            self._recover()
            return
        for position, message in entries:
            self._position = position  # first: what cannot be read is not read again
            try:
                record = decode_record(message)
            except WireError:
                self._readable = False
                raise
            self._outstanding.pop(record.index, None)
            self._feed.records.append(record)

    def _recover(self) -> None:
        """Register again, and offer again what the server has lost of what nobody answered."""
        with self._sending:
            whole = False
            while not whole:
                self._check()
                self._attempt.register()
                self._doubtful = True
                # list() of a dict is one step, so that the reader may take from it meanwhile
                lost = self._attempt.missing(list(self._outstanding))
                again = (self._outstanding.get(index) for index in lost)
                whole = all(self._send(image) for image in again if image is not None)

    def _renew(self, patience_s: float | None = None) -> None:
        # another attempt at a live stream has no use for what this one has read
        read = self._attempt.live and not self._doubtful
        trim = self._position.decode() if read else ""
        if not self._attempt.renew(trim, patience_s):
            self._recover()
        self._numerics.update(self._attempt.numerics(patience_s))

    def _keep_lease(self) -> None:
        while not self._ended.wait(self._attempt.lives.renew_s):
            try:
                self._renew(patience_s=0)
            except Closed:
                return
            except BaseException as error:  # noqa: BLE001 - told by the next call of the port
                if self._is_passing(error):
                    continue
                self._failure = error
                return

    def _is_passing(self, error: BaseException) -> bool:
        """Whether renewing may succeed the next time; a call of the port has its own patience."""
        mended = self._attempt.live and isinstance(error, TransportError)  # it may be tomorrow
        return mended or isinstance(error, Unreachable)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._ended.is_set():
            raise Closed
        self._server.check_open()

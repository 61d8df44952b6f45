"""What a stage may ask of a transport. Stages know these ports and never which transport it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from mien.contract.analyses import AnalysisImage, AnalysisRecord, AnalysisSettings
from mien.contract.errors import JobError

NOTHING: Mapping[str, str] = MappingProxyType({})
"""Numerics of a record without an analysis."""


@dataclass(frozen=True, slots=True)
class Lease:
    """An image that an analyzer has taken and must publish or hand back."""

    image: AnalysisImage
    deliveries: int
    """How often it was handed out, this time included, and not given back: more than 1 means that
    an analyzer died with it, or held it for too long."""
    token: str
    """The transport's own mark of this delivery."""


class WorkPort(Protocol):
    """An analyzer's side: work from all streams, results to the stream each came from.

    A port belongs to one thread, which holds every lease that it took.
    """

    def take(self, limit: int, wait_s: float) -> list[Lease]:
        """At most `limit` images, oldest first; waits up to `wait_s` for the first one.

        Live streams come first; otherwise every stream gets its share, however much another has
        waiting. A transport that cannot be reached has no work.

        Raises:
            Closed: the transport has been closed; there will be no more work.
        """

    def publish(
        self, lease: Lease, record: AnalysisRecord, numerics: Mapping[str, str] = NOTHING
    ) -> None:
        """Hand in the result, then acknowledge: a death in between repeats work, loses none.

        `numerics` says what the analysis was made with. Waits while the transport cannot be
        reached.

        Raises:
            Closed: the transport over a server has been closed. In one process nobody wants the
                result any more, and it is dropped.
        """

    def give_back(self, lease: Lease) -> None:
        """Let somebody else take it, as if it had not been taken. Raises as `publish`."""


class StreamPort(Protocol):
    """A stream process's side of one stream: work goes out, results come back.

    That of a file waits for a server that is away. That of a live stream waits for nothing, however
    long the server is away: an image that cannot be sent is answered at once by a record without an
    analysis, whose reason is `AWAY`; `read` returns in time, and `numerics`, `confirm` and `close`
    answer by what is known. An analysis that cannot be read is logged, and never comes.

    Every method but `close` may raise:
        Superseded: a newer attempt at the same stream has begun.
        TransportError: the server did not come back; never raised for a live stream.
        WireError: an analysis is damaged, or from another version of mien; by `read`, never for a
            live stream.
        Closed: the transport has been closed.
    """

    def offer(self, image: AnalysisImage) -> None:
        """Put an image into the work queue, which is never full: the window is the backpressure.

        A file's waits while the server is away. What an earlier attempt had analysed need not be
        analysed again.
        """

    def read(self, after: int, wait_s: float) -> Sequence[AnalysisRecord]:
        """Records from position `after` on, in order of publication; repeats are possible.

        A stream has one reader, whose position never goes back: what lies before it may be gone.

        Waits up to `wait_s` for the first one. The next position is `after + len(result)`.
        """

    def numerics(self) -> Mapping[str, str]:
        """What all that was published so far was made with, as its analyzers said.

        Where two said different things of the same, both stand there. Empty where none did.
        """

    def confirm(self) -> None:
        """Make sure that no newer attempt has begun; asked before anything gets its final name.

        For a live stream: that none is known, as far as the server can be asked now.
        """

    def close(self) -> None:
        """End the stream: what it has offered is withdrawn.

        Its analyses stay for a while where another attempt could use them. Raises nothing, and
        does nothing the second time.
        """


class Transport(Protocol):
    """Connects streams with analyzers."""

    def stream(
        self, stream: str, settings: AnalysisSettings, *, live: bool = False, source_mark: str = ""
    ) -> StreamPort:
        """Begin an attempt at a stream, which ends every earlier attempt at it.

        Args:
            stream: Id of the stream: the same for all attempts.
            settings: Those of every image that will be offered.
            live: Whether it is a camera's: its work comes before that of files, and another
                attempt sees other pictures.
            source_mark: Says what the pictures are: analyses of an attempt with another one are
                forgotten.
        """

    def work(
        self,
        serves: Callable[[AnalysisSettings], bool] | None = None,
    ) -> WorkPort:
        """A port for one more analyzer.

        Args:
            serves: Says whether it can work with such settings; it is asked once for each. Streams
                with others are left to other analyzers.
        """

    def close(self) -> None:
        """Wake everybody who waits; all further calls raise `Closed`."""


class Superseded(JobError):  # noqa: N818 - what happened, not an error of anybody
    """A newer attempt has taken the stream over; this one must not put anything in place."""

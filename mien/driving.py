"""Runs the stages of one stream, and whoever analyses for it in this process, to its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from mien.contract.errors import Interrupted
from mien.interrupts import Interrupts
from mien.stages import StageGroup
from mien.stream import Stream
from mien.transport.ports import Transport

GRACE_S = 5.0
"""A camera's files are finished for so long before a second signal to stop ends that, too: many a
shell and supervisor sends its signal twice."""

TICK_S = 0.1
"""How often progress is told."""


def drive(
    stream: Stream,
    transport: Transport,
    analyzers: Sequence[Callable[[], None]],
    interrupts: Interrupts,
    on_tick: Callable[[], None],
) -> bool:
    """Run all stages to the end of the stream; whatever happens, none runs on after this.

    But for one: False where the source does not answer and the user asked twice. Analyzers work
    until the transport is closed, so it is closed for them; without any it stays open, unless the
    stream fails. `on_tick` is called all the time; what it raises ends the stream.
    """

    def stop() -> None:
        stream.stop()
        transport.close()  # so that nobody goes on waiting for a server that is away

    group = StageGroup(stop)
    group.start("producer", stream.produce)
    muxer = group.start("muxer", stream.mux)
    for number, analyzer in enumerate(analyzers):
        group.start(f"analyzer {number}", analyzer)
    asked_s = math.inf
    try:
        while muxer.is_alive():
            muxer.join(TICK_S)
            stream.progress.stopping = interrupts.count > 0
            on_tick()
            if not interrupts.count:
                continue
            asked_s = min(asked_s, time.monotonic())
            if stream.is_live and (interrupts.count == 1 or time.monotonic() < asked_s + GRACE_S):
                stream.end_early()
            else:
                left = "what was recorded stays" if stream.is_live else "nothing was written"
                group.fail(Interrupted(f"interrupted; {left}"))
    except BaseException as error:  # noqa: BLE001 - raised again by join, once all have ended
        group.fail(error)
    if analyzers:
        transport.close()
    unsure = stream.is_remote and not stream.is_live
    return group.join(give_up=lambda: interrupts.count > 1 and unsure)

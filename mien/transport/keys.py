"""Every key that mien's transport has in Redis, and how long each lives.

====================  ======  ==================================  ================================
key (after prefix)    type    what                                life span
====================  ======  ==================================  ================================
streams               zset    streams with work, by end of lease  `LEASE_S` from the last renewal
analyzers             zset    who takes work, by end of life      `HEART_S` from the last beat
meta:ID               hash    fence, settings, live, source       `GRACE_S` from the last renewal
                              (its mark), numerics
log:ID                stream  one record an analysed frame        `GRACE_S` from the last renewal
done:ID               bits    which frames the log answers        `GRACE_S` from the last renewal
work:ID:FENCE         stream  frames that wait, with their group  `WORK_S` from the last renewal
images:ID:FENCE       hash    their images, by frame              `WORK_S` from the last renewal
====================  ======  ==================================  ================================

A stream process renews every key of its stream every `RENEW_S`; those of a dead one expire, and
nothing has to clean up after it. One that ends deletes work and images at once, and the log too
where no later attempt could use it (a live stream). One that could not read its log deletes
`settings`, so that the next attempt begins with an empty one.

FENCE is the fencing number of the attempt: work of an older attempt lies under another key than
that of the next, so that neither can mistake the other's. A live stream has no `done:ID`: its
frames do not come again.
"""

from __future__ import annotations

from dataclasses import dataclass

from mien.contract.live import FORGOTTEN_S

PREFIX = "mien:"

GROUP = "analyzers"
"""Consumer group of every work stream."""

LEASE_S = 10.0
"""Work of a stream whose process has not renewed its lease for so long is not handed out."""
RENEW_S = 2.0
"""How often a stream process renews its lease and the life of its keys."""
WORK_S = 60.0
"""Life of images and work after the last renewal."""
GRACE_S = 3600.0
"""Life of analyses after the last renewal or the stream's end: so long another attempt can use
them."""
HEART_S = 5.0
"""An analyzer without a heartbeat for so long counts as dead, and others take its work."""
BEAT_S = 1.0
"""How often an analyzer sends a heartbeat."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The life spans of one process.

    Only tests change the defaults, but for `stale_s`: it is longer for a stream whose pictures
    wait for long.
    """

    lease_s: float = LEASE_S
    renew_s: float = RENEW_S
    work_s: float = WORK_S
    grace_s: float = GRACE_S
    heart_s: float = HEART_S
    beat_s: float = BEAT_S
    stale_s: float = FORGOTTEN_S
    """Work of a live stream that was not done for so long is dropped."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of the keys under one prefix."""

    prefix: str = PREFIX

    @property
    def streams(self) -> str:
        return f"{self.prefix}streams"

    @property
    def analyzers(self) -> str:
        return f"{self.prefix}analyzers"

    def meta(self, stream: str) -> str:
        return f"{self.prefix}meta:{stream}"

    def log(self, stream: str) -> str:
        return f"{self.prefix}log:{stream}"

    def done(self, stream: str) -> str:
        return f"{self.prefix}done:{stream}"

    def work(self, stream: str, fence: str) -> str:
        return f"{self.prefix}work:{stream}:{fence}"

    def images(self, stream: str, fence: str) -> str:
        return f"{self.prefix}images:{stream}:{fence}"

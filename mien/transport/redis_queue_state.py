"""How much work is on the server, and how many analyzers take it."""

from __future__ import annotations

from dataclasses import dataclass

from mien.transport.keys import Keys
from mien.transport.lua import Script
from mien.transport.redis_server import RedisServer


@dataclass(frozen=True, slots=True)
class QueueState:
    """The work queues of all streams together, at one moment."""

    frames: int
    """Queued, or leased by an analyzer."""
    nbytes: int
    """Of their images; an estimate, as if all of a stream were as large as its oldest."""
    oldest_live_s: float
    """Age of the oldest of a live stream; 0 where there is none."""
    oldest_file_s: float
    """The same of files, which analyzers take after the live ones."""
    streams: int
    """Streams whose process lives."""
    analyzers: int
    """Processes that take work."""


STATE = Script("""
-- KEYS streams analyzers; ARGV prefix
-- Streams, frames, bytes, age of the oldest live one and of the oldest of a file (ms), analyzers
local now, streams, frames, bytes = now_ms(), 0, 0, 0
local oldest = {live = 0, file = 0}
for _, stream in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], whole(now), '+inf')) do
  local fence, live = unpack(redis.call('HMGET', ARGV[1] .. 'meta:' .. stream, 'fence', 'live'))
  if fence then
    local name = stream .. ':' .. fence
    local work, images = ARGV[1] .. 'work:' .. name, ARGV[1] .. 'images:' .. name
    local first = redis.call('XRANGE', work, '-', '+', 'COUNT', 1)[1]
    streams = streams + 1
    if first then
      frames = frames + redis.call('XLEN', work)
      local kind = live == '1' and 'live' or 'file'
      oldest[kind] = math.max(oldest[kind], now - tonumber(string.match(first[1], '^%d+')))
      bytes = bytes + redis.call('HLEN', images) * redis.call('HSTRLEN', images, first[2][2])
    end
  end
end
local alive = redis.call('ZRANGEBYSCORE', KEYS[2], whole(now), '+inf')
return {streams, frames, whole(bytes), oldest.live, oldest.file, alive}
""")


def queue_state(server: RedisServer, keys: Keys) -> QueueState:
    """Ask the server, once.

    Raises:
        TransportError: it does not answer, or refuses.
    """
    names = (keys.streams, keys.analyzers)
    streams, frames, nbytes, live_ms, file_ms, alive = server.call(
        lambda client: STATE.run(client, names, (keys.prefix,)), patience_s=0
    )
    # an analyzer has a consumer a thread, whose name begins with host and process
    processes = {bytes(name).rpartition(b"-")[0] for name in alive}
    return QueueState(frames, int(nbytes), live_ms / 1000, file_ms / 1000, streams, len(processes))

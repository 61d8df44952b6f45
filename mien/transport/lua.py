"""What all Lua scripts begin with, and how they are run: for Redis 6.2 and Valkey.

A script is what the server has to do atomically. Every write of a stream attempt begins
with `state`, which compares fencing numbers. It answers `ok`, `gone` (the server has lost what it
knew, and the attempt must register again) or `superseded` (a newer attempt has registered).

Scripts name some keys in their arguments only, which a Redis cluster does not allow; images pass
beside the scripts, since Lua would copy each of them twice more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import redis
from redis.client import Pipeline

from mien.transport.keys import GROUP

Argument = str | bytes | int

PRELUDE = f"""
local GROUP = '{GROUP}'
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function whole(number) return string.format('%.0f', number) end
local function state(meta, fence)
  local held = redis.call('HGET', meta, 'fence')
  if held == fence then return 'ok' end
  if held and tonumber(held) > tonumber(fence) then return 'superseded' end
  return 'gone'
end
local function live_at_least(key, life_ms)
  if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, life_ms) end
end
"""


class Script:
    """A Lua script that the server keeps; sent again where the server was started anew."""

    def __init__(self, text: str) -> None:
        self._text = PRELUDE + text
        self._sha = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    def run(
        self,
        client: redis.Redis,
        keys: Sequence[str],
        arguments: Sequence[Argument],
        before: Callable[[Pipeline], object] | None = None,
    ) -> Any:
        """The script's answer. `before` adds commands to the same transaction, before it."""
        call = (self._sha, len(keys), *keys, *arguments)
        try:
            return _together(client, call, before)
        except redis.exceptions.NoScriptError:
            client.script_load(self._text)
            return _together(client, call, before)


def _together(
    client: redis.Redis, call: tuple[Any, ...], before: Callable[[Pipeline], object] | None
) -> Any:
    if before is None:
        return client.evalsha(*call)
    with client.pipeline(transaction=True) as together:
        before(together)
        together.evalsha(*call)
        return together.execute()[-1]

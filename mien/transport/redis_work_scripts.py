"""What an analyzer asks of the server, each of it atomic; see `lua.py`."""

from __future__ import annotations

from mien.transport.lua import Script

ACTIVE = Script("""
-- KEYS streams; ARGV prefix. Streams whose lease holds: stream fence live settings
local active = {}
for _, stream in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], whole(now_ms()), '+inf')) do
  local about = redis.call('HMGET', ARGV[1] .. 'meta:' .. stream, 'fence', 'live', 'settings')
  if about[1] then table.insert(active, {stream, about[1], about[2], about[3]}) end
end
return active
""")

TAKE = Script("""
-- KEYS work streams; ARGV consumer limit first
-- Work of the first `first` streams before that of the others; of each kind the same number from
-- every stream that has so much: key number, entry id, index, earlier deliveries
local consumer, left, first = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local taken = {}
local function read(at, count)
  local reply = redis.pcall('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', count,
                            'STREAMS', KEYS[at], '>')
  if not reply or reply.err then return 0 end
  for _, entry in ipairs(reply[1][2]) do
    table.insert(taken, {at, entry[1], entry[2][2], entry[2][4]})
  end
  left = left - #reply[1][2]
  return #reply[1][2]
end
local function rounds(from, to)
  local open = {}
  for at = from, to do table.insert(open, at) end
  while left > 0 and #open > 0 do
    local count, still = math.max(1, math.floor(left / #open)), {}
    for _, at in ipairs(open) do
      if left == 0 then break end
      local most = math.min(count, left)
      if read(at, most) == most then table.insert(still, at) end
    end
    open = still
  end
end
rounds(1, first)
rounds(first + 1, #KEYS)
return taken
""")

CLAIM = Script("""
-- KEYS analyzers, work streams; ARGV consumer stuck (ms)
-- One abandoned frame: of a dead analyzer, or held for too long by a living one. The one that was
-- delivered least often, so that one that kills analyzers comes after those held beside it.
local consumer, stuck = ARGV[1], ARGV[2]
local now, best = now_ms(), nil
local least = {[consumer] = false}
local function least_of(name)
  if least[name] == nil then
    local beat = redis.call('ZSCORE', KEYS[1], name)
    least[name] = beat and tonumber(beat) >= now and stuck or '0'
  end
  return least[name]
end
local function search(at, name, idle)
  local held = redis.call('XPENDING', KEYS[at], GROUP, 'IDLE', idle, '-', '+', 1000, name)
  for _, one in ipairs(held) do
    if not best or one[4] < best.count then best = {at = at, id = one[1], count = one[4]} end
  end
end
for at = 2, #KEYS do
  local held = redis.pcall('XPENDING', KEYS[at], GROUP)
  for _, one in ipairs(held[4] or {}) do  -- whoever holds something
    local idle = least_of(one[1])
    if idle then search(at, one[1], idle) end
  end
end
if not best then return {} end
local entry = redis.call('XCLAIM', KEYS[best.at], GROUP, consumer, 0, best.id)[1]
if not entry then return {} end
return {{best.at - 1, entry[1], entry[2][2], whole(entry[2][4] + best.count)}}
""")

FORGET = Script("""
-- KEYS analyzers, work streams. Consumers that are dead and hold nothing go
local now = now_ms()
for at = 2, #KEYS do
  local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[at], GROUP)
  for _, flat in ipairs(consumers.err and {} or consumers) do
    local one = {}
    for field = 1, #flat, 2 do one[flat[field]] = flat[field + 1] end
    local beat = redis.call('ZSCORE', KEYS[1], one.name)
    if one.pending == 0 and not (beat and tonumber(beat) >= now) then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[at], GROUP, one.name)
    end
  end
end
return 1
""")

PUBLISH = Script("""
-- KEYS meta log done work images; ARGV fence id index record numerics
local meta, log, done, work, images = unpack(KEYS)
local fence, id, index, record, numerics = unpack(ARGV)
if state(meta, fence) ~= 'ok' then return 0 end
redis.call('XACK', work, GROUP, id)
local fresh = redis.call('XDEL', work, id) == 1
redis.call('HDEL', images, index)
if redis.call('HGET', meta, 'live') ~= '1' then
  fresh = redis.call('SETBIT', done, index, 1) == 0
end
if fresh then redis.call('XADD', log, '*', 'r', record) end
if fresh and numerics ~= '' then redis.call('HSET', meta, 'numerics:' .. numerics, '') end
local life_ms = redis.call('PTTL', meta)
live_at_least(log, life_ms)
live_at_least(done, life_ms)
return fresh and 1 or 0
""")

GIVE_BACK = Script("""
-- KEYS work images; ARGV id index before
-- before: how often it was handed out and did not come back
-- At the end of the queue; a frame that nobody waits for any more is dropped.
local work, images = KEYS[1], KEYS[2]
local id, index, before = unpack(ARGV)
redis.call('XACK', work, GROUP, id)
if redis.call('XDEL', work, id) == 0 then return 0 end
if redis.call('HEXISTS', images, index) == 0 then return 0 end
redis.call('XADD', work, '*', 'index', index, 'before', before)
return 1
""")

BEAT = Script("""
-- KEYS analyzers; ARGV consumer life (ms) former
-- former: a consumer that is no more
local now = now_ms()
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', whole(now - 1))
redis.call('ZREM', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[1], whole(now + ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
""")

"""What a stream process asks of the server, each of it atomic; see `lua.py`."""

from __future__ import annotations

from mien.transport.lua import Script

REGISTER = Script("""
-- KEYS streams meta log done; ARGV stream fence settings live prefix lease grace work (ms) source
-- fence '' asks for a new number, greater than any before, also where the server forgot them
local streams, meta, log, done = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local stream, fence, settings, live = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local lease, grace, life, source = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local work, images = ARGV[5] .. 'work:' .. stream .. ':', ARGV[5] .. 'images:' .. stream .. ':'
local held = redis.call('HGET', meta, 'fence')
if fence == '' then
  fence = whole(math.max(now_ms(), (tonumber(held) or 0) + 1))
elseif state(meta, fence) == 'superseded' then
  return {'superseded', fence}
end
if held ~= fence then
  if held then redis.call('DEL', work .. held, images .. held) end
  local known = redis.call('HMGET', meta, 'settings', 'source')
  local same = known[1] == settings and known[2] == source
  if live == '1' or not same then redis.call('DEL', meta, log, done) end
  redis.call('HSET', meta, 'fence', fence, 'settings', settings, 'live', live, 'source', source)
end
redis.pcall('XGROUP', 'CREATE', work .. fence, GROUP, '0', 'MKSTREAM')
redis.call('PEXPIRE', work .. fence, life)
redis.call('PEXPIRE', meta, grace)
redis.call('ZADD', streams, whole(now_ms() + lease), stream)
redis.call('PEXPIRE', streams, lease)
return {'ok', fence}
""")

RENEW = Script("""
-- KEYS streams meta log done work images; ARGV stream fence lease grace work (ms) trim
-- trim: log entries before this id are dropped; '' for none
local streams, meta, log, done, work, images = unpack(KEYS)
local stream, fence, lease, grace, life, trim = unpack(ARGV)
local found = state(meta, fence)
if found ~= 'ok' then return found end
if redis.call('EXISTS', work) == 0 then return 'gone' end
for _, key in ipairs({meta, log, done}) do redis.call('PEXPIRE', key, grace) end
for _, key in ipairs({work, images}) do redis.call('PEXPIRE', key, life) end
redis.call('ZREMRANGEBYSCORE', streams, '-inf', whole(now_ms()))
redis.call('ZADD', streams, whole(now_ms() + lease), stream)
redis.call('PEXPIRE', streams, lease)
if trim ~= '' then redis.call('XTRIM', log, 'MINID', trim) end
return found
""")

OFFER = Script("""
-- KEYS meta done work images; ARGV fence index work stale (ms). The image is there already.
-- besides the states: 'answered', the log has this frame
-- Of a live stream, work that nobody waits for any more goes, so that it cannot pile up.
local meta, done, work, images = unpack(KEYS)
local fence, index, life, stale = unpack(ARGV)
local found = state(meta, fence)
if found == 'ok' and redis.call('GETBIT', done, index) == 1 then found = 'answered' end
if found == 'ok' then
  local id = redis.call('XADD', work, 'NOMKSTREAM', '*', 'index', index, 'before', '0')
  if not id then found = 'gone' end
end
if found == 'ok' and redis.call('HGET', meta, 'live') == '1' then
  for _, entry in ipairs(redis.call('XRANGE', work, '-', whole(now_ms() - stale))) do
    redis.call('XACK', work, GROUP, entry[1])
    redis.call('XDEL', work, entry[1])
    redis.call('HDEL', images, entry[2][2])
  end
end
if found == 'ok' then live_at_least(images, life) else redis.call('HDEL', images, index) end
return found
""")

MISSING = Script("""
-- KEYS meta done work images; ARGV fence index...
-- of these frames, those that are neither answered nor waiting
local meta, done, work, images = unpack(KEYS)
local waiting, missing = {}, {}
for _, entry in ipairs(redis.call('XRANGE', work, '-', '+')) do waiting[entry[2][2]] = true end
for at = 2, #ARGV do
  local index = ARGV[at]
  local there = waiting[index] and redis.call('HEXISTS', images, index) == 1
  if not there and redis.call('GETBIT', done, index) == 0 then table.insert(missing, index) end
end
return missing
""")

CLOSE = Script("""
-- KEYS streams meta log done work images; ARGV stream fence grace (ms) keep
-- keep '0': the next attempt begins with an empty log, as if it had other settings
local streams, meta, log, done, work, images = unpack(KEYS)
local stream, fence, grace, keep = unpack(ARGV)
local found = state(meta, fence)
redis.call('DEL', work, images)
if found ~= 'ok' then return found end
redis.call('ZREM', streams, stream)
if redis.call('HGET', meta, 'live') == '1' then redis.call('DEL', log) end
if keep == '0' then redis.call('HDEL', meta, 'settings') end
for _, key in ipairs({meta, log, done}) do redis.call('PEXPIRE', key, grace) end
return found
""")

-- What the scripts that change an inbox share. An inbox is a list; the seq of its element i is acked + 1 + i.
-- Each element begins with 4 bytes: the bytes of all bodies stored up to and including it, modulo 2^32, so that
-- what an acknowledgement drops is known without reading it. Redis writes a whole number that it is given as one;
-- text() is for those that are compared, joined or returned, where Lua may make a large one 1.7e+12.
local WRAP = 4294967296

local function text(n) return string.format('%.0f', n) end

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Names the log of an inbox that has none. A log epoch is told to clients, so no two logs of a user share one.
local function name_log(user, epoch, now)
  if epoch then return epoch end
  epoch = text(math.max(1, now))
  redis.call('HSET', user, 'l', epoch)
  return epoch
end

-- Acknowledges up to seq, if epoch is the log's. h holds the fields s, a, l, t, x.
-- Returns the log epoch and what is acknowledged afterwards.
local function acknowledge(user, inbox, h, epoch, seq)
  local last, acked = tonumber(h[1] or 0), tonumber(h[2] or 0)
  if not h[3] or h[3] ~= epoch or seq <= acked then return h[3], acked end
  if seq > last then -- the tail was lost: its receiver has more than there is
    local next = text(math.max(tonumber(h[3]) + 1, now_ms()))
    redis.call('HSET', user, 'l', next)
    return next, acked
  end
  local total = h[4]
  if seq < last then
    total = struct.unpack('>I4', redis.call('LINDEX', inbox, seq - acked - 1))
    redis.call('HSET', user, 'a', text(seq), 'x', text(total))
    redis.call('LTRIM', inbox, seq - acked, -1)
  else
    redis.call('HSET', user, 'a', text(seq), 'x', total)
    redis.call('UNLINK', inbox)
  end
  return h[3], seq
end

-- What the functions that change an inbox share. An inbox is a list; the seq of its element i is acked + 1 + i.
-- Each element begins with 4 bytes: the bytes of all bodies stored up to and including it, modulo 2^32, so that
-- what an acknowledgement drops is known without reading it. Redis writes a whole number that it is given as one;
-- text() is for those that are compared, joined or returned, where Lua may make a large one 1.7e+12.
local WRAP = 4294967296

local function text(n) return string.format('%.0f', n) end

-- Which history of the data this is. Redis names it anew when it starts and when a replica takes over, which is when the end
-- of an inbox may get lost. 8 of the 40 digits tell one from the last. It is asked for once a second, since INFO costs as
-- much as a third of storing a message: a master cannot become a replica, miss something, and be the master again within
-- the same second, and what is kept here ends with the process.
local asked_at, history_then
local function history(second)
  if second == asked_at then return history_then end
  local info = redis.call('INFO', 'replication')
  local _, at = string.find(info, 'master_replid:', 1, true)
  asked_at, history_then = second, string.sub(info, at + 1, at + 8)
  return history_then
end

-- A log epoch is told to clients, so no two logs of a user share one, although the clock of a new master may be behind: it is
-- the clock in microseconds, and above the one before. It stays below 2^53, which Lua, Redis and clients hold exactly.
local function new_epoch(before, time)
  return text(math.max(tonumber(before or 0) + 1, time[1] * 1000000 + time[2]))
end

-- Names the log of an inbox that has none.
local function name_log(user, time)
  local epoch = new_epoch(nil, time)
  redis.call('HSET', user, 'l', epoch, 'r', history(time[1]))
  return epoch
end

-- The logs that came before are kept with the last seq that each shares with the present one, the latest first, like the
-- leader epochs of Kafka's KIP-101: 12 bytes each, and no more than leave the hash in its compact form (64 bytes a field).
local EARLIER, EARLIER_MOST = '>I7I5', 60

-- Begins a new log behind last, because what came after it may have been lost. Returns its epoch and what is kept of the
-- earlier ones.
local function begin_log(user, epoch, earlier, last, time)
  local next = new_epoch(epoch, time)
  earlier = string.sub(struct.pack(EARLIER, epoch, last) .. (earlier or ''), 1, EARLIER_MOST)
  redis.call('HSET', user, 'l', next, 'b', earlier, 'r', history(time[1]))
  return next, earlier
end

-- How far a log is the same as the present one; nil: it is not known. h holds s, a, l, b.
local function shared(h, epoch)
  if epoch == h[3] then return tonumber(h[1] or 0) end
  for at = 1, #(h[4] or ''), 12 do
    local e, seq = struct.unpack(EARLIER, h[4], at)
    if text(e) == epoch then return seq end
  end
  return nil
end

-- A seq above the last one of the present log proves that its tail was lost: somebody has more than there is. Then a new
-- log begins. h holds s, a, l, b; h[3] and h[4] are kept up to date. Returns whether that was so.
local function tail_lost(user, h, epoch, seq)
  local last = tonumber(h[1] or 0)
  if epoch ~= h[3] or seq <= last then return false end
  h[3], h[4] = begin_log(user, epoch, h[4], last, redis.call('TIME'))
  return true
end

-- Acknowledges up to seq of the log of an epoch, as far as that is the same as the present log. h holds the fields s, a, l,
-- b, t, x. Returns what is acknowledged afterwards.
local function acknowledge(user, inbox, h, epoch, seq)
  local last, acked = tonumber(h[1] or 0), tonumber(h[2] or 0)
  if tail_lost(user, h, epoch, seq) then return acked end
  seq = math.min(seq, shared(h, epoch) or 0)
  if seq <= acked then return acked end
  local total = h[5]
  if seq < last then
    total = struct.unpack('>I4', redis.call('LINDEX', inbox, seq - acked - 1))
    redis.call('HSET', user, 'a', text(seq), 'x', text(total))
    redis.call('LTRIM', inbox, seq - acked, -1)
  else
    redis.call('HSET', user, 'a', text(seq), 'x', total)
    redis.call('UNLINK', inbox)
  end
  return seq
end

-- Claims a session. KEYS: user, inbox, account.
-- ARGV: instance, device, takeover (0 same device, 1 and that epoch, 2 any), epoch to replace, cursor's log epoch,
-- cursor's seq, whether to look at the account, the name and the generation that it has to have ('' and 0: any).
-- Returns what came of it (0 claimed, 1 held, 2 no such account, 3 another name, 4 disabled, 5 another secret),
-- then epoch, previous owner, epoch and device, how long it has held, log epoch, last, acked, account's name and kind.
local name, kind = '', '0'
if ARGV[7] == '1' then
  local a = redis.call('HMGET', KEYS[3], 'n', 'k', 'd', 'g')
  if not a[1] then return {2} end
  if ARGV[8] ~= '' and ARGV[8] ~= a[1] then return {3} end
  if a[3] then return {4} end
  if ARGV[9] ~= '0' and ARGV[9] ~= a[4] then return {5} end
  name, kind = a[1], a[2]
end

local h = redis.call('HMGET', KEYS[1], 's', 'a', 'l', 't', 'x', 'e', 'o', 'd')
local now, stored = now_ms(), tonumber(h[6] or 0)
local owner, device = h[7], h[8] or ''
if owner then
  local covered = ARGV[3] == '2' or (ARGV[2] ~= '' and ARGV[2] == device) or (ARGV[3] == '1' and ARGV[4] == h[6])
  if not covered then
    return {1, '0', owner, h[6], device, math.max(0, now - stored), '0', '0', '0', name, kind}
  end
end

local epoch = text(math.max(stored + 1, now))
redis.call('HSET', KEYS[1], 'e', epoch, 'o', ARGV[1], 'd', ARGV[2])
h[3] = name_log(KEYS[1], h[3], now)
local log, acked = acknowledge(KEYS[1], KEYS[2], h, ARGV[5], tonumber(ARGV[6]))
return {0, epoch, owner or '', owner and h[6] or '0', owner and device or '', 0, log, h[1] or '0', text(acked), name, kind}

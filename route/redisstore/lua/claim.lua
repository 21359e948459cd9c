-- Claims a session. keys: user, inbox, account.
-- args: instance, device, takeover (0 same device, 1 and that epoch, 2 any), epoch to replace, cursor's log epoch,
-- cursor's seq, whether to look at the account, the name and the generation that it has to have ('' and 0: any), an epoch
-- that was given to anybody before.
-- Returns what came of it (0 claimed, 1 held, 2 no such account, 3 another name, 4 disabled, 5 another secret), then
-- epoch, previous owner, epoch and device, how long it has held, log epoch, last, acked, how far the cursor's log is the
-- same, account's name and kind.
local function claim(keys, args)
  local name, kind = '', '0'
  if args[7] == '1' then
    local a = redis.call('HMGET', keys[3], 'n', 'k', 'd', 'g')
    if not a[1] then return {2} end
    if args[8] ~= '' and args[8] ~= a[1] then return {3} end
    if a[3] then return {4} end
    if args[9] ~= '0' and args[9] ~= a[4] then return {5} end
    name, kind = a[1], a[2]
  end

  local h = redis.call('HMGET', keys[1], 's', 'a', 'l', 'b', 't', 'x', 'e', 'o', 'd')
  local time = redis.call('TIME')
  local now, stored = time[1] * 1000 + math.floor(time[2] / 1000), tonumber(h[7] or 0)
  local owner, device = h[8], h[9] or ''
  if owner then
    local covered = args[3] == '2' or (args[2] ~= '' and args[2] == device) or (args[3] == '1' and args[4] == h[7])
    if not covered then
      return {1, '0', owner, h[7], device, math.max(0, now - stored), '0', '0', '0', false, name, kind}
    end
  end

  -- The clock of a new master may be behind, and the last epochs that the old one gave may be lost. By a minute at most:
  -- an epoch says how old a session is, and one clock that is wrong must not take that from all of them.
  local known = math.min(tonumber(args[10]), now + 60000)
  local epoch = text(math.max(stored + 1, now < known and known + 1 or now))
  redis.call('HSET', keys[1], 'e', epoch, 'o', args[1], 'd', args[2])
  h[3] = h[3] or name_log(keys[1], time)
  local acked = acknowledge(keys[1], keys[2], h, args[5], tonumber(args[6]))
  local same = shared(h, args[5])
  return {
    0, epoch, owner or '', owner and h[7] or '0', owner and device or '', 0, h[3], h[1] or '0', text(acked),
    same and text(same) or false, name, kind,
  }
end

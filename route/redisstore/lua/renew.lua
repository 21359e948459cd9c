-- Says whether a session still counts, and publishes it again if it was lost. keys: user. args: epoch, instance, device,
-- log epoch and seq of what the session was written last.
-- Returns 0 kept, 1 restored or 2 lost, then log epoch, last, acked.
local function renew(keys, args)
  local h = redis.call('HMGET', keys[1], 's', 'a', 'l', 'b', 'e', 'o')
  local stored, epoch = tonumber(h[5] or 0), tonumber(args[1])
  local state = 2
  if stored < epoch then
    state = 1
    redis.call('HSET', keys[1], 'e', args[1], 'o', args[2], 'd', args[3])
  elseif h[5] == args[1] and h[6] == args[2] then
    state = 0
  end
  if state ~= 2 then
    tail_lost(keys[1], h, args[4], tonumber(args[5]))
    h[3] = h[3] or name_log(keys[1], redis.call('TIME'))
  end
  return {state, h[3] or '0', h[1] or '0', h[2] or '0'}
end

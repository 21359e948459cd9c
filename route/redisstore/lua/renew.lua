-- Says whether a session still counts, and publishes it again if it was lost. keys: user. args: epoch, instance, device.
-- Returns 0 kept, 1 restored or 2 lost, then log epoch, last, acked.
local function renew(keys, args)
  local h = redis.call('HMGET', keys[1], 'e', 'o', 's', 'a', 'l')
  local stored, epoch = tonumber(h[1] or 0), tonumber(args[1])
  local state = 2
  if stored < epoch then
    state = 1
    redis.call('HSET', keys[1], 'e', args[1], 'o', args[2], 'd', args[3])
  elseif h[1] == args[1] and h[2] == args[2] then
    state = 0
  end
  if state ~= 2 then h[5] = h[5] or name_log(keys[1], redis.call('TIME')) end
  return {state, h[5] or '0', h[3] or '0', h[4] or '0'}
end

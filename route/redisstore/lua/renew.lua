-- Says whether a session still counts, and publishes it again if it was lost. KEYS: user. ARGV: epoch, instance, device.
-- Returns 0 kept, 1 restored or 2 lost, then log epoch, last, acked.
local h = redis.call('HMGET', KEYS[1], 'e', 'o', 's', 'a', 'l')
local stored, epoch = tonumber(h[1] or 0), tonumber(ARGV[1])
local state = 2
if stored < epoch then
  state = 1
  redis.call('HSET', KEYS[1], 'e', ARGV[1], 'o', ARGV[2], 'd', ARGV[3])
elseif h[1] == ARGV[1] and h[2] == ARGV[2] then
  state = 0
end
if state ~= 2 then h[5] = name_log(KEYS[1], h[5], now_ms()) end
return {state, h[5] or '0', h[3] or '0', h[4] or '0'}

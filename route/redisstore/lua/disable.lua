-- Disables or enables an account. KEYS: account. ARGV: 1 or 0, whether to write even when there is nothing to (see
-- append). Returns whether there is such an account.
local a = redis.call('HMGET', KEYS[1], 'n', 'd', 'g')
if not a[1] then return 0 end
if ARGV[1] == '1' and not a[2] then
  redis.call('HSET', KEYS[1], 'd', '1')
  redis.call('HINCRBY', KEYS[1], 'g', 1)
elseif ARGV[1] == '0' and a[2] then
  redis.call('HDEL', KEYS[1], 'd')
elseif ARGV[2] == '1' then
  redis.call('HSET', KEYS[1], 'g', a[3])
end
return 1

-- Disables or enables an account. keys: account. args: 1 or 0, whether to write even when there is nothing to (see
-- append). Returns whether there is such an account.
local function disable(keys, args)
  local a = redis.call('HMGET', keys[1], 'n', 'd', 'g')
  if not a[1] then return 0 end
  if args[1] == '1' and not a[2] then
    redis.call('HSET', keys[1], 'd', '1')
    redis.call('HINCRBY', keys[1], 'g', 1)
  elseif args[1] == '0' and a[2] then
    redis.call('HDEL', keys[1], 'd')
  elseif args[2] == '1' then
    redis.call('HSET', keys[1], 'g', a[3])
  end
  return 1
end

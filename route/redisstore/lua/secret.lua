-- Replaces the hash of a secret. keys: account. args: hash. Returns whether there is such an account.
local function secret(keys, args)
  if redis.call('EXISTS', keys[1]) == 0 then return 0 end
  redis.call('HSET', keys[1], 's', args[1])
  redis.call('HINCRBY', keys[1], 'g', 1)
  return 1
end

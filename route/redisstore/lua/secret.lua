-- Replaces the hash of a secret. KEYS: account. ARGV: hash. Returns whether there is such an account.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 's', ARGV[1])
redis.call('HINCRBY', KEYS[1], 'g', 1)
return 1

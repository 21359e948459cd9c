-- Ends a session if it is still that one. The epoch stays, so that the next one is higher. KEYS: user. ARGV: epoch.
if redis.call('HGET', KEYS[1], 'e') == ARGV[1] then redis.call('HDEL', KEYS[1], 'o', 'd') end
return 0

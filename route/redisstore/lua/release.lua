-- Ends a session if it is still that one. The epoch stays, so that the next one is higher. keys: user. args: epoch.
local function release(keys, args)
  if redis.call('HGET', keys[1], 'e') == args[1] then redis.call('HDEL', keys[1], 'o', 'd') end
  return 0
end

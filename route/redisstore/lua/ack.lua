-- Acknowledges. keys: user, inbox. args: log epoch, seq.
local function ack(keys, args)
  local h = redis.call('HMGET', keys[1], 's', 'a', 'l', 'b', 't', 'x')
  acknowledge(keys[1], keys[2], h, args[1], tonumber(args[2]))
  return 0
end

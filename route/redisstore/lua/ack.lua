-- Acknowledges. KEYS: user, inbox. ARGV: log epoch, seq.
local h = redis.call('HMGET', KEYS[1], 's', 'a', 'l', 't', 'x')
acknowledge(KEYS[1], KEYS[2], h, ARGV[1], tonumber(ARGV[2]))
return 0

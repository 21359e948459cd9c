-- Reserves a name for an account that is about to be made. KEYS: name. ARGV: id, seconds, the reservation that may
-- be replaced ('': none). Returns what the name stands for now: an id, or r:id while that account is being made.
local now = redis.call('GET', KEYS[1])
if now and now ~= ARGV[3] then return now end
redis.call('SET', KEYS[1], 'r:' .. ARGV[1], 'EX', ARGV[2])
return 'r:' .. ARGV[1]

-- Makes a reserved name its account's for good. KEYS: name. ARGV: id. Returns whose the name is.
local now = redis.call('GET', KEYS[1])
if not now or now == 'r:' .. ARGV[1] or now == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1])
  return ARGV[1]
end
return now

-- Reserves a name for an account that is about to be made. keys: name. args: id, seconds, the reservation that may
-- be replaced ('': none). Returns what the name stands for now: an id, or r:id while that account is being made.
local function reserve(keys, args)
  local now = redis.call('GET', keys[1])
  if now and now ~= args[3] then return now end
  redis.call('SET', keys[1], 'r:' .. args[1], 'EX', args[2])
  return 'r:' .. args[1]
end

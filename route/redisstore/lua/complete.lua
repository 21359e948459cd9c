-- Makes a reserved name its account's for good. keys: name. args: id. Returns whose the name is.
local function complete(keys, args)
  local now = redis.call('GET', keys[1])
  if not now or now == 'r:' .. args[1] or now == args[1] then
    redis.call('SET', keys[1], args[1])
    return args[1]
  end
  return now
end

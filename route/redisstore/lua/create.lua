-- Makes an account unless its id has one. keys: account. args: name, kind, hash of the secret, whether to write even
-- when there is nothing to (see append). Returns 0 made, 1 there before, 2 the id is another name's; then kind, disabled.
local function create(keys, args)
  local a = redis.call('HMGET', keys[1], 'n', 'k', 'd', 'g')
  if not a[1] then
    redis.call('HSET', keys[1], 'n', args[1], 'k', args[2], 's', args[3], 'g', '1')
    return {0, args[2], '0'}
  end
  if a[1] ~= args[1] then return {2, '0', '0'} end
  if args[4] == '1' then redis.call('HSET', keys[1], 'g', a[4]) end
  return {1, a[2], a[3] or '0'}
end

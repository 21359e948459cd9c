-- Makes an account unless its id has one. KEYS: account. ARGV: name, kind, hash of the secret, whether to write even
-- when there is nothing to (see append). Returns 0 made, 1 there before, 2 the id is another name's; then kind, disabled.
local a = redis.call('HMGET', KEYS[1], 'n', 'k', 'd', 'g')
if not a[1] then
  redis.call('HSET', KEYS[1], 'n', ARGV[1], 'k', ARGV[2], 's', ARGV[3], 'g', '1')
  return {0, ARGV[2], '0'}
end
if a[1] ~= ARGV[1] then return {2, '0', '0'} end
if ARGV[4] == '1' then redis.call('HSET', KEYS[1], 'g', a[4]) end
return {1, a[2], a[3] or '0'}

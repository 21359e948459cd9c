-- Reads messages after a seq. KEYS: user, inbox. ARGV: after, how many at most, bytes at most.
-- Returns log epoch, last, acked, the first message's seq, then the elements.
local h = redis.call('HMGET', KEYS[1], 's', 'a', 'l')
local last, acked = tonumber(h[1] or 0), tonumber(h[2] or 0)
local after, limit, bytes = math.max(tonumber(ARGV[1]), acked), tonumber(ARGV[2]), tonumber(ARGV[3])
local page = {h[3] or '0', h[1] or '0', h[2] or '0', text(after + 1)}
local size, found = 0, 0
while found < limit and after + found < last do
  local from = after - acked + found
  local part = redis.call('LRANGE', KEYS[2], from, from + math.min(limit - found, 64) - 1)
  if #part == 0 then return page end
  for _, element in ipairs(part) do
    size = size + #element - 4
    if found > 0 and size > bytes then return page end
    found = found + 1
    page[#page + 1] = element
  end
end
return page

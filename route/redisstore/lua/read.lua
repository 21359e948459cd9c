-- Reads messages after a place. keys: user, inbox. args: log epoch and seq of the place, how many at most, bytes at most.
-- Where the place is in an earlier log, its messages are after what that log shares with the present one.
-- Returns log epoch, last, acked, how far the place's log is the same, the first message's seq, then the elements.
local function read(keys, args)
  local h = redis.call('HMGET', keys[1], 's', 'a', 'l', 'b')
  local last, acked, same = tonumber(h[1] or 0), tonumber(h[2] or 0), shared(h, args[1])
  local after = tonumber(args[2])
  if args[1] ~= (h[3] or '0') then after = math.min(after, same or 0) end
  after = math.max(after, acked)
  local limit, bytes = tonumber(args[3]), tonumber(args[4])
  local page = {h[3] or '0', h[1] or '0', h[2] or '0', same and text(same) or false, text(after + 1)}
  local size, found = 0, 0
  while found < limit and after + found < last do
    local from = after - acked + found
    local part = redis.call('LRANGE', keys[2], from, from + math.min(limit - found, 64) - 1)
    if #part == 0 then return page end
    for _, element in ipairs(part) do
      size = size + #element - 4
      if found > 0 and size > bytes then return page end
      found = found + 1
      page[#page + 1] = element
    end
  end
  return page
end

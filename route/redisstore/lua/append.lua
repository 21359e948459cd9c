-- A name's score is the second it was stored in and its seq modulo 2^20, which is enough to know the seq again.
local LOW = 1048576

-- The seq at which a message of that name was stored, among the last ones; nil: it was not.
local function known(dedup, name, last, second, window, names)
  local score = redis.call('ZSCORE', dedup, name)
  if not score then return nil end
  score = tonumber(score)
  local low = score % LOW
  local seq = last - (last - low) % LOW
  if second - (score - low) / LOW < window and last - seq < names then return seq end
  return nil
end

-- Stores the messages that a batch has for one receiver, in order.
-- keys: user, inbox, dedup, account. args: the inbox's cap of messages and of bytes, seconds and number of names
-- that are remembered, whether a duplicate has to write as well (WAIT proves only what its own connection
-- wrote); then for each message its name, whether the account has to exist, its body.
-- Returns owner, session epoch, device, log epoch, then for each message what became of it and its seq:
-- 0 stored, 1 a duplicate of seq, 2 the inbox is full, 3 no such account.
local function append(keys, args)
  local call = redis.call
  local user, inbox, dedup, account = keys[1], keys[2], keys[3], keys[4]
  local cap_messages, cap_bytes = tonumber(args[1]), tonumber(args[2])
  local window, names = tonumber(args[3]), tonumber(args[4])
  local time = call('TIME')
  local h = call('HMGET', user, 'e', 'o', 'd', 's', 'a', 'l', 't', 'x', 'm', 'b', 'r')
  local last, acked, log = tonumber(h[4] or 0), tonumber(h[5] or 0), h[6]
  local total, dropped, latest = tonumber(h[7] or 0), tonumber(h[8] or 0), tonumber(h[9] or 0)
  local answer, first, exists = {h[2] or '', h[1] or '0', h[3] or '', ''}, last, nil
  -- Names stay sorted by seq although the clock of a new master may be behind.
  local second = math.max(tonumber(time[1]), latest)

  for i = 6, #args, 3 do
    local name, body = args[i], args[i + 2]
    if args[i + 1] == '1' and exists == nil then exists = call('EXISTS', account) == 1 end
    local code, seq = 0, nil
    if args[i + 1] == '1' and not exists then
      code, seq = 3, 0
    else
      seq = known(dedup, name, last, second, window, names)
      if seq then
        code = 1
      elseif last - acked >= cap_messages or (total - dropped) % WRAP + #body > cap_bytes then
        code, seq = 2, 0
      else
        if not log then
          log = name_log(user, time)
        elseif last == first and history(time[1]) ~= h[11] then
          -- What is stored after the end may have been lost must not pass for what was there: it is another log.
          log = begin_log(user, log, h[10], last, time)
        end
        last = last + 1
        total = (total + #body) % WRAP
        if last % LOW == 0 then second = second + 1 end
        call('RPUSH', inbox, struct.pack('>I4', total) .. body)
        call('ZADD', dedup, second * LOW + last % LOW, name)
        seq = last
      end
    end
    answer[#answer + 1] = code
    answer[#answer + 1] = seq
  end

  if last > first then
    call('HSET', user, 's', last, 't', total, 'm', second)
    if second ~= latest then call('EXPIRE', dedup, window + 1) end
    if math.floor(last / 16) ~= math.floor(first / 16) then -- what is over is ignored until it goes
      call('ZREMRANGEBYRANK', dedup, 0, -(names + 1))
      call('ZREMRANGEBYSCORE', dedup, '-inf', '(' .. text((second - window) * LOW))
    end
  elseif args[5] == '1' and h[4] then
    call('HSET', user, 's', h[4])
  end
  answer[4] = log or '0'
  return answer
end

-- Stores the messages that a batch has for one receiver, in order.
-- KEYS: user, inbox, dedup, account. ARGV: the inbox's cap of messages and of bytes, seconds and number of names
-- that are remembered, whether a duplicate has to write as well (WAIT proves only what its own connection
-- wrote); then for each message its name, whether the account has to exist, its body.
-- Returns owner, session epoch, device, log epoch, then for each message what became of it and its seq:
-- 0 stored, 1 a duplicate of seq, 2 the inbox is full, 3 no such account.
local call = redis.call
local user, inbox, dedup, account = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local cap_messages, cap_bytes = tonumber(ARGV[1]), tonumber(ARGV[2])
local window, names = tonumber(ARGV[3]), tonumber(ARGV[4])
-- A name's score is the second it was stored in and its seq modulo 2^20, which is enough to know the seq again.
local LOW = 1048576

local t = call('TIME')
local sec = tonumber(t[1])
local h = call('HMGET', user, 'e', 'o', 'd', 's', 'a', 'l', 't', 'x', 'm')
local last, acked = tonumber(h[4] or 0), tonumber(h[5] or 0)
local total, dropped, latest = tonumber(h[7] or 0), tonumber(h[8] or 0), tonumber(h[9] or 0)
local first = last
local exists = nil
local answer = {h[2] or '', h[1] or '0', h[3] or '', ''}

-- Names stay sorted by seq although the clock of a new master may be behind.
if sec < latest then sec = latest end

local function known(name)
  local score = call('ZSCORE', dedup, name)
  if not score then return nil end
  score = tonumber(score)
  local low = score % LOW
  local seq = last - (last - low) % LOW
  if sec - (score - low) / LOW < window and last - seq < names then return seq end
  return nil
end

local function store(name, body)
  last = last + 1
  total = (total + #body) % WRAP
  if last % LOW == 0 then sec = sec + 1 end
  call('RPUSH', inbox, struct.pack('>I4', total) .. body)
  call('ZADD', dedup, sec * LOW + last % LOW, name)
end

for i = 6, #ARGV, 3 do
  local name, body = ARGV[i], ARGV[i + 2]
  if ARGV[i + 1] == '1' and exists == nil then exists = call('EXISTS', account) == 1 end
  local code, seq = 0, nil
  if ARGV[i + 1] == '1' and not exists then
    code, seq = 3, 0
  else
    seq = known(name)
    if seq then
      code = 1
    elseif last - acked >= cap_messages or (total - dropped) % WRAP + #body > cap_bytes then
      code, seq = 2, 0
    else
      store(name, body)
      seq = last
    end
  end
  answer[#answer + 1] = code
  answer[#answer + 1] = seq
end

if last > first then
  local log = h[6] or text(math.max(1, t[1] * 1000 + math.floor(t[2] / 1000)))
  call('HSET', user, 's', last, 't', total, 'm', sec, 'l', log)
  h[6] = log
  if sec ~= latest then call('EXPIRE', dedup, window + 1) end
  if math.floor(last / 16) ~= math.floor(first / 16) then -- what is over is ignored until it goes
    call('ZREMRANGEBYRANK', dedup, 0, -(names + 1))
    call('ZREMRANGEBYSCORE', dedup, '-inf', '(' .. text((sec - window) * LOW))
  end
elseif ARGV[5] == '1' and h[4] then
  call('HSET', user, 's', h[4])
end
answer[4] = h[6] or '0'
return answer

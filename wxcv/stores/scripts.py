"""The Lua scripts of RedisStore.

When a connection breaks, redis-py sends a script again that Redis may have run. GIVE_BACK and ACQUIRE notice
it; the others do no harm when run twice: TAKE and COUNT_FORCED_REFRESH then allow one less, never one more.
"""

# A token is stored as "wxcv1 GENERATION ENDS_AT VALUE". A value in another format is treated as absent and
# overwritten; pcall, because a foreign key may even have another type.
_PARSE = """
local function parse(text)
  if type(text) ~= 'string' then return 0 end
  local generation, ends_at, value = string.match(text, '^wxcv1 (%d+) (%d+%.?%d*) ([%w%p]+)$')
  return tonumber(generation) or 0, ends_at, value
end
local text = redis.pcall('GET', KEYS[1])
local generation, ends_at, value = parse(text)
"""
SAVE = (
    _PARSE
    + """
if generation >= tonumber(ARGV[1]) then return 0 end
if ARGV[5] ~= '' and redis.pcall('GET', KEYS[2]) ~= ARGV[5] then return 0 end
redis.call('SET', KEYS[1], 'wxcv1 ' .. ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3], 'PX', ARGV[4])
return 1
"""
)
INVALIDATE = (
    _PARSE
    + """
if value == ARGV[1] then
  redis.call('SET', KEYS[1], 'wxcv1 ' .. string.format('%d', generation) .. ' 0 ' .. value, 'KEEPTTL')
end
return 0
"""
)
LOAD = (
    _PARSE
    + """
if not value then return false end
return {string.format('%d', generation), ends_at, value, redis.call('PTTL', KEYS[1])}
"""
)
# A key without expiry, or not a string, is not a lease.
ACQUIRE = """
local owner = redis.pcall('GET', KEYS[1])
if type(owner) == 'string' and owner ~= ARGV[1] and redis.call('PTTL', KEYS[1]) > 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
RELEASE = """
if redis.pcall('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0
"""
LOAD_TEXT = """
local text = redis.pcall('GET', KEYS[1])
return type(text) == 'string' and text or ''
"""
SAVE_TEXT = """
redis.call('SET', KEYS[1], ARGV[1])
return 1
"""
COUNT_FORCED_REFRESH = """
local text = redis.pcall('GET', KEYS[1])
local day, count, at = string.match(type(text) == 'string' and text or '', '^(%d+) (%d+) (%d+)$')
local now = tonumber(ARGV[1])
local today = math.floor(now / 86400)
if tonumber(day) ~= today then count = 0 end
if at and now - tonumber(at) < tonumber(ARGV[2]) and now >= tonumber(at) then return 0 end
if tonumber(count) >= tonumber(ARGV[3]) then return 0 end
local new = string.format('%d %d %d', today, tonumber(count) + 1, math.floor(now))
redis.call('SET', KEYS[1], new, 'EX', 172800)
return 1
"""

# A count and its marks are kept as "wxcv1 COUNT RESETS_AT IS_DAY_SPENT PROBED_AT"; PROBED_AT is "-" unless
# the market quota is marked as used up. Anything else under the key is no count: the scripts return false.
# A day that ends in more than two days was begun by a wrong clock.
_COUNT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local text = redis.pcall('GET', KEYS[1])
local count, resets_at, is_spent, probed_at = 0, 0, 0, nil
if text then
  local pattern = '^wxcv1 (%d+) (%d+) ([01]) (%S+)$'
  local parts = {string.match(type(text) == 'string' and text or '', pattern)}
  if not parts[1] then return false end
  count, resets_at, is_spent = tonumber(parts[1]), tonumber(parts[2]), tonumber(parts[3])
  probed_at = tonumber(parts[4])
end
local function begin_day(end_of_day)
  if now < resets_at and resets_at <= now + 172800 then return end
  count, resets_at, is_spent = 0, end_of_day, 0
end
local function end_of_day(reset_hour)
  local shift = (8 - tonumber(reset_hour)) * 3600
  return (math.floor((now + shift) / 86400) + 1) * 86400 - shift
end
local function keep()
  local mark = probed_at and string.format('%.3f', probed_at) or '-'
  text = string.format('wxcv1 %d %d %d %s', count, resets_at, is_spent, mark)
  redis.call('SET', KEYS[1], text, 'EX', 604800)
end
"""
TAKE = (
    _COUNT
    + """
begin_day(end_of_day(ARGV[2]))
if is_spent == 1 then return {0, resets_at, 'day', 0} end
if count >= tonumber(ARGV[1]) then return {0, resets_at, 'limit', 0} end
local is_probe = 0
if probed_at then
  if math.abs(now - probed_at) < tonumber(ARGV[3]) then return {0, resets_at, 'market', 0} end
  probed_at, is_probe = now, 1
end
count = count + 1
keep()
return {count, resets_at, '', is_probe}
"""
)
GIVE_BACK = (
    _COUNT
    + """
if resets_at == tonumber(ARGV[1]) and now < resets_at then
  if redis.call('SADD', KEYS[2], ARGV[3]) == 0 then return {1} end
  redis.call('EXPIREAT', KEYS[2], string.format('%d', resets_at))
  count = math.max(0, count - 1)
end
if ARGV[2] == '1' and probed_at then probed_at = 0 end
keep()
return {1}
"""
)
MARK_DAY_SPENT = (
    _COUNT
    + """
if now >= tonumber(ARGV[1]) then return {1} end
begin_day(tonumber(ARGV[1]))
is_spent = 1
keep()
return {1}
"""
)
MARK_MARKET_SPENT = (
    _COUNT
    + """
probed_at = now
keep()
return {1}
"""
)
RELEASE_PROBE = (
    _COUNT
    + """
if probed_at then probed_at = 0 end
keep()
return {1}
"""
)
CLEAR_MARKS = (
    _COUNT
    + """
is_spent, probed_at = 0, nil
keep()
return {1}
"""
)
LOAD_USAGE = (
    _COUNT
    + """
begin_day(end_of_day(ARGV[1]))
return {count, resets_at, is_spent, probed_at and 1 or 0}
"""
)
FIND_ANSWER = """
local length = redis.pcall('STRLEN', KEYS[1])
if type(length) ~= 'number' or length == 0 or length > tonumber(ARGV[1]) then return false end
return redis.call('GET', KEYS[1])
"""
KEEP_ANSWER = """
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

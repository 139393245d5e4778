"""The Lua scripts of RedisStore."""

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
if type(redis.pcall('GET', KEYS[1])) == 'string' and redis.call('PTTL', KEYS[1]) > 0 then return 0 end
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
MAY_FORCE = """
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

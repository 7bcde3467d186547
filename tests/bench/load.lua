-- load.lua - one load for wrk, chosen by $LOAD; prints one line: requests, seconds, p50 us, p99 us, errors.
-- $PACE_MS: each connection waits so long before it asks again (default: not at all).
local load = os.getenv('LOAD')
local pace_ms = tonumber(os.getenv('PACE_MS') or '')
local token = os.getenv('TOKEN')
local rest = os.getenv('REST')
local value = '"' .. string.rep('v', 198) .. '"'
local thread_number = 0
local n = 0

function setup(thread)
  thread_number = thread_number + 1
  thread:set('me', thread_number)
end

function init()
  wrk.headers['Authorization'] = 'Bearer ' .. token
  math.randomseed(me)
end

if pace_ms then
  function delay() return pace_ms end
end

-- Keys of a thread never meet another thread's; 100,000 of each.
local function own_key()
  n = n + 1
  return 'bench:' .. me .. ':' .. (n % 100000)
end

-- What asks for the same each time is put together once.
local function always(path)
  local text
  return function()
    text = text or wrk.format('GET', path)
    return text
  end
end

local get = always('/sdk/v1/kv/bench:get')
local loads = {
  null = always('/get'),
  get = get,
  put = function() return wrk.format('PUT', '/sdk/v1/kv/' .. own_key(), nil, value) end,
  hot = function() return wrk.format('PUT', '/sdk/v1/kv/bench:hot', nil, value) end,
  list = always('/sdk/v1/kv?prefix=list:'),
  large = always('/sdk/v1/kv/bench:large'),
  mix = function()
    if math.random(10) == 1 then return wrk.format('PUT', '/sdk/v1/kv/' .. own_key(), nil, value) end
    return get()
  end,
  rest_get = always((rest or '') .. '/values/bench:get'),
  rest_large = always((rest or '') .. '/values/bench:large'),
  rest_list = always((rest or '') .. '/keys?prefix=list:'),
  file = always('/files/get'),
  file_large = always('/files/large'),
  redis_get = always('/redis/GET/bench:get.txt'),
  redis_large = always('/redis/GET/bench:large.txt'),
  redis_put = function() return wrk.format('PUT', '/redis/SET/' .. own_key(), nil, value) end,
  redis_list = always('/redis/LRANGE/list/0/-1'),
}
request = loads[load]

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT %d %.3f %d %d %d\n', summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end

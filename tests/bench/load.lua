-- load.lua - one load for wrk, chosen by $LOAD; prints one line: requests, seconds, p50 us, p99 us, errors.
local load = os.getenv('LOAD')
local token = os.getenv('TOKEN')
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

-- Keys of a thread never meet another thread's; 100,000 of each.
local function own_key()
  n = n + 1
  return '/sdk/v1/kv/bench:' .. me .. ':' .. (n % 100000)
end

local loads = {
  null = function() return wrk.format('GET', '/get') end,
  get = function() return wrk.format('GET', '/sdk/v1/kv/bench:get') end,
  put = function() return wrk.format('PUT', own_key(), nil, value) end,
  hot = function() return wrk.format('PUT', '/sdk/v1/kv/bench:hot', nil, value) end,
  list = function() return wrk.format('GET', '/sdk/v1/kv?prefix=list:') end,
  mix = function()
    if math.random(10) == 1 then return wrk.format('PUT', own_key(), nil, value) end
    return wrk.format('GET', '/sdk/v1/kv/bench:get')
  end,
}
request = loads[load]

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT %d %.3f %d %d %d\n', summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end

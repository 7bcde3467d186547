-- growth.lua - for tests/bench/growth: one load for wrk, chosen by $LOAD, on $KEYS keys in each of the projects whose
-- tokens stand in the file $TOKENS, a line each; prints the line that load.lua prints.
-- $PACE_MS: each connection waits so long before it asks again (default: not at all).
local load = os.getenv('LOAD')
local keys = tonumber(os.getenv('KEYS'))
local size = tonumber(os.getenv('SIZE') or '200')
local pace_ms = tonumber(os.getenv('PACE_MS') or '')
local random, format = math.random, string.format
local HOT = 100
local value = '"' .. string.rep('w', size - 2) .. '"'
local headers, thread_number = {}, 0

function setup(thread)
  thread_number = thread_number + 1
  thread:set('me', thread_number)
end

function init()
  math.randomseed(os.time() * 16 + me)
  for token in io.lines(os.getenv('TOKENS')) do
    headers[#headers + 1] = { ['Authorization'] = 'Bearer ' .. token }
  end
end

if pace_ms then
  function delay() return pace_ms end
end

local function any_header()
  return headers[random(#headers)]
end

local function path(i)
  return format('/sdk/v1/kv/key:%08d', i)
end

-- All keys alike; or a hundred of them, spread over all.
local function any() return path(random(0, keys - 1)) end
local function hot() return path(random(0, HOT - 1) * math.floor(keys / HOT)) end

-- The first, or last, hundred keys.
local function list(last)
  local prefix = format('/sdk/v1/kv?prefix=key:%06d', last and math.floor((keys - 1) / 100) or 0)
  return function() return wrk.format('GET', prefix, any_header()) end
end

local loads = {
  get = function() return wrk.format('GET', any(), any_header()) end,
  hot = function() return wrk.format('GET', hot(), any_header()) end,
  put = function() return wrk.format('PUT', any(), any_header(), value) end,
  list_first = list(false),
  list_last = list(true),
}
request = loads[load]

-- walk: pages of 1,000 names, one behind the other, from the first key to the last.
if load == 'walk' then
  local cursor = ''
  function request()
    return wrk.format('GET', os.getenv('REST') .. '/keys?limit=1000&cursor=' .. cursor, headers[1])
  end
  function response(_, _, body)
    cursor = body:match('"cursor":"([^"]*)"') or ''
    if cursor == '' then os.exit(0) end
  end
end

function done(summary, latency)
  local e = summary.errors
  io.write(format('RESULT %d %.3f %d %d %d\n', summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end

-- stay.lua - for tests/bench/expire: gets or puts ($LOAD) of the keys that stay, one in $STAY of $KEYS, each
-- connection after a pause of $PACE_MS; prints the line that load.lua prints.
local load = os.getenv('LOAD')
local pace_ms = tonumber(os.getenv('PACE_MS'))
local keys, stay = tonumber(os.getenv('KEYS')), tonumber(os.getenv('STAY'))
local value = '"' .. string.rep('w', 200) .. '"'

function init()
  wrk.headers['Authorization'] = 'Bearer ' .. os.getenv('TOKEN')
  math.randomseed(os.time())
end

function delay() return pace_ms end

function request()
  local path = string.format('/sdk/v1/kv/session:%09d', math.random(0, keys / stay - 1) * stay)
  if load == 'put' then return wrk.format('PUT', path, nil, value) end
  return wrk.format('GET', path)
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT %d %.3f %d %d %d\n', summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end

-- load.lua - for tests/bench/rules: gets or lists ($LOAD) for wrk; prints one line: requests, seconds, p50 us, p99 us, errors.
local load = os.getenv('LOAD')
local paths = { get = '/sdk/v1/kv/bench:get', list = '/sdk/v1/kv?prefix=list:' }
local text

function init()
  wrk.headers['Authorization'] = 'Bearer ' .. os.getenv('TOKEN')
  text = wrk.format('GET', paths[load])
end

-- It asks for the same each time, so that is put together once.
function request() return text end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT %d %.3f %d %d %d\n', summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end

-- Requests one path at a steady rate, and prints the latencies in microseconds, for wrk.py.
--
--     wrk … -s steady.lua URL -- PAUSE
--
-- PAUSE is in milliseconds.

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   pause, wrong = tonumber(args[1]), 0
end

function delay()
   return pause
end

function response(status)
   if status ~= 200 then
      wrong = wrong + 1
   end
end

function done(summary, latency)
   local errors, failed = summary.errors, 0
   for _, thread in ipairs(threads) do
      failed = failed + thread:get("wrong")
   end
   print("failed\t" .. failed + errors.connect + errors.read + errors.write + errors.timeout)
   print("answers\t" .. summary.requests)
   print("median\t" .. latency:percentile(50))
   print("p99\t" .. latency:percentile(99))
end

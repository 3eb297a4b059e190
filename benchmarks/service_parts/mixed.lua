-- Sends good and bad images and requests of /healthz in random order at a steady rate, and checks every answer.
--
--     wrk … -s mixed.lua URL -- FOLDER SEED PAUSE
--
-- FOLDER/requests.tsv lists the requests, a line each: kind, name, file of the body, media type, allowed statuses
-- separated by commas, and the file that the answer has to equal; `-` for none. PAUSE is in milliseconds.
--
-- wrk does not say which request an answer belongs to. Its id does, which the service has to give back.

local threads = {}

function setup(thread)
   table.insert(threads, thread)
   thread:set("number", #threads)
end

local function content(path)
   local file = assert(io.open(path, "rb"))
   local found = file:read("*a")
   file:close()
   return found
end

function init(args)
   folder, pause = args[1], tonumber(args[3])
   math.randomseed(tonumber(args[2]) + number)
   requests, counts, wrong = {}, {}, {}
   kinds = {}
   for line in io.lines(folder .. "/requests.tsv") do
      local kind, name, body, media, statuses, answer = line:match("^(.-)\t(.-)\t(.-)\t(.-)\t(.-)\t(.-)$")
      local request = { kind = kind, name = name, statuses = "," .. statuses .. "," }
      request.answer = answer ~= "-" and content(folder .. "/" .. answer) or nil
      local headers = { ["X-Request-ID"] = "wrk-" .. #requests + 1 }
      if body == "-" then
         request.text = wrk.format("GET", "/healthz", headers)
      else
         headers["Content-Type"] = media
         request.text = wrk.format("POST", "/v1/denoise", headers, content(folder .. "/" .. body))
      end
      table.insert(requests, request)
      kinds[kind] = kinds[kind] or {}
      table.insert(kinds[kind], request)
   end
   choices = { kinds.good, kinds.good, kinds.bad, kinds.healthz }
end

function delay()
   return math.random(pause, 3 * pause)
end

function request()
   local kind = choices[math.random(#choices)]
   return kind[math.random(#kind)].text
end

local function error_of(sent, status, headers, body)
   if status == 429 then
      return not headers["retry-after"] and "429 without Retry-After"
   elseif not sent.statuses:find("," .. status .. ",", 1, true) then
      return "answered " .. status .. " " .. body:sub(1, 200)
   elseif sent.kind == "good" then
      return body ~= sent.answer and "another image than the command line's"
   elseif sent.kind == "bad" then
      if headers["content-type"] ~= "application/problem+json" then
         return "refused as " .. tostring(headers["content-type"])
      end
      for _, member in ipairs({ "type", "title", "status", "detail", "instance" }) do
         if not body:find('"' .. member .. '"%s*:') then
            return "refused without " .. member
         end
      end
   end
end

function response(status, headers, body)
   local lowered = {}
   for name, value in pairs(headers) do
      lowered[name:lower()] = value
   end
   local sent = requests[tonumber((lowered["x-request-id"] or ""):match("^wrk%-(%d+)$"))]
   if not sent then
      table.insert(wrong, "an answer to no request: " .. status)
      return
   end
   local counted = sent.kind .. " " .. status
   counts[counted] = (counts[counted] or 0) + 1
   local message = error_of(sent, status, lowered, body)
   if message then
      table.insert(wrong, sent.name .. ": " .. message)
   end
end

-- Lines of three fields each, for wrk.py.
local function write_line(kind, what, number)
   print(kind .. "\t" .. what:gsub("[^%g ]", " ") .. "\t" .. number)
end

function done(summary)
   for _, thread in ipairs(threads) do
      for what, count in pairs(thread:get("counts")) do
         write_line("count", what, count)
      end
      for _, message in ipairs(thread:get("wrong")) do
         write_line("wrong", message, 1)
      end
   end
   for _, what in ipairs({ "connect", "read", "write", "timeout" }) do
      if summary.errors[what] > 0 then
         write_line("wrong", "connections with errors of " .. what, summary.errors[what])
      end
   end
end

-- Adds jobs, each with a URL that was never used before: wrk -s adds.lua URL -- TARGET
-- A constant URL would flatter what has a cache of parsed URLs.
local n = 0
local headers = { ["Content-Type"] = "application/json" }
local before

function init(args)
  before = '{"url":"' .. args[1] .. "?n="
end

function request()
  n = n + 1
  return wrk.format("POST", "/add", headers, before .. n .. '"}')
end

-- tmakv.lua - what lighttpd's own directives cannot say (tmakv.conf beside it names this file twice).
--
-- Before a request goes to tmakvd: an id of its own, and no header whose name could pass for another's. Before an
-- answer goes out: one that lighttpd made by itself is put into the shape that the client packages expect.

local r = lighty.r

local words = {
    [400] = { "bad_request", 10029, "the request cannot be understood" },
    [403] = { "forbidden", 9109, "this address is not allowed here" },
    [404] = { "bad_request", 10029, "the request cannot be understood" },
    [405] = { "method_not_allowed", 7001, "this path does not take this method; see the Allow header" },
    [408] = { "timeout", 10001, "the request took too long" },
    [411] = { "bad_request", 10029, "the request cannot be understood" },
    [413] = { "value_too_large", 10024, "the body is larger than allowed here" },
    [414] = { "key_too_long", 10030, "a key has at most 512 bytes" },
    [417] = { "bad_request", 10029, "the request cannot be understood" },
    [431] = { "headers_too_large", 10029, "the request's headers are too large" },
    [501] = { "bad_request", 10001, "the body's transfer encoding is not known here; send its length instead" },
    [502] = { "unavailable", 10001, "the service is not answering; try again" },
    [503] = { "unavailable", 10001, "the service is starting or stopping; try again" },
    [504] = { "timeout", 10001, "the answer took too long; a write may have happened" },
    [505] = { "bad_request", 10001, "this version of HTTP is not spoken here" },
}
local other = { "internal", 10001, "something went wrong here; the log says more" }
-- 404 means "no such key", and only tmakvd may say that. tmakvd that died under a request is lighttpd's 500, one that
-- is not there its 503; both are what other front servers call 502.
local instead = { [404] = 400, [500] = 502, [503] = 502 }

local methods = { GET = true, HEAD = true, PUT = true, POST = true, PATCH = true, DELETE = true, OPTIONS = true }

local function random()
    return lighty.c.rand() & 0xffffffff
end

local function new_id()
    return string.format("%08x%08x%08x%08x", random(), random(), random(), random())
end

local function before_the_request()
    -- Bytes that may not stand in a request line, and would be a key's.
    if r.req_attr["request.orig-uri"]:find("[%c ]") then return 400 end
    r.req_env["REQUEST_ID"] = new_id()
    -- "X_Project_Id" must not pass for "X-Project-Id": both would be HTTP_X_PROJECT_ID.
    for name in pairs(r.req_header) do
        if name:find("_", 1, true) then r.req_header[name] = nil end
    end
    -- A part of an answer is no JSON.
    r.req_header["Range"] = nil
end

local function own_error(status)
    status = instead[status] or status
    -- A method that it does not know is 501 to it, as a transfer encoding is.
    if status == 501 and not methods[r.req_attr["request.method"] or ""] then status = 405 end
    local code, number, text = table.unpack(words[status] or other)
    local path = r.req_attr["request.orig-uri"] or ""
    local id = r.req_env["REQUEST_ID"] or new_id()

    if path:find("^/client/v4") then
        r.resp_body.set(string.format(
            '{"success":false,"errors":[{"code":%d,"message":"%s"}],"messages":[],"result":null}', number, text))
    else
        r.resp_body.set(string.format('{"success":false,"error":"%s","code":"%s"}', text, code))
    end
    -- A page may read it, whatever its origin; there is nothing of anybody's in it.
    r.resp_header["Content-Type"] = "application/json"
    r.resp_header["Access-Control-Allow-Origin"] = "*"
    r.resp_header["Access-Control-Expose-Headers"] = "ETag, X-KV-Writes, Retry-After, X-Request-Id"
    r.resp_header["Cache-Control"] = "no-store"
    r.resp_header["X-Request-Id"] = id
    if status == 405 then r.resp_header["Allow"] = "GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS" end
    if status == 429 or status == 502 or status == 503 then r.resp_header["Retry-After"] = "1" end
    return status
end

local status = r.req_item.http_status
if status == 0 then
    return before_the_request()
end
if status == 200 then r.resp_header["Accept-Ranges"] = "none" end
-- tmakvd's answers have the request's id.
if status >= 400 and not r.resp_header["X-Request-Id"] then
    return own_error(status)
end

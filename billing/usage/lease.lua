-- Grants one gateway tokens of one tenant's month, never more than the limit leaves.
-- KEYS: epoch, gateways, wanted, account.
-- ARGV: generation, gateway, what it holds, limit, most tokens at once, the total that it knows,
--       'fresh' when the ledger was asked for it just now and 'blind' when nobody can ask it,
--       ms for which a total is believed, month's end in ms, the account's name.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gateway, holds, limit = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return {'over'} end
if tonumber(redis.call('HGET', KEYS[2], gateway) or 0) <= now then return {'over'} end

local used, fresh, held, dead_held, dead = 0, 0, 0, 0, {}
local account = redis.call('HGETALL', KEYS[4])
for i = 1, #account, 2 do
    local name, value = account[i], tonumber(account[i + 1])
    local holder = string.sub(name, 1, 2) == 'o:' and string.sub(name, 3)
    if name == 'used' then
        used = value
    elseif name == 'fresh' then
        fresh = value
    elseif holder and holder ~= gateway then
        if tonumber(redis.call('HGET', KEYS[2], holder) or 0) > now then
            held = held + value
        else
            dead_held = dead_held + value
            dead[#dead + 1] = name
        end
    end
end

-- A total only grows, so the larger one is the newer. Without it, what this gateway recorded and
-- doesn't hold any more would be nowhere.
used = math.max(used, tonumber(ARGV[6]))
if ARGV[7] == 'fresh' then
    -- What a dead gateway had recorded is in this total; what it hadn't, nobody knows any more.
    fresh = now
    for _, name in ipairs(dead) do redis.call('HDEL', KEYS[4], name) end
elseif ARGV[7] == 'blind' then
    held = held + dead_held
elseif #dead > 0 or fresh + tonumber(ARGV[8]) <= now then
    return {'ask'}
end

local committed = used + held + holds
local free = limit - committed
local size = math.max(1, math.min(tonumber(ARGV[5]), math.floor(limit / 100), math.floor(free / 8)))
local grant = math.max(0, math.min(size, free))
redis.call('HSET', KEYS[4], 'used', used, 'fresh', fresh, 'o:' .. gateway, holds + grant)
redis.call('PEXPIREAT', KEYS[4], ARGV[9])
if grant == 0 then
    redis.call('ZADD', KEYS[3], now, ARGV[10])
end
return {'granted', grant, committed, held}

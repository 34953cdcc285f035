-- Takes what one gateway holds of some accounts, and what the ledger has of them.
-- KEYS: epoch, gateways, accounts…  ARGV: generation, gateway, then for each account what it holds,
-- the ledger's total (or ''), the month's end in ms.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HGET', KEYS[1], 'generation') ~= ARGV[1] then return {'over'} end
if tonumber(redis.call('HGET', KEYS[2], ARGV[2]) or 0) <= now then return {'over'} end

local mine = 'o:' .. ARGV[2]
for i = 3, #KEYS do
    local at = 3 * (i - 2)
    local holds, total = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    if holds > 0 then
        redis.call('HSET', KEYS[i], mine, holds)
    else
        redis.call('HDEL', KEYS[i], mine)
    end
    if total then
        local used = tonumber(redis.call('HGET', KEYS[i], 'used') or 0)
        redis.call('HSET', KEYS[i], 'used', math.max(used, total), 'fresh', now)
    end
    redis.call('PEXPIREAT', KEYS[i], ARGV[at + 2])
end
return {'told'}

-- A gateway's sign of life. A server that forgot everything, or was started again and may have
-- forgotten its last second, begins a new generation: no token of an older one is worth anything.
-- KEYS: epoch, gateways, wanted. ARGV: the server's run, gateway, ms that it is believed to live for,
-- the moment of its last beat.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then
    redis.call('DEL', KEYS[2], KEYS[3])
    redis.call('HSET', KEYS[1], 'run', ARGV[1], 'generation', ARGV[1] .. ':' .. now, 'at', now)
end
redis.call('HSET', KEYS[2], ARGV[2], now + tonumber(ARGV[3]))
local gateways = redis.call('HGETALL', KEYS[2])
for i = 1, #gateways, 2 do
    -- Whoever isn't there counts as dead.
    if tonumber(gateways[i + 1]) + 60000 < now then redis.call('HDEL', KEYS[2], gateways[i]) end
end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - 10000)
return {
    redis.call('HGET', KEYS[1], 'generation'),
    now - tonumber(redis.call('HGET', KEYS[1], 'at')),
    now,
    redis.call('ZRANGEBYSCORE', KEYS[3], ARGV[4], '+inf'),
}

-- One account's budget, kept for all replicas. Times are in milliseconds by Redis' clock.
--
-- KEYS: day      a sorted set of the calls of 24 hours by their times, and a mark "#<born>" that is lost with it
--       pace     a hash: the rate, when the next call may leave, since when nothing was throttled, when it was written
--       members  a hash: number -> "<replica> <lease ends> <promise>"
-- ARGV: what is asked, the replica, calls a day, calls a second, replicas, until when the question is of use (0: unknown),
--       the rate the replica knows of; then what belongs to the question:
--       take       the call as "<id> <caller>"
--       throttled  how long Amazon asks to wait
--       sync       the time from which calls are told, 0, then times and calls to add: those that Redis may lack
--       return     the same from a replica that was on its own; the second is how long it must not call yet
--       leave      nothing
-- Answers: verdict, now, wait, rate, number (-1: none), promise, calls in the day, then calls and their times.

local DAY, LEASE, SETTLE, FORGET, CLEAN = 86400000, 2500, 2000, 3600000, 60000
local SLOWEST = 0.1
local PAGE = 1000

local day, pace, members = KEYS[1], KEYS[2], KEYS[3]
local op, id = ARGV[1], ARGV[2]
local limit, full, replicas = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local useful_until, known = tonumber(ARGV[6]), tonumber(ARGV[7])

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
-- Whoever sent it has long given up, and goes by that.
if useful_until > 0 and now > useful_until then
    return {'late', tostring(now), '0', tostring(known), '-1', '0', '0'}
end

redis.call('ZREMRANGEBYSCORE', day, '-inf', now - DAY)
local mark = redis.call('ZRANGE', day, -1, -1)[1]
if not mark or mark:sub(1, 1) ~= '#' then
    mark = '#' .. string.format('%.0f', now)
    redis.call('ZADD', day, '+inf', mark)
end
local settles_in = replicas > 1 and tonumber(mark:sub(2)) + SETTLE - now or 0

local stored = redis.call('HMGET', pace, 'rate', 'next', 'clean', 'at')
local rate, next_at, clean = tonumber(stored[1] or known), tonumber(stored[2] or now), tonumber(stored[3] or now)
rate = math.min(rate, full)
if not stored[1] then
    next_at = now + 1000 / rate
elseif tonumber(stored[4]) > now then
    -- The clock was set back, or another server's is behind.
    next_at, clean = next_at - tonumber(stored[4]) + now, now
end
while rate < full and now - clean >= CLEAN do
    clean, rate = clean + CLEAN, math.min(rate + full / 10, full)
end

-- A member whose lease has run out may be calling on its own: its slots and its promise are left to it.
local mine, own, taken, promised, lacking, oldest = nil, 0, {}, 0, 0, nil
local all = redis.call('HGETALL', members)
for i = 1, #all, 2 do
    local number = tonumber(all[i])
    local who, ends, promise = all[i + 1]:match('^(%S+) (%d+) (%d+)$')
    ends, promise = tonumber(ends), tonumber(promise)
    if number >= replicas or now - ends > FORGET then
        redis.call('HDEL', members, number)
    elseif who == id then
        mine, own = number, promise
    else
        taken[number] = promise
        promised = promised + promise
        if ends < now then
            lacking = lacking + 1
            if not oldest or ends < oldest.ends then
                oldest = {number = number, ends = ends}
            end
        end
    end
end

local verdict, wait = 'ok', 0
if op == 'leave' then
    if mine then
        redis.call('HDEL', members, mine)
    end
    return {'ok', tostring(now), '0', tostring(rate), '-1', '0', '0'}
end

-- From here on it is a member, unless it has been on its own and only now tells of it.
if op ~= 'return' and not mine then
    for number = 0, replicas - 1 do
        if not mine and not taken[number] then
            mine = number
        end
    end
    -- No more than so many run at once, so the one that was not heard of for longest is gone.
    if not mine and oldest then
        mine, lacking, promised = oldest.number, lacking - 1, promised - taken[oldest.number]
    end
end

-- The first moment from `at` on at which a call may leave in a slot of its own.
local function in_own_slot(at)
    local slot, window = 1250 / full, 125 / full
    local n = math.floor(at / slot)
    if n % replicas == mine and at - n * slot <= window then
        return at
    end
    return (n + 1 + (mine - n - 1) % replicas) * slot
end

local spent = redis.call('ZCARD', day) - 1
if op == 'return' or op == 'sync' then
    for i = 10, #ARGV, 2 do
        if tonumber(ARGV[i]) > now - DAY then
            redis.call('ZADD', day, 'NX', ARGV[i], ARGV[i + 1])
        end
    end
    spent = redis.call('ZCARD', day) - 1
    if op == 'return' then
        rate = math.min(rate, known)
        next_at = math.max(next_at, now + math.max(tonumber(ARGV[9]), 1000 / rate))
    end
elseif op == 'throttled' then
    rate = math.max(rate / 2, math.min(SLOWEST, full))
    clean = now
    next_at = math.max(next_at, now + math.max(tonumber(ARGV[8]), 1000 / rate))
elseif op == 'take' then
    local at = next_at
    if mine and lacking > 0 then
        at = in_own_slot(math.max(now, next_at))
    end
    if not mine then
        verdict, wait = 'wait', 1000
    elseif settles_in > 0 then
        verdict, wait = 'wait', settles_in
    elseif spent >= limit then
        verdict = 'spent'
    elseif spent + promised >= limit then
        verdict, wait = 'wait', 1000
    elseif at > now then
        verdict, wait = 'wait', at - now
    else
        verdict = 'go'
        redis.call('ZADD', day, now, ARGV[8])
        spent = spent + 1
        next_at = now + 1000 / rate
    end
end

if mine and op ~= 'return' then
    own = math.max(0, math.min(math.floor((limit - spent) / replicas), limit - spent - promised))
    redis.call('HSET', members, mine, string.format('%s %.0f %.0f', id, now + LEASE, own))
end
redis.call('HSET', pace, 'rate', tostring(rate), 'next', string.format('%.0f', math.ceil(next_at)),
    'clean', string.format('%.0f', clean), 'at', string.format('%.0f', now))
for _, key in ipairs(KEYS) do
    redis.call('PEXPIRE', key, DAY + FORGET)
end

if verdict ~= 'wait' then
    wait = math.max(0, next_at - now)
end
local answer = {verdict, string.format('%.0f', now), string.format('%.0f', math.ceil(wait)), tostring(rate),
    tostring(mine or -1), tostring(own), tostring(spent)}
if op == 'return' or op == 'sync' then
    local calls = redis.call('ZRANGEBYSCORE', day, ARGV[8], '(+inf', 'WITHSCORES', 'LIMIT', 0, PAGE)
    for _, word in ipairs(calls) do
        answer[#answer + 1] = word
    end
end
return answer

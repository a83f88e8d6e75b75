-- One account's budget, shared by all replicas. Times are milliseconds by Redis' clock.
--
-- KEYS: day      hash: "m:<minute>" -> {"<replica> <caller>": [booked, given back]}, "c:<caller>" and "total" -> calls in
--                the window, "oldest" -> the oldest minute, "born" -> when the hash was made
--       pace     hash: the rate, the earliest next call, since when no call was throttled, the last halving, when it was
--                written, the last grant, until when the counters settle, and the queue of replicas that wait for their turn
--       members  hash: replica -> {lease: when it ends, quota, slot: its number, asked: when it last asked for a permit}
-- ARGV: the operation, the replica, the settings, until when the question is of use (0: unknown), the arguments
--       acquire    caller, caller_quota (absent: none), is_refresh, has_more, born
--       throttled  sent_ms, retry_after_ms
--       give_back  caller, at_ms
--       written    sent_ms
--       sync       from: the first minute to return, report: minute -> counters, is_offline, rebuild, hold_ms, rate: where
--                  the replica slowed down on its own
--       release    nothing
-- Returns JSON: verdict, now, wait_ms, rate, interval_ms, slot, quota, spent, born, minutes, next_minute.
--
-- Rules:
--   Counters only grow and are merged by maximum.
--   A replica that reaches Redis needs no slot. The slots and quotas in `members` are what replicas may use alone: the quotas
--   never add up to more than what is left of the day, and a member whose lease has ended is left its slots and its quota
--   for `offline_ms`, then a `residual` part until `forget_ms`. The replica itself keeps to the same times. What it may have
--   spent in them stays reserved until it reports, until another takes its slot, or until it would leave the day's window.
--   Clocks are set back. No stored time may be further ahead than this script writes it.
--   Replicas take turns: a replica that waits goes before one that has just had a permit.

local op, id = ARGV[1], ARGV[2]
local set, arg = cjson.decode(ARGV[3]), cjson.decode(ARGV[5])
local day, pace, members = KEYS[1], KEYS[2], KEYS[3]

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local useful_until = tonumber(ARGV[4])
if useful_until > 0 and now > useful_until then
    -- The replica has given this question up, and goes by that.
    return cjson.encode({verdict = 'late', now = now})
end

local function text(number)
    return string.format('%.0f', number)
end

-- What is stored may be garbage or of another version.
local function read(json)
    local is_read, value = pcall(cjson.decode, json or '')
    return is_read and type(value) == 'table' and value or nil
end

-- The minute's counters that read.
local function read_counters(json)
    local counters = {}
    for name, counter in pairs(read(json) or {}) do
        if type(name) == 'string' and type(counter) == 'table' then
            local booked, given_back = tonumber(counter[1]), tonumber(counter[2])
            if booked and given_back then counters[name] = {booked, given_back} end
        end
    end
    return counters
end

---- The day ----

local minute = math.floor(now / 60000)
local head = redis.call('HMGET', day, 'total', 'oldest', 'born')
local spent, oldest, born = tonumber(head[1]), tonumber(head[2]), tonumber(head[3])
local is_new = not (spent and oldest and born) or minute - oldest > 3 * set.day_minutes
if is_new then
    redis.call('DEL', day)
    spent, oldest, born = 0, minute, now
end

local function count(caller, calls)
    spent = spent + calls
    if calls ~= 0 and redis.call('HINCRBY', day, 'c:' .. caller, calls) <= 0 then
        redis.call('HDEL', day, 'c:' .. caller)
    end
end

local function caller_of(name)
    return name:sub((name:find(' ', 1, true) or 0) + 1)
end

local function counters_of(m)
    return read_counters(redis.call('HGET', day, 'm:' .. text(m)))
end

while oldest < minute - set.day_minutes do
    for name, counter in pairs(counters_of(oldest)) do
        count(caller_of(name), counter[2] - counter[1])
    end
    redis.call('HDEL', day, 'm:' .. text(oldest))
    oldest = oldest + 1
end

-- Raises each counter to what `change` makes of it.
local function raise(m, names, change)
    if m < minute - set.day_minutes then return end
    local counters = counters_of(m)
    for name, more in pairs(names) do
        local old = counters[name] or {0, 0}
        local new = change(old, more)
        counters[name] = new
        count(caller_of(name), new[1] - new[2] - old[1] + old[2])
    end
    redis.call('HSET', day, 'm:' .. text(m), cjson.encode(counters))
    oldest = math.min(oldest, m)
end

local function by_maximum(old, new)
    return {math.max(old[1], new[1]), math.max(old[2], new[2])}
end

local function by_adding(old, more)
    local booked = old[1] + more[1]
    return {booked, math.min(old[2] + more[2], booked)}
end

---- The rate ----

local stored = redis.call('HMGET', pace, 'rate', 'next', 'clean', 'halved', 'at', 'granted', 'queue', 'settles')
local rate = math.min(tonumber(stored[1]) or arg.rate or set.rate, set.rate)
local next_at, clean, halved = tonumber(stored[2]), tonumber(stored[3]) or now, tonumber(stored[4]) or 0
local granted = stored[6] or ''
local written_at = tonumber(stored[5]) or now
-- By how much the clock was set back, or this server's is behind the one before it.
local set_back = math.max(0, written_at - now)
local settles_at = is_new and now + set.settle_ms or (tonumber(stored[8]) or 0) - set_back
if not next_at then
    next_at = now + 1000 / rate
elseif set_back > 0 then
    next_at, clean, halved = next_at - set_back, now, math.min(halved, now)
end
settles_at = math.min(settles_at, now + set.settle_ms)
next_at = math.min(next_at, now + set.max_retry_after_ms + 1000 / rate)
while rate < set.rate and now - clean >= set.clean_ms do
    clean, rate = clean + set.clean_ms, math.min(rate + set.rate / 10, set.rate)
end

-- No call before that time. A permit that is given back later does not shorten it.
local function hold(at)
    if at > next_at then next_at, granted = at, '' end
end

---- The members ----

local full_interval = 1000 / set.rate
local time_slot, send_window = set.slot * full_interval, set.send_window * full_interval
-- The calls that the time slots of `offline_ms` have room for.
local offline_calls = math.ceil(set.offline_ms / (set.replicas * time_slot)) + 1

local me, live, busy, taken, reserved = nil, 1, 0, {}, 0
-- The members whose lease has ended and that may still call, those that were silent for longest first; what all silent ones
-- may have spent, and when the first part of it is free.
local lacking, unheard, unheard_until = {}, 0, math.huge
local stored_members = redis.call('HGETALL', members)
for i = 1, #stored_members, 2 do
    local who, member = stored_members[i], read(stored_members[i + 1])
    for _, field in ipairs({'lease', 'quota', 'slot', 'asked'}) do
        if member and type(member[field]) ~= 'number' then member = nil end
    end
    if member and member.lease > now + set.lease_ms then
        member.lease = now + set.lease_ms
        redis.call('HSET', members, who, cjson.encode(member))
    end
    local age = member and now - member.lease
    if not age or age > set.day_minutes * 60000 then
        redis.call('HDEL', members, who)
    elseif who == id then
        me = member
    elseif age <= 0 then
        live = live + 1
        reserved = reserved + member.quota
        if now - member.asked < set.busy_ms + 1000 / rate then busy = busy + 1 end
        if member.slot >= 0 then taken[member.slot] = who end
    elseif member.slot < 0 then
        redis.call('HDEL', members, who)
    else
        local is_residual = age > set.offline_ms
        local quota = member.quota
        if is_residual then quota = math.max(math.min(quota, offline_calls), math.floor(quota * set.residual)) end
        reserved, unheard = reserved + quota, unheard + quota
        unheard_until = math.min(unheard_until, member.lease + (is_residual and set.day_minutes * 60000 or set.offline_ms))
        if age <= set.forget_ms then
            lacking[#lacking + 1] =
                {who = who, slot = member.slot, quota = quota, lease = member.lease, is_residual = is_residual}
            taken[member.slot] = who
        end
    end
end
table.sort(lacking, function(a, b) return a.lease < b.lease end)

local function take_over_oldest()
    local gone = table.remove(lacking, 1)
    redis.call('HDEL', members, gone.who)
    reserved, unheard = reserved - gone.quota, unheard - gone.quota
    taken[gone.slot] = nil
    return gone.slot
end

local function assign_slot()
    if me and me.slot >= 0 and me.slot < set.replicas and not taken[me.slot] then return me.slot end
    for slot = 0, set.replicas - 1 do
        if not taken[slot] then return slot end
    end
    -- No more than `replicas` run at once, so the one that was silent for longest is gone.
    return #lacking > 0 and take_over_oldest() or -1
end

local is_member = op ~= 'release' and not arg.is_offline
local slot = -1
if is_member then
    -- More run than `replicas` says, so none may call alone.
    if live <= set.replicas then slot = assign_slot() end
    if #lacking >= set.replicas then take_over_oldest() end
end

-- The first moment from `at` on that keeps an interval's distance from every call of a replica that is on its own.
local function free_at(at)
    for _ = 1, 2 * set.replicas + 2 do
        local before = at
        for _, member in ipairs(lacking) do
            local n = math.floor((at + full_interval) / time_slot)
            local begins = math.ceil((n - (n - member.slot) % set.replicas) * time_slot)
            local is_used = not member.is_residual or begins % 60000 < set.residual_window_ms
            if is_used and at > begins - full_interval and at < begins + send_window + full_interval then
                at = begins + send_window + full_interval
            end
        end
        if at == before then break end
    end
    return at
end

---- The operations ----

local queue = {}
for _, waiting in ipairs(read(stored[7]) or {}) do
    if type(waiting) == 'table' and tonumber(waiting.expires) then
        waiting.expires = waiting.expires - set_back
        if waiting.id == id or waiting.expires >= now then queue[#queue + 1] = waiting end
    end
end

-- How long until the replica's turn; `place` replicas go before it.
local function turn(place)
    local at = free_at(math.max(now, next_at))
    for _ = 1, place do at = free_at(at + 1000 / rate) end
    return at
end

local function place_in_queue()
    for i, waiting in ipairs(queue) do
        if waiting.id == id then return i end
    end
end

local function wait_in_queue()
    local place = place_in_queue()
    if not place then
        place = #queue + 1
        queue[place] = {id = id}
    end
    local at = turn(place - 1)
    queue[place].expires = math.ceil(at + set.grace_ms)
    return at
end

local verdict, wait_until, minutes, next_minute = 'ok', next_at, nil, nil
local caller_spent = arg.caller and tonumber(redis.call('HGET', day, 'c:' .. arg.caller)) or 0

if op == 'acquire' then
    if arg.born ~= born then
        verdict, wait_until = 'report', now
    elseif set.replicas > 1 and settles_at > now then
        verdict, wait_until = 'wait', settles_at
    elseif spent >= set.limit then
        verdict = 'spent'
    elseif arg.caller_quota and caller_spent >= arg.caller_quota then
        verdict = 'caller_spent'
    elseif spent + reserved >= set.limit then
        -- Those that are heard of renew their quotas in a second.
        verdict, wait_until = 'wait', now + 1000
        if spent + unheard >= set.limit then wait_until = math.max(wait_until, unheard_until + 1) end
    elseif arg.is_refresh then
        local at = turn(#queue)
        verdict, wait_until = (#queue == 0 and at <= now) and 'granted' or 'wait', math.max(at, now + 1)
    else
        local at = wait_in_queue()
        verdict, wait_until = (queue[1].id == id and at <= now) and 'granted' or 'wait', math.max(at, now + 1)
    end
    if verdict == 'granted' then
        raise(minute, {[id .. ' ' .. arg.caller] = {1, 0}}, by_adding)
        next_at, granted = now + 1000 / rate, id .. ' ' .. text(now)
        wait_until = next_at
        if queue[1] and queue[1].id == id then table.remove(queue, 1) end
        wait_until = arg.has_more and wait_in_queue() or turn(#queue)
    end
elseif op == 'give_back' then
    raise(math.floor(arg.at_ms / 60000), {[id .. ' ' .. arg.caller] = {0, 1}}, by_adding)
    if granted == id .. ' ' .. text(arg.at_ms) then next_at = math.min(next_at, now) end
elseif op == 'throttled' then
    if arg.sent_ms > halved then
        rate, halved = math.max(rate / 2, math.min(set.min_rate, set.rate)), now
    end
    clean = now
    local pause = math.min(arg.retry_after_ms, set.max_retry_after_ms)
    hold(now + math.max(pause, 1000 / rate))
elseif op == 'written' then
    hold(math.min(arg.sent_ms, now) + 1000 / rate)
elseif op == 'sync' then
    for m, names in pairs(arg.report) do
        raise(tonumber(m), names, by_maximum)
    end
    if arg.rebuild then
        -- The totals and the counters disagree, as after somebody else's hand.
        local all = redis.call('HGETALL', day)
        for i = 1, #all, 2 do
            if all[i]:sub(1, 2) == 'c:' then redis.call('HDEL', day, all[i]) end
        end
        spent = 0
        for i = 1, #all, 2 do
            if all[i]:sub(1, 2) == 'm:' then
                for name, counter in pairs(read_counters(all[i + 1])) do
                    count(caller_of(name), counter[1] - counter[2])
                end
            end
        end
    end
    if arg.hold_ms then
        rate = math.min(rate, arg.rate)
        hold(now + math.max(math.min(arg.hold_ms, set.max_retry_after_ms), 1000 / rate))
    end
    minutes = {}
    local first = math.max(arg.from, oldest)
    local last = math.min(first + set.page, minute)
    for m = first, last do
        local counters = redis.call('HGET', day, 'm:' .. text(m))
        if next(read_counters(counters)) then minutes[text(m)] = counters end
    end
    next_minute = last + 1
elseif op == 'release' then
    redis.call('HDEL', members, id)
    for i = #queue, 1, -1 do
        if queue[i].id == id then table.remove(queue, i) end
    end
end

if op ~= 'acquire' then
    local place = place_in_queue()
    wait_until = turn(place and place - 1 or #queue)
end

---- What is kept ----

local quota = 0
if is_member then
    if slot >= 0 then
        quota = math.max(0, math.min(math.floor((set.limit - spent) / set.replicas), set.limit - spent - reserved))
    end
    local asked = op == 'acquire' and not arg.is_refresh and now or me and me.asked or 0
    local member = {lease = now + set.lease_ms, quota = quota, slot = slot, asked = asked}
    redis.call('HSET', members, id, cjson.encode(member))
end
redis.call('HSET', day, 'total', text(spent), 'oldest', text(oldest), 'born', text(born))
redis.call('HSET', pace, 'rate', tostring(rate), 'next', text(math.ceil(next_at)), 'clean', text(clean),
    'halved', text(halved), 'at', text(now), 'granted', granted, 'queue', cjson.encode(queue), 'settles', text(settles_at))
for _, key in ipairs(KEYS) do
    redis.call('PEXPIRE', key, (set.day_minutes + 60) * 60000)
end

-- The replica's next turns, each after one of every busy replica, give the time between its calls.
local turns, at = 4, turn(0)
local first_turn = at
for _ = 1, turns * (busy + 1) do at = free_at(at + 1000 / rate) end
return cjson.encode({
    verdict = verdict, now = now, wait_ms = math.max(0, math.ceil(wait_until - now)), rate = rate,
    interval_ms = math.ceil((at - first_turn) / turns), slot = slot, quota = quota, spent = math.max(0, spent), born = born,
    minutes = minutes, next_minute = next_minute,
})

#!lua name=headrace_v1
-- The only writers of rows, floors, watermarks, intents and markers. Each call is one atomic step of a
-- publish, and each may be repeated: everything is only ever raised (architecture, section 6).
--
-- A release whose calls differ takes the next name, so that two releases can share a store.

local OK, FENCED, LOST, MOVED, BROKEN = 0, 1, 2, 3, 4

-- Whether order `a` is greater than order `b`; both as the first 14 bytes of a row (contract/order.py).
-- The event timestamp is read in two halves, because a Lua number holds 53 bits exactly.
local function above(a, b)
  local _, low_a, high_a, _, generation_a = struct.unpack('<BI4i4BI4', a)
  local _, low_b, high_b, _, generation_b = struct.unpack('<BI4i4BI4', b)
  if high_a ~= high_b then return high_a > high_b end
  if low_a ~= low_b then return low_a > low_b end
  return generation_a > generation_b
end

-- Sets the key also when it stays as it is. Whatever stores a row must do so with the watermark, in the
-- same call: that is what aborts a batch on the fast path (fast_path.py), which compares nothing.
local function raise(key, order)
  local current = redis.call('GET', key)
  redis.call('SET', key, (current and not above(order, current)) and current or order)
end

-- keys: intents, epoch; args: partition, generation, epoch
local function refusal(keys, args)
  if redis.call('HGET', keys[2], 'epoch') ~= args[3] then return LOST end
  local intent = redis.call('HGET', keys[1], args[1])
  if not intent then return LOST end
  if tonumber(intent) > tonumber(args[2]) then return FENCED end
  return OK
end

-- Which history of writes this server is in: another one from each restart and each promotion on. What a
-- client wrote in an earlier one may be gone, even where the intent and the epoch are still there.
local function history()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end

-- The first intent since the marker, 0 for none: of which generations rows may have been left behind.
local function first_intent(keys, partition, intent, marker)
  if intent <= marker then return 0 end
  return tonumber(redis.call('HGET', keys[2], 'first:' .. partition) or math.max(marker, 1))
end

-- Raise the intent. keys: intents, epoch, markers; args: partition, generation, epoch if there is none yet.
-- Returns a status; the intent, the first one since the marker, and the marker as they were; the epoch, and
-- the history.
local function begin(keys, args)
  redis.call('HSETNX', keys[2], 'epoch', args[3])
  local intent = tonumber(redis.call('HGET', keys[1], args[1]) or 0)
  local marker = tonumber(redis.call('HGET', keys[3], args[1]) or 0)
  local first = first_intent(keys, args[1], intent, marker)
  if first == 0 and intent <= tonumber(args[2]) then
    redis.call('HSET', keys[2], 'first:' .. args[1], args[2])
  end
  if intent < tonumber(args[2]) then
    redis.call('HSET', keys[1], args[1], args[2])
    redis.call('HINCRBY', keys[2], 'revision', 1)
  end
  local status = intent > tonumber(args[2]) and FENCED or OK
  return { status, intent, first, marker, redis.call('HGET', keys[2], 'epoch'), history() }
end

-- Write rows that are newer than what is stored, and not below the floor.
-- keys: intents, epoch, watermark, floor, then one per row; args: partition, generation, epoch, then the rows.
-- Returns a status and how many rows were written.
local function put(keys, args)
  local status = refusal(keys, args)
  if status ~= OK then return { status, 0 } end
  local floor = redis.call('GET', keys[4])
  local stored = redis.call('MGET', unpack(keys, 5))
  local sub, writes, n = string.sub, {}, 0
  local newest, order, is_dead, rival, is_rival_above
  for i = 1, #stored do
    local row, current = args[i + 3], stored[i]
    local head = sub(row, 1, 14)
    if head ~= order then -- mostly rows of one order follow each other: what was found out holds
      order, rival = head, nil
      is_dead = floor and above(floor, order)
      if not newest or above(order, newest) then newest = order end
    end
    local is_lost = is_dead
    if current and not is_lost then
      head = sub(current, 1, 14)
      if head ~= rival then rival, is_rival_above = head, above(head, order) end
      is_lost = is_rival_above
    end
    if not is_lost then
      writes[n + 1], writes[n + 2] = keys[i + 4], row
      n = n + 2
    end
  end
  if n > 0 then
    redis.call('MSET', unpack(writes))
    raise(keys[3], newest) -- what lost was not above the watermark
  end
  return { OK, n / 2 }
end

-- Replace obsolete rows, each only if it is still the expected one; an empty replacement removes it.
-- Refused when an intent was raised since the replacements were chosen: another row may be due by then.
-- keys: intents, epoch, watermark, then one per row;
-- args: partition, generation, epoch, revision, then expected and replacement per row.
-- Returns a status and how many rows were replaced or removed.
local function retract(keys, args)
  local status = refusal(keys, args)
  if status ~= OK then return { status, 0 } end
  if (redis.call('HGET', keys[2], 'revision') or '0') ~= args[4] then return { MOVED, 0 } end
  local stored, changed, newest = redis.call('MGET', unpack(keys, 4)), 0, nil
  for i = 1, #stored do
    local expected, replacement = args[2 * i + 3], args[2 * i + 4]
    if stored[i] == expected then
      if replacement == '' then
        redis.call('DEL', keys[i + 3])
      else
        redis.call('SET', keys[i + 3], replacement)
        if not newest or above(replacement, newest) then newest = replacement end
      end
      changed = changed + 1
    end
  end
  local watermark = newest and string.sub(newest, 1, 14) or redis.call('GET', keys[3])
  if watermark then raise(keys[3], watermark) end
  return { OK, changed }
end

-- The last row is written: raise floor and watermark, and record the marker, unless a row may be lost.
-- keys: intents, epoch, watermark, floor, markers;
-- args: partition, generation, epoch, watermark, floor or nothing, the history of `begin`.
local function finish(keys, args)
  local status = refusal(keys, args)
  if status ~= OK then return { status } end
  if history() ~= args[6] then return { BROKEN } end
  raise(keys[3], args[4])
  if args[5] ~= '' then raise(keys[4], args[5]) end
  redis.call('HSET', keys[5], args[1], args[2]) -- raised, too: an older generation was refused above
  return { OK }
end

-- Compare and set. keys: one; args: what is expected (empty: nothing), what to set.
local function swap(keys, args)
  if (redis.call('GET', keys[1]) or '') ~= args[1] then return 0 end
  redis.call('SET', keys[1], args[2])
  return 1
end

redis.register_function('headrace_v1_begin', begin)
redis.register_function('headrace_v1_put', put)
redis.register_function('headrace_v1_retract', retract)
redis.register_function('headrace_v1_finish', finish)
redis.register_function('headrace_v1_swap', swap)

-- Beside publishing ---------------------------------------------------------------------------------

-- Say that everything due is published in this state: raise the floor, if the state is still the one.
-- keys: epoch, floor; args: epoch, floor, and the history in which it was found.
local function complete(keys, args)
  if redis.call('HGET', keys[1], 'epoch') ~= args[1] then return LOST end
  if history() ~= args[3] then return BROKEN end
  raise(keys[2], args[2])
  return OK
end

-- Begin to take a version away: reads become errors, and publishes that go on are refused.
-- keys: epoch, floor, watermark; args: another epoch.
local function retire(keys, args)
  redis.call('HSET', keys[1], 'epoch', args[1])
  redis.call('DEL', keys[2], keys[3])
  return OK
end

-- Delete rows that are below the floor. keys: floor, then one per row. Returns how many were deleted.
local function sweep(keys)
  local floor, gone = redis.call('GET', keys[1]), {}
  if not floor then return 0 end
  for i, row in ipairs(redis.call('MGET', unpack(keys, 2))) do
    if row and #row >= 14 and above(floor, row) then gone[#gone + 1] = keys[i + 1] end
  end
  return #gone > 0 and redis.call('DEL', unpack(gone)) or 0
end

-- Delete rows of which nothing is known offline, each only if it is still the expected one.
-- Refused when an intent was raised since: the row may be due by then.
-- keys: epoch, watermark, then one per row; args: epoch, revision, then the expected rows.
-- Returns how many were deleted.
local function discard(keys, args)
  local state = redis.call('HMGET', keys[1], 'epoch', 'revision')
  if state[1] ~= args[1] or (state[2] or '0') ~= args[2] then return 0 end
  local stored, gone = redis.call('MGET', unpack(keys, 3)), {}
  for i = 1, #stored do
    if stored[i] == args[i + 2] then gone[#gone + 1] = keys[i + 2] end
  end
  local watermark = redis.call('GET', keys[2])
  if watermark then redis.call('SET', keys[2], watermark) end
  return #gone > 0 and redis.call('DEL', unpack(gone)) or 0
end

redis.register_function('headrace_v1_complete', complete)
-- These free memory, so they may run when there is none left.
local FREES = { 'allow-oom' }
redis.register_function{ function_name = 'headrace_v1_retire', callback = retire, flags = FREES }
redis.register_function{ function_name = 'headrace_v1_sweep', callback = sweep, flags = FREES }
redis.register_function{ function_name = 'headrace_v1_discard', callback = discard, flags = FREES }

-- In a Cluster ---------------------------------------------------------------------------------------
-- Rows of one primary, of any of its slots: only the state's keys are of one slot and are declared.

local function newest_of(args, first, step)
  local newest, last
  for i = first, #args, step do
    local head = string.sub(args[i], 1, 14)
    if head ~= last and head ~= '' then
      last = head
      if not newest or above(head, newest) then newest = head end
    end
  end
  return newest
end

-- Like `put`, for rows of many slots, those of one tag behind each other: what Redis takes in one command.
-- keys: intents, epoch, watermark, floor;
-- args: partition, generation, epoch, then the key of each row and the row.
local function put_apart(keys, args)
  local status = refusal(keys, args)
  if status ~= OK then return { status, 0 } end
  raise(keys[3], newest_of(args, 5, 2)) -- first: should a slot have moved away, the call ends half done
  local floor, sub, written = redis.call('GET', keys[4]), string.sub, 0
  local order, is_dead, rival, is_rival_above
  local function is_lost(row, current)
    local head = sub(row, 1, 14)
    if head ~= order then
      order, rival = head, nil
      is_dead = floor and above(floor, order)
    end
    if is_dead or not current then return is_dead end
    head = sub(current, 1, 14)
    if head ~= rival then rival, is_rival_above = head, above(head, order) end
    return is_rival_above
  end
  local first = 4
  while first <= #args do
    local tag, names, last = sub(args[first], 1, 4), {}, first
    while last <= #args and sub(args[last], 1, 4) == tag do
      names[#names + 1] = args[last]
      last = last + 2
    end
    local stored, writes, n = redis.call('MGET', unpack(names)), {}, 0
    for i, name in ipairs(names) do
      local row = args[first + 2 * i - 1]
      if not is_lost(row, stored[i]) then
        writes[n + 1], writes[n + 2] = name, row
        n = n + 2
      end
    end
    if n > 0 then redis.call('MSET', unpack(writes)) end
    first, written = last, written + n / 2
  end
  return { OK, written }
end

-- Like `retract`. keys: intents, epoch, watermark;
-- args: partition, generation, epoch, revision, then key, expected and replacement of each row.
local function retract_apart(keys, args)
  local status = refusal(keys, args)
  if status ~= OK then return { status, 0 } end
  if (redis.call('HGET', keys[2], 'revision') or '0') ~= args[4] then return { MOVED, 0 } end
  local changed, newest = 0, newest_of(args, 7, 3)
  if newest then raise(keys[3], newest) end
  for i = 5, #args, 3 do
    if redis.call('GET', args[i]) == args[i + 1] then
      if args[i + 2] == '' then
        redis.call('DEL', args[i])
      else
        redis.call('SET', args[i], args[i + 2])
      end
      changed = changed + 1
    end
  end
  return { OK, changed }
end

-- Like `sweep`. keys: floor; args: the rows' keys.
local function sweep_apart(keys, args)
  local floor, gone = redis.call('GET', keys[1]), 0
  if not floor then return 0 end
  for _, name in ipairs(args) do
    local row = redis.call('GET', name)
    if row and #row >= 14 and above(floor, row) then gone = gone + redis.call('DEL', name) end
  end
  return gone
end

-- Like `discard`. keys: epoch, watermark; args: epoch, revision, then key and expected row of each.
local function discard_apart(keys, args)
  local state, gone = redis.call('HMGET', keys[1], 'epoch', 'revision'), 0
  if state[1] ~= args[1] or (state[2] or '0') ~= args[2] then return 0 end
  for i = 3, #args, 2 do
    if redis.call('GET', args[i]) == args[i + 1] then gone = gone + redis.call('DEL', args[i]) end
  end
  return gone
end

-- Delete rows, whatever they are. args: their keys. Returns how many were there.
local function unlink_apart(_, args)
  local gone = 0
  for _, name in ipairs(args) do gone = gone + redis.call('UNLINK', name) end
  return gone
end

local APART = { 'allow-cross-slot-keys' }
local FREES_APART = { 'allow-cross-slot-keys', 'allow-oom' }
redis.register_function{ function_name = 'headrace_v1_put_apart', callback = put_apart, flags = APART }
redis.register_function{ function_name = 'headrace_v1_retract_apart', callback = retract_apart, flags = APART }
redis.register_function{ function_name = 'headrace_v1_sweep_apart', callback = sweep_apart, flags = FREES_APART }
redis.register_function{ function_name = 'headrace_v1_discard_apart', callback = discard_apart, flags = FREES_APART }
redis.register_function{ function_name = 'headrace_v1_unlink_apart', callback = unlink_apart, flags = FREES_APART }

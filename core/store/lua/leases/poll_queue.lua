-- Hand what is due to one worker: first what goes ahead, then looks. Until it has claimed an id, arq's own key and the score
-- guard it for one lease. An id whose queue entry is gone is left to the repair.
--
-- Arguments: lease_ms; most, ids of both kinds; most_ahead and most_looks, of each; kept_looks: so many looks are taken
-- before all else, so that they wait for ever behind nothing; left_ms: who may take nothing that goes ahead leaves it to others
-- for so long, and takes then what nobody has; spare_ms (absent: not at all): what somebody holds whose lease is over stays with
-- them for so long, since they may have had no time to renew it.
-- Results: ahead, looks (ids); more_looks: there may be more of them; next_in_ms, until something else is due (absent:
-- nothing is queued).

local function due(from, to, most)
  return most > 0 and call('ZRANGEBYSCORE', key.arq_queue(), from, to, 'LIMIT', 0, most) or {}
end

local take
do
  local function is_spared(id, spare_ms)
    if not spare_ms or (call('HGET', record_key(id), 'owner') or '') == '' then return false end
    call('ZADD', key.arq_queue(), now_ms + spare_ms, id)
    return true
  end

  local function is_free(id, lease_ms)
    return call('EXISTS', key.arq_job(id)) == 1 and call('SET', key.arq_in_progress(id), '1', 'NX', 'PX', lease_ms)
  end

  function take(ids, a)
    local taken = {}
    for _, id in ipairs(ids) do
      if not is_spared(id, a.spare_ms) and is_free(id, a.lease_ms) then
        call('ZADD', key.arq_queue(), now_ms + a.lease_ms, id)
        table.insert(taken, id)
      end
    end
    return taken
  end
end

-- A worker whose last place is kept for a look has taken the token, perhaps, for what it leaves.
local function leave_ahead()
  if #due('-inf', '(0', 1) > 0 then wake_worker() end
  return {}
end

-- Looks that are left need no token: workers find them by themselves.
local function find_ahead(a, most)
  if a.most_ahead == 0 then return due('-inf', integer(now_ms - AHEAD_MS - a.left_ms), most) end
  most = math.min(a.most_ahead, most)
  if most == 0 then return leave_ahead() end
  call('DEL', key.wakeup())
  local ids = due('-inf', '(0', most)
  if #ids == most then wake_worker() end
  return ids
end

operation('poll_queue', function(a)
  local found = due(0, now_ms, a.most_looks)
  local ahead = take(find_ahead(a, a.most - math.min(#found, a.kept_looks)), a)
  local looks = take({unpack(found, 1, math.min(#found, a.most - #ahead))}, a)
  local later = call('ZRANGE', key.arq_queue(), '(' .. integer(now_ms), '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
  return {
    ahead = ahead,
    looks = looks,
    more_looks = #found > 0 and #found == a.most_looks,
    next_in_ms = later[2] and math.ceil(later[2] - now_ms),
  }
end)

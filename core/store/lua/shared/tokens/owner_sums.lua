-- What all tokens of an owner come to: how many there are of each kind, their credits, and whose balance was read longest ago.
-- What stands in it of each token is kept beside it, so that whoever indexes a token anew takes that out, and nobody has to
-- read all of them.
--
-- An owner is a tenant; '*' is everybody; and those of the anonymous identity, which serve where there are no others, are
-- of '?'.

-- what stands in the sums of a token that cannot be read, or that is the anonymous identity's and was replaced
local NO_SHARE = '-|-|-|-|-'

local keep_share
do
  local function allowed_scopes(token)
    local allowed = ''
    for _, scope in ipairs(SCOPES) do allowed = allowed .. (is_allowed(token, scope) and '1' or '0') end
    return allowed
  end

  -- What a token adds, as text: owner, kind ('1101 active': what its scopes allow, and its state), credits (available, frozen),
  -- when they were read. Credits that nobody knows or can spend are '-', and so is the time of a token that is over.
  local function share_of(token)
    if token.state == 'unreadable' or (token.kind == 'anonymous' and token.state == 'expired') then return NO_SHARE end
    local alive = is_alive(token)
    local known = alive and token.available
    return table.concat({
      token.kind == 'anonymous' and '?' or owner_of(token), allowed_scopes(token) .. ' ' .. state_for_jobs(token),
      known and integer(tonumber(token.available)) or '-', known and integer(tonumber(token.frozen or '0')) or '-',
      alive and integer(tonumber(token.read_at_ms or '0')) or '-',
    }, '|')
  end

  local function parse_share(text)
    if not text or text == NO_SHARE then return nil end
    local owner, kind, available, frozen, read_ms = string.match(text, '^(.-)|(.-)|(.-)|(.-)|(.*)$')
    return {owner = owner, kind = kind, available = available, frozen = frozen, read_ms = read_ms}
  end

  local function add_share(changes, share, sign)
    if not share then return end
    local sums = changes[share.owner] or {}
    changes[share.owner] = sums
    local function add(field, number) sums[field] = (sums[field] or 0) + sign * tonumber(number) end
    add(share.kind, 1)
    if share.available ~= '-' then
      add('known', 1)
      add('available', share.available)
      add('frozen', share.frozen)
    end
  end

  local function change_sums(before, after)
    local changes = {}
    add_share(changes, before, -1)
    add_share(changes, after, 1)
    for owner, sums in pairs(changes) do
      for field, change in pairs(sums) do
        if change ~= 0 and add_to_sum('HINCRBY', key.owner_sums(owner), field, integer(change)) == 0 then
          call('HDEL', key.owner_sums(owner), field)
        end
      end
    end
  end

  local function change_reading(id, before, after)
    if before and not (after and after.owner == before.owner and after.read_ms ~= '-') then
      call('ZREM', key.owner_readings(before.owner), id)
    end
    if after and after.read_ms ~= '-' then call('ZADD', key.owner_readings(after.owner), after.read_ms, id) end
  end

  -- Keep what a token adds; `token` is absent for one that has left the pool.
  function keep_share(id, token)
    local text, text_before = token and share_of(token), call('HGET', key.token_shares(), id) or nil
    if text == text_before then return end
    local before, after = parse_share(text_before), parse_share(text)
    change_sums(before, after)
    change_reading(id, before, after)
    if text then
      call('HSET', key.token_shares(), id, text)
    else
      call('HDEL', key.token_shares(), id)
    end
  end
end

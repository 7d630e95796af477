-- Have those of a tenant's callbacks come soon that sleep and go to its default URL, since that was set anew. They come one
-- after another, so that very many of them stand before nobody else, and none comes later than it would have.
-- Arguments: tenant; after, an id ('': from the first on); most; woken, how many came before these.
-- Results: woken, how many of these; last: where to go on (absent: there are no more).
local GAP_MS = 5

local function goes_to_default(id)
  local readable, url = pcall(packed_field, call('HGET', key.delivery(id), 'rec'), 'url')
  return readable and not url
end

-- What is being handed out, or sent, is left: what comes of that says that the default has changed.
local function wakes(id, at_ms)
  local score = call('ZSCORE', key.arq_queue(), id)
  if not score or tonumber(score) <= at_ms or call('EXISTS', key.arq_in_progress(id)) == 1 then return false end
  if not goes_to_default(id) then return false end
  enqueue(id, at_ms)
  return true
end

operation('wake_deliveries', function(a)
  local ids = call('ZRANGEBYLEX', key.deliveries(a.tenant, 'pending'), '(' .. a.after, '+', 'LIMIT', 0, a.most)
  local woken = 0
  for _, id in ipairs(ids) do
    if wakes(id, now_ms + (a.woken + woken) * GAP_MS) then woken = woken + 1 end
  end
  return {woken = woken, last = #ids == a.most and ids[#ids]}
end)

-- Have those of a tenant's callbacks come soon that sleep and go to its default URL, since that was set anew. They come by their
-- place in the list, so that very many of them stand before nobody else, and none comes later than it would have; to do so once
-- more costs little, since they come soon enough then. A Redis that is full allows it: to unset the URL is a deletion.
-- Arguments: tenant; after, an id ('': from the first on); most; place, how many stand before these.
-- Results: last, where to go on (absent: there are no more).
local GAP_MS = 5

local function goes_to_default(id)
  local readable, url = pcall(packed_field, call('HGET', key.delivery(id), 'rec'), 'url')
  return readable and not url
end

-- What is being handed out, or sent, is left: what comes of that says that the default has changed.
local function sleeps_beyond(id, at_ms)
  local score = call('ZSCORE', key.arq_queue(), id)
  return score and tonumber(score) > at_ms and call('EXISTS', key.arq_in_progress(id)) == 0
end

operation('wake_deliveries', function(a)
  local ids = call('ZRANGEBYLEX', key.deliveries(a.tenant, 'pending'), '(' .. a.after, '+', 'LIMIT', 0, a.most)
  for i, id in ipairs(ids) do
    local at_ms = now_ms + (a.place + i - 1) * GAP_MS
    if sleeps_beyond(id, at_ms) and goes_to_default(id) then enqueue(id, at_ms) end
  end
  return {last = #ids == a.most and ids[#ids]}
end, {'allow-oom'})

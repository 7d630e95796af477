-- Say where a queued job stands. It only reads, so a Redis that is full allows it.
-- Arguments: id, tenant, session, tenant_running_jobs; pace, where one is known.
-- Results: as `queue_position` has them; estimates as text, since Redis would cut them to whole seconds.
operation('locate_job', function(a)
  local index = call('LPOS', key.session_queue(a.session), a.id) or 0
  local found = queue_position(a, index + 1, a.tenant_running_jobs, a.pace)
  if found.eta_p50_s then
    found.eta_p50_s, found.eta_p90_s = string.format('%.1f', found.eta_p50_s), string.format('%.1f', found.eta_p90_s)
  end
  return found
end, {'no-writes'})

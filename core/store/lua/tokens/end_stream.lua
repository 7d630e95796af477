-- Write that a job's message is not listened to any more. Arguments: token, job.
operation('end_stream', function(a)
  local sent = call('HGET', key.token_sent(a.token), a.job)
  if sent then call('HSET', key.token_sent(a.token), a.job, string.match(sent, '^%d+') .. ':0') end
  return {}
end)

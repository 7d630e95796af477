-- Write that so many credits were refused as too few for a message. Arguments: kind, credits.
operation('note_credits_refused', function(a)
  learn(a.kind .. ':too few', a.credits)
  learn(a.kind .. ':too few since', integer(now_ms))
  return {}
end)

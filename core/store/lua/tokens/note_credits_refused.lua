-- Write that so many credits were refused as too few for a message, unless more are known to be. Arguments: kind, credits.
operation('note_credits_refused', function(a)
  local _, too_few = learned_of(a.kind)
  if too_few and too_few > a.credits then return {} end
  learn(a.kind .. ':too few', a.credits)
  learn(a.kind .. ':too few since', integer(now_ms))
  return {}
end)

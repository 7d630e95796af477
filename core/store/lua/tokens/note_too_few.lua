-- Write that so many credits were refused as too few for a message. Arguments: kind, credits.
operation('note_too_few', function(a)
  learn(a.kind .. ':too few', a.credits)
  return {}
end)

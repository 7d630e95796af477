-- Write into the audit trail what is done by no single operation: before it is done, and how it came out.
-- A Redis that is full allows it, since what makes room is written down too, and what is kept is bounded.
-- Arguments: entry, outcome. Results: id.
operation('append_audit', function(a)
  return {id = write_audit(a.entry, a.outcome)}
end, {'allow-oom'})

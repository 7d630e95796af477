-- Write into the audit trail what is done by no single operation: before it is done, and how it came out.
-- Arguments: entry, outcome. Results: id.
operation('append_audit', function(a)
  return {id = write_audit(a.entry, a.outcome)}
end)

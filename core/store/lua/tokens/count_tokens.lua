-- Count the tokens that a tenant's jobs may run on and that are not anonymous. What a process of another version has added is
-- indexed first. A Redis that is full allows it.
-- Arguments: tenant. Results: named, how many.
operation('count_tokens', function(a)
  index_strangers()
  return {named = call('SCARD', key.named_tokens(a.tenant)) + call('SCARD', key.named_tokens('*'))}
end, {'allow-oom'})

-- Name the tokens that a tenant's jobs may run on: its own and everybody's, and the anonymous ones. What a process of another
-- version has added is indexed first. A Redis that is full allows it.
-- Arguments: tenant. Results: named, anonymous.
operation('name_tokens', function(a)
  index_strangers()
  return {
    named = call('SUNION', key.named_tokens(a.tenant), key.named_tokens('*')),
    anonymous = call('ZRANGE', key.anonymous_tokens(), 0, -1),
  }
end, {'allow-oom'})

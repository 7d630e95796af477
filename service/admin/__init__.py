"""The operator's commands over all tenants: `reelgate admin`, with the installation's settings in the place of an API key.

They build the API's context without listening, so what they do to a job is what the API does, by the same functions. They
show ids and facts, and a caller's content only with `--content`. What they change, and what content they read, is in the
audit trail, which the operation that does it writes itself (`core.store.audit`).

Exit codes: 0 it worked; 1 it was refused, or Redis does not answer, said in words; 2 the command line is wrong, and
nothing was done; 130 Ctrl-C. With `--json` one document goes to stdout, a list as `{"data": […], "next_after": …}`; all else goes to
stderr. What stands at the top of `command` and `options` is light, so that `--help` takes no time.
"""

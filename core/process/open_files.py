"""How many files a process may have open: each connection is one.

Shells and service managers allow 1,024, for programs of old; a worker with a thousand jobs in hand has more connections. Whoever
may open no more can call nobody, and hears nobody.
"""

import resource

#: more than any process needs, where the system sets no bound
_MOST = 1 << 20


def allow_open_files() -> None:
    """Let this process have as many as its system allows, before it opens any of them."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST if most == resource.RLIM_INFINITY else min(most, _MOST)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))

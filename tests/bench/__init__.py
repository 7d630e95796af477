"""`./run bench`: what the gateway reaches, beside its peers and its goals, in one run and one table."""

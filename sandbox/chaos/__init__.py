"""Many jobs through several workers while processes, Redis and the backend are made to fail; then everything is counted.

`./run chaos` calls it. It drives the gateway by its outside interface alone, and believes the backend's ledger and the
callback receiver, not the gateway's word.
"""

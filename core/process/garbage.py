"""The garbage collector of a process that has started: what lives to the end is not gone through again and again."""

import gc

#: hundreds of requests or jobs under way hold more objects than Python's 700, and it would look for garbage in them all the time
_OBJECTS_BETWEEN_COLLECTIONS = 10_000


def spare_what_has_started() -> None:
    """Keep the collector from all that is here now: modules, settings, routes. To be called once, when all is built."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)

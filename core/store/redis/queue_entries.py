"""Queue entries: what stands in arq's queue for a job and for a delivery. Constant bytes, since arq hands over the id by itself.

The operations write them and `core.queue` has arq read them; nothing else is in arq's own records.
"""

import msgspec

#: the functions of the worker, as arq knows them
RUN_JOB = "run_job"
RUN_DELIVERY = "run_delivery"


def _entry(function: str) -> bytes:
    """Write a call without arguments in arq's format, with `core.queue`'s serializer."""
    return msgspec.msgpack.encode({"t": None, "f": function, "a": [], "k": {}, "et": 0})


JOB_ENTRY = _entry(RUN_JOB)
DELIVERY_ENTRY = _entry(RUN_DELIVERY)

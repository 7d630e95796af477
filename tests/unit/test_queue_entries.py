"""Queue entries: what arq finds under an id is constant, and names the function to call."""

import msgspec
import pytest
from arq.jobs import deserialize_job_raw

from core.store.redis.queue_entries import DELIVERY_ENTRY, JOB_ENTRY


@pytest.mark.parametrize(("entry", "function"), [(JOB_ENTRY, "run_job"), (DELIVERY_ENTRY, "run_delivery")])
def test_arq_reads_an_entry_as_a_call_without_arguments(entry: bytes, function: str) -> None:
    read = deserialize_job_raw(entry, deserializer=msgspec.msgpack.decode)
    assert read == (function, [], {}, None, 0)

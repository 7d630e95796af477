"""What an Idempotency-Key is, and what makes two calls the same."""

import pytest

from service.idempotency import parse_key
from service.problems import ApiError


def test_a_quoted_key_is_the_bare_one_and_another_path_has_its_own() -> None:
    bare = parse_key("4f1c", path="/v1/jobs", body=b"x")
    assert parse_key('"4f1c"', path="/v1/jobs", body=b"x") == bare
    assert parse_key("4f1c", path="/v1/batches", body=b"x").key_hash != bare.key_hash
    assert parse_key("4f1c", path="/v1/jobs", body=b"y").body_hash != bare.body_hash
    assert parse_key(None, path="/v1/jobs", body=b"x") is None


@pytest.mark.parametrize("key", ["", '""', "a b", "\x7f", "é", "x" * 256])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ApiError):
        parse_key(key, path="/v1/jobs", body=b"")

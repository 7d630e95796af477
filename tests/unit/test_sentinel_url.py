"""Addresses of Sentinels: the same places whichever Python takes them apart."""

import pytest

from core.sentinel_url import parse_sentinel_url


@pytest.mark.parametrize(
    ("places", "sentinels"),
    [
        ("s1", (("s1", 26379),)),
        ("s1:7000,s2", (("s1", 7000), ("s2", 26379))),
        ("10.0.3.7:7000,[fd00::2]:7001", (("10.0.3.7", 7000), ("fd00::2", 7001))),
        ("[fd00::1],[fd00::2]:7000,s3", (("fd00::1", 26379), ("fd00::2", 7000), ("s3", 26379))),
    ],
)
@pytest.mark.parametrize("user", ["", ":p%40%2Fw@"])
def test_sentinels_are_named_by_any_mix_of_names_and_addresses_with_and_without_ports(user, places, sentinels):
    url = parse_sentinel_url(f"redis+sentinel://{user}{places}/mymaster/2?sentinel_password=a%2Bb")
    assert url.sentinels == sentinels
    assert (url.service, url.redis_url) == ("mymaster", f"redis://{user}primary.invalid/2?")
    assert (url.sentinel_password, url.tls) == ("a+b", False)


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://",
        "redis+sentinel:s1/mymaster",
        "redis+sentinel://s1",
        "redis+sentinel:///mymaster",
        "redis+sentinel://s1/mymaster/x",
        "redis+sentinel://s1:0/mymaster",
        "redis+sentinel://s1:x/mymaster",
        "redis+sentinel://[fd00::1/mymaster",
        "redis+sentinel://s1/mymaster#0",
    ],
)
def test_what_is_no_address_of_sentinels_is_refused(url):
    with pytest.raises(ValueError, match="must be like"):
        parse_sentinel_url(url)

"""Every spelling of a place that callers must not reach, and the ordinary URLs that must pass."""

from contextlib import suppress
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.security.url_policy import MAX_URL_CHARACTERS, address_allowed, ascii_url, check_url

LOCAL = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def refused(url, *, http_allowed=False, allow=()):
    refusal = check_url(url, http_allowed=http_allowed, allow=allow)
    return refusal.code if refusal else None


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/hook?a=b&c=%20d#part",
        "HTTPS://Example.COM:443/",
        "https://example.com:8443/hook",
        "https://example.com./hook",
        "https://hooks_1.example.co.uk/",
        "https://8.8.8.8/hook",
        "https://[2606:4700::6810:84e5]/hook",
        "https://[2606:4700::6810:84e5]:8443/hook",
        "https://m\u00fcnchen.de/haken",
        "https://xn--mnchen-3ya.de/",
        "https://example.com/\u526a\u8f91.mp4",
        "https://bucket.s3.amazonaws.com/clip.mp4?X-Amz-Signature=abc%2Fdef@x:y",
    ],
)
def test_an_ordinary_public_url_passes(url):
    assert refused(url) is None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "169.254.169.254",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.19.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::FFFF:169.254.169.254]",
        "[0:0:0:0:0:ffff:10.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::8.8.8.8]",
        "[64:ff9b:1::7f00:1]",
        "[100::1]",
        "[2001::1]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        "[2001:db8::1]",
        "[2002:7f00:1::]",
        "[2002:a00:1::1]",
        "[3fff::1]",
        "[5f00::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[fec0::1]",
        "[ff02::1]",
    ],
)
def test_a_literal_address_that_is_not_public_unicast_is_refused(host):
    assert refused(f"https://{host}/hook") == "address_not_allowed"
    assert refused(f"https://{host}:8443/hook") == "address_not_allowed"


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0X7F000001",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7f.1",
        "127.0.0.0x1",
        "127.0.0.1.",
        "127.0.0.01",
        "127.0.0.256",
        "1.2.3.4.5",
        "8.8.2056",
        "0x",
        "\uff11\uff12\uff17.0.0.1",
        "\u2460\u2461\u2466.0.0.1",
        "127\u30020\u30020\u30021",
        "127\uff0e0\uff0e0\uff0e1",
        "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
        "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
        "%31%32%37.0.0.1",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[127.0.0.1]",
        "[v1.fe80]",
        "[::1",
        "::1",
    ],
)
def test_an_unusual_spelling_of_an_address_is_refused_whatever_the_allow_list_says(host):
    assert refused(f"https://{host}/hook") in {"host_not_allowed", "url_malformed"}
    assert refused(f"https://{host}/hook", allow=LOCAL) in {"host_not_allowed", "url_malformed"}


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "localhost.", "a.localhost", "a.b.localhost.", "localhost\u3002"]
)
def test_localhost_is_refused_in_every_form_and_passes_only_with_loopback_allow_listed(host):
    assert refused(f"https://{host}/hook") == "address_not_allowed"
    assert refused(f"https://{host}/hook", allow=(ip_network("10.0.0.0/8"),)) == "address_not_allowed"
    assert refused(f"http://{host}:8080/hook", allow=LOCAL) is None


@pytest.mark.parametrize("host", ["metadata", "metadata.google.internal", "METADATA.goog.", "instance-data"])
def test_a_cloud_s_metadata_name_is_refused_whatever_the_allow_list_says(host):
    assert refused(f"https://{host}/latest") == "host_not_allowed"
    assert refused(f"https://{host}/latest", allow=LOCAL) == "host_not_allowed"


@pytest.mark.parametrize("host", ["redis", "printer.local", "db.internal", "nas.home.arpa", "files.lan"])
def test_a_name_from_inside_a_network_passes_only_where_a_range_is_allow_listed(host):
    assert refused(f"https://{host}/hook") == "host_not_allowed"
    assert refused(f"https://{host}/hook", allow=LOCAL) is None


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.com/", "scheme_not_allowed"),
        ("ftp://example.com/clip.mp4", "scheme_not_allowed"),
        ("file://example.com/etc/passwd", "scheme_not_allowed"),
        ("gopher://example.com/_x", "scheme_not_allowed"),
        ("https://user@example.com/", "user_info_not_allowed"),
        ("https://user:secret@example.com/", "user_info_not_allowed"),
        ("https://example.com@127.0.0.1/", "user_info_not_allowed"),
        ("https://@example.com/", "user_info_not_allowed"),
        ("https://example.com:0/", "url_malformed"),
        ("https://example.com:65536/", "url_malformed"),
        ("https://example.com:/", "url_malformed"),
        ("https://example.com:+443/", "url_malformed"),
        ("https://example.com:4\u0664/", "url_malformed"),
        ("https://example.com:22/", "port_not_allowed"),
        ("https://example.com:25/", "port_not_allowed"),
        ("https://example.com:6379/", "port_not_allowed"),
        ("", "url_malformed"),
        ("example.com/hook", "url_malformed"),
        ("//example.com/hook", "url_malformed"),
        ("https:example.com", "url_malformed"),
        ("https:/example.com", "url_malformed"),
        ("https:///hook", "url_malformed"),
        ("https://?x=1", "url_malformed"),
        ("https://example.com\\@127.0.0.1/", "url_malformed"),
        ("https:\\\\example.com/", "url_malformed"),
        (" https://example.com/", "url_malformed"),
        ("https://example.com/a b", "url_malformed"),
        ("https://exam\tple.com/", "url_malformed"),
        ("https://example.com/\r\nHost: x", "url_malformed"),
        ("https://example.com/\x00", "url_malformed"),
        ("https://example.com/\u202egpj.exe", "url_malformed"),
        ("https://loc\u00adalhost/", "url_malformed"),
        ("https://-a.example.com/", "host_not_allowed"),
        ("https://a..example.com/", "host_not_allowed"),
        ("https://.example.com/", "host_not_allowed"),
        ("https://exa$mple.com/", "host_not_allowed"),
        ("https://" + "a" * 64 + ".com/", "host_not_allowed"),
        ("https://" + "a." * 127 + "com/", "host_not_allowed"),
        ("https://example.com/" + "a" * MAX_URL_CHARACTERS, "url_too_long"),
    ],
)
def test_a_malformed_or_misleading_url_is_refused_with_its_reason(url, code):
    assert refused(url) == code


@pytest.mark.parametrize(
    ("host", "ascii_host"),
    [
        ("stra\u00dfe.example", "xn--strae-oqa.example"),
        ("STRA\u1e9eE.example", "xn--strae-oqa.example"),
        ("R\u00c4KSM\u00d6RG\u00c5S.example", "xn--rksmrgs-5wao1o.example"),
        ("mu\u0308nchen.example", "xn--mnchen-3ya.example"),
        ("\u526a\u8f91.example", "xn--feru40m.example"),
        ("\u526a\u8f91\u3002example", "xn--feru40m.example"),
        ("\u05d0\u05d1.example.", "xn--4dbc.example."),
        ("\u0645\u06cc\u200c\u062e.example", "xn--tgb9bvy774f.example"),
        ("XN--MNCHEN-3YA.example", "XN--MNCHEN-3YA.example"),
        ("hooks_1.example", "hooks_1.example"),
        ("r3---sn-4g5e.example", "r3---sn-4g5e.example"),
    ],
)
def test_an_international_name_passes_and_is_spelt_as_dns_has_it(host, ascii_host):
    assert refused(f"https://{host}/\u00fc") is None
    assert ascii_url(f"https://{host}:8443/\u00fc?\u00df#x") == f"https://{ascii_host}:8443/\u00fc?\u00df#x"


@pytest.mark.parametrize(
    "host",
    [
        *("xn--n3h.example", "xn--i-7iq.example", "\u2603.example", "\U0001f600.example", "a.xn--n3h.example"),
        *("xn--a.example", "xn--.example", "XN--A.example", "xn--\u00fc.example", "xn--mnchen-.example", "xn--99999999999"),
        *("\u00fc" * 60 + ".example", "\u00fc." * 100 + "example", "a\u200db.example", "\u05d0a.example", "-\u00fc.example"),
        *("\u00fc_.example", "\u00fc..example", "\u0301a.example", "\u2100.example", "xn--e1a\uff0f.example"),
    ],
)  # fmt: skip
def test_an_international_name_that_cannot_be_dialled_is_refused(host):
    assert refused(f"https://{host}/") == "host_not_allowed"
    assert refused(f"https://{host}/", allow=LOCAL) == "host_not_allowed"
    if not host.isascii():
        with pytest.raises(ValueError, match="host name"):
            ascii_url(f"https://{host}/")


@pytest.mark.parametrize("host", ["a\u00adb.example", "example\uff0ecom", "\uff41.example", "a\u200b.example"])
def test_a_name_that_is_refused_is_spelt_for_nobody(host):
    assert refused(f"https://{host}/") is not None
    with pytest.raises(ValueError, match=r"host name|invisible"):
        ascii_url(f"https://{host}/")


def test_joiners_pass_in_a_path_and_make_no_other_host():
    assert refused("https://example.com/\U0001f469\u200d\U0001f467.mp4") is None
    assert refused("https://loc\u200dalhost/", allow=LOCAL) == "host_not_allowed"
    assert refused("https://loc\ufe0falhost/") == "address_not_allowed"


def test_plain_http_passes_by_setting_or_for_an_allow_listed_address_only():
    assert refused("http://example.com/", http_allowed=True) is None
    assert refused("http://8.8.8.8/", allow=LOCAL) == "scheme_not_allowed"
    assert refused("http://127.0.0.1:49152/hook", allow=LOCAL) is None
    assert refused("http://[::1]:49152/hook", allow=LOCAL) is None
    assert refused("ftp://127.0.0.1/", allow=LOCAL) == "scheme_not_allowed"


def test_an_allow_listed_address_may_use_any_port():
    assert refused("http://127.0.0.1:81/hook", allow=LOCAL) is None
    assert refused("http://127.0.0.1:0/hook", allow=LOCAL) == "url_malformed"


def test_an_allow_listed_ipv4_range_opens_its_mapped_spelling_too():
    assert refused("https://[::ffff:127.0.0.1]/hook", allow=LOCAL) is None
    assert refused("https://[::ffff:10.0.0.1]/hook", allow=LOCAL) == "address_not_allowed"


def test_a_refusal_never_repeats_the_url():
    refusal = check_url("https://user:hunter2@example.com/?token=hunter3", http_allowed=False, allow=())
    assert "hunter" not in repr(refusal)


@given(st.integers(0, 2**32 - 1).map(ip_address))
def test_an_ipv4_address_and_its_mapped_form_are_judged_alike(address):
    assert address_allowed(address, ()) == address_allowed(ip_address(f"::ffff:{address}"), ())


@given(st.ip_addresses())
def test_what_python_calls_private_or_multicast_is_never_dialled(address):
    if address.is_private or address.is_multicast or address.is_link_local or address.is_loopback:
        assert not address_allowed(address, ())


@given(st.text(st.characters()))
def test_no_text_makes_the_check_or_the_spelling_fail(text):
    for url in (text, f"https://{text}"):
        with suppress(ValueError):
            assert isinstance(ascii_url(url), str)
        check_url(url, http_allowed=False, allow=LOCAL)
    assert check_url(text.replace("://", ""), http_allowed=True, allow=LOCAL) is not None

"""What the balancers' files and the settings say of each other, without a balancer."""

import re

import pytest

from core.settings import Settings
from service.main import IDLE_S
from tests.balancers.balancers import DEPLOY

FILES = ("haproxy.cfg", "cells/haproxy.cfg")


def backends(text: str) -> dict[str, set[str]]:
    """Give the addresses of each backend's servers."""
    found = re.findall(r"^backend (\S+)\n((?:(?!^\S).*\n)*)", text, re.MULTILINE)
    return {name: set(re.findall(r"^ +server \S+ (\S+)", body, re.MULTILINE)) for name, body in found}


@pytest.mark.parametrize("file", FILES)
def test_an_api_drains_for_longer_than_the_checks_take(file: str) -> None:
    text = (DEPLOY / file).read_text()
    [(inter_s, fall)] = re.findall(r"inter (\d+)s fall (\d+)", text)
    takes_s = int(inter_s) * int(fall)
    assert 2 * takes_s < Settings.model_fields["drain_delay_s"].default
    assert f"({takes_s} s here" in (DEPLOY / "README.md").read_text()


@pytest.mark.quick
@pytest.mark.parametrize("file", FILES)
def test_whoever_is_checked_is_tried_too_where_all_checks_fail(file: str) -> None:
    found = backends((DEPLOY / file).read_text())
    checked = {name: servers for name, servers in found.items() if not name.endswith("-unchecked")}
    assert checked
    assert found == checked | {f"{name}-unchecked": servers for name, servers in checked.items()}


def test_nginx_keeps_no_score_of_failures() -> None:
    """Each of its workers would have one, in which an API that is back stays bad until a call to it has ended well."""
    servers = re.findall(r"^ +server (\S+)(.*);$", (DEPLOY / "nginx.conf").read_text(), re.MULTILINE)
    assert [rest.strip() for _, rest in servers] == ["max_fails=0"] * 2


def test_nginx_closes_an_idle_connection_long_before_an_api_that_ends_does() -> None:
    """It asks no `/readyz`, so it may send a POST on a connection that is being closed: a 502."""
    [kept_s] = re.findall(r"keepalive_timeout (\d+)s;", (DEPLOY / "nginx.conf").read_text())
    assert 3 * int(kept_s) < IDLE_S
    assert f"less than the {IDLE_S:.0f} s of an API that ends" in (DEPLOY / "README.md").read_text()


def test_one_cell_s_servers_cannot_take_all_connections() -> None:
    text = (DEPLOY / "cells/haproxy.cfg").read_text()
    everybodys, usual = (int(found) for found in re.findall(r"maxconn (\d+)$", text, re.MULTILINE)[:2])
    servers = re.findall(r"^ +server \S+ \S+(?: check)?(?: maxconn (\d+))?$", text, re.MULTILINE)
    assert sum(int(own or usual) for own in servers) < everybodys

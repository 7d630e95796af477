"""Secrets at rest: read under every configured key, written under the first, shown nowhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.security.encryption import Encryption, Undecryptable

OLD, NEW = "o" * 40, "n" * 40


@given(st.text())
def test_what_is_locked_is_opened_again(secret: str) -> None:
    vault = Encryption([OLD])
    assert vault.open(vault.lock(secret)) == secret


def test_a_locked_secret_shows_nothing_and_never_looks_the_same_twice() -> None:
    vault = Encryption([OLD])
    first, second = vault.lock("nmv_usr_secret"), vault.lock("nmv_usr_secret")
    assert first != second
    assert b"nmv_usr" not in first


def test_a_rotated_key_still_reads_and_the_new_one_writes() -> None:
    before, both = Encryption([OLD]), Encryption([NEW, OLD])
    assert both.open(before.lock("a")) == "a"
    with pytest.raises(Undecryptable):
        before.open(both.lock("a"))
    assert both.hashes("a") == [*Encryption([NEW]).hashes("a"), *before.hashes("a")]


def test_a_secret_under_an_unknown_key_is_refused_without_a_word_of_it() -> None:
    locked = Encryption([OLD]).lock("nmv_usr_secret")
    with pytest.raises(Undecryptable) as refusal:
        Encryption([NEW]).open(locked)
    assert "nmv" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_a_changed_byte_is_noticed() -> None:
    locked = bytearray(Encryption([OLD]).lock("a"))
    locked[20] ^= 1
    with pytest.raises(Undecryptable):
        Encryption([OLD]).open(bytes(locked))


def test_hashes_depend_on_the_key_and_links_have_a_key_of_their_own() -> None:
    assert Encryption([OLD]).hashes("a") != Encryption([NEW]).hashes("a")
    assert Encryption([OLD]).link_keys != Encryption([NEW]).link_keys
    assert OLD not in repr(Encryption([OLD])) + repr(vars(Encryption([OLD])))

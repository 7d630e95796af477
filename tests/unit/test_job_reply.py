"""What the backend said, cut to 4 kB of UTF-8 without splitting a character."""

from hypothesis import given
from hypothesis import strategies as st

from core.model.reply import REPLY_LIMIT_BYTES, shortened_reply
from core.model.transitions import answered, started
from tests.store_fixture import make_job


@given(st.text(alphabet=st.sampled_from("aé剪🎬"), min_size=900, max_size=4200))
def test_a_cut_reply_is_a_beginning_that_fits_and_could_not_be_a_character_longer(text: str) -> None:
    kept, cut = shortened_reply(text)
    assert text.startswith(kept)
    assert len(kept.encode()) <= REPLY_LIMIT_BYTES
    assert cut == (kept != text)
    if cut:
        assert len(text[: len(kept) + 1].encode()) > REPLY_LIMIT_BYTES


def test_a_reply_of_exactly_the_limit_is_whole() -> None:
    assert shortened_reply("a" * REPLY_LIMIT_BYTES) == ("a" * REPLY_LIMIT_BYTES, False)
    assert shortened_reply("a" * REPLY_LIMIT_BYTES + "b") == ("a" * REPLY_LIMIT_BYTES, True)


def test_a_job_says_when_its_reply_was_cut_and_no_reply_is_none() -> None:
    job = started(make_job(), now_ms=1)
    long, silent = answered(job, reply="剪" * 2000), answered(job, reply="")
    assert (len(long.reply or ""), long.reply_truncated) == (REPLY_LIMIT_BYTES // 3, True)
    assert (silent.reply, silent.reply_truncated) == (None, False)

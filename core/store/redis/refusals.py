"""What Redis refuses for a while: taken for an outage wherever an answer is read, so that nobody takes it for a mistake."""

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

#: refusals that redis-py has no class for, and that pass: its disk is full, a script of somebody's runs too long, its
#: replicas or its primary are gone. Each is a word of its own: BUSYGROUP passes with no time
_PASSING = frozenset({"MISCONF", "BUSY", "NOREPLICAS", "MASTERDOWN"})


def as_outage(refusal: RedisError) -> RedisError:
    """Give the error that a refusal which passes counts as, one of STORE_DOWN; any other stays as it is."""
    word = str(refusal).partition(" ")[0]
    if isinstance(refusal, ResponseError) and word in _PASSING:
        return RedisConnectionError(f"Redis refuses for now: {word}")
    return refusal

"""Refusals of Redis. One that passes is taken for an outage wherever an answer is read, so that nobody takes it for a mistake;
one for a key that somebody has written over costs that key alone.
"""

from redis.exceptions import RedisError, ResponseError

#: refusals that redis-py has no class for, and that pass, each by its first word. BUSYGROUP is another one, which does not
_PASSING = {
    "MISCONF": "it cannot write to its disk",
    "BUSY": "a script holds it up",
    "NOREPLICAS": "too few replicas are there",
    "MASTERDOWN": "it is a replica without its primary",
    "UNBLOCKED": "it has just become a replica",
}


class PassingRefusal(ResponseError):  # noqa: N818 - it says what it is
    """Redis refuses for now. `why`: for the operator, the end of a sentence.

    It is no broken connection: redis-py would begin a transaction anew for one, for as long as its writes are refused.
    """

    def __init__(self, word: str, why: str) -> None:
        self.why = why
        super().__init__(f"Redis refuses for now: {word}")


def as_outage(refusal: RedisError) -> RedisError:
    """Give the error that a refusal which passes counts as, one of STORE_DOWN; any other stays as it is."""
    word = str(refusal).partition(" ")[0]
    if isinstance(refusal, ResponseError) and word in _PASSING:
        return PassingRefusal(word, _PASSING[word])
    return refusal


def is_of_another_type(answer: object) -> bool:
    """Tell whether Redis answered that a key holds another type of value. Raises what else it refused."""
    if isinstance(answer, ResponseError) and not str(answer).startswith("WRONGTYPE"):
        raise answer
    return isinstance(answer, ResponseError)

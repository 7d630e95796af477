"""How long a token, or the anonymous identity, rests after the backend refused it for now: the one place for that. Pure."""

from core.settings import Settings

#: the longest rest of a token to which doubling leads, and the longest that the backend's word is taken for
LONGEST_REST_S = 300.0
LONGEST_TOLD_REST_S = 3600.0
#: after the one more try that the contract asks for (BACKEND.md, "Errors", 429), the identity rests an hour, then twice that
_LATER_IDENTITY_REST_S = 3600.0
_LONGEST_IDENTITY_REST_S = 86_400.0


def token_rest_s(refusals: int, retry_after_s: float | None, settings: Settings) -> float:
    """How long whoever was told 429 stays away: the backend's own word or else 30 s, doubled by each refusal before."""
    first_s = settings.rate_limited_s
    if retry_after_s:
        first_s = min(max(retry_after_s, settings.backoff_s), LONGEST_TOLD_REST_S)
    return min(max(first_s, LONGEST_REST_S), first_s * (1 << min(refusals, 20)))


def identity_rest_s(refusals: int, retry_after_s: float | None, *, first_s: float) -> float:
    """How long the identity rests after so many refusals before this one: 30 s at first, then hours."""
    usual_s = first_s if refusals == 0 else _LATER_IDENTITY_REST_S * (1 << min(refusals - 1, 10))
    return min(max(usual_s, retry_after_s or 0.0), _LONGEST_IDENTITY_REST_S)

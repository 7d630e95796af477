"""What a caller is told when the accept script takes nothing in."""

from typing import get_args, get_type_hints

import pytest
from pydantic import SecretStr

from core.settings import Settings
from core.store.jobs.submissions import Rejected
from service.jobs.submission import InputGone, rejection_error

SETTINGS = Settings.model_validate({"secret_keys": (SecretStr("k" * 40),)})
TOLD = {
    "reused": (422, "idempotency_key_reused"),
    "rate": (429, "rate_limited"),
    "queue_full": (429, "queue_full"),
    "overloaded": (503, "overloaded"),
    "no_session": (404, "not_found"),
    "no_upload": (404, "not_found"),
    "revoked": (401, "unauthorized"),
    "webhook": (503, "unavailable"),
}


@pytest.mark.parametrize("why", get_args(get_type_hints(Rejected)["why"]))
def test_each_rejection_has_a_status_and_a_code_of_its_own(why: str) -> None:
    error = rejection_error(Rejected(why, 1500), SETTINGS)
    assert (error.status, error.code) == TOLD[why]
    assert ("Retry-After" in error.headers) == (error.status in {429, 503})


def test_a_webhook_that_changes_all_the_time_is_no_session_that_is_gone() -> None:
    assert not isinstance(rejection_error(Rejected("webhook"), SETTINGS), InputGone)
    gone = rejection_error(Rejected("no_session", gone_id="ses_1"), SETTINGS)
    assert isinstance(gone, InputGone)
    assert gone.gone_id == "ses_1"

"""A hundred calls at once with one Idempotency-Key, over two API processes as they run in production."""

from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.hostile.harness import Harness

ASK = {"prompt": "trim the first 2 seconds", "media": [{"url": "https://media.example.com/clip.mp4"}]}
KEY = {"Idempotency-Key": '"a-hundred-at-once"'}


def test_a_hundred_submits_at_once_over_two_processes_make_one_job(harness: Harness) -> None:
    with harness.client(0) as first, harness.client(1) as second:
        refused = first.post("/v1/jobs", json=ASK | {"prompt": ""}, headers=KEY)
        assert refused.status_code == 422, "which does not use the key up"

        def submit(n: int) -> httpx.Response:
            return (first, second)[n % 2].post("/v1/jobs", json=ASK, headers=KEY)

        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(submit, range(100)))
        assert {a.status_code for a in answers} == {202}
        assert len({a.content for a in answers}) == 1, "byte for byte"
        assert sum("idempotency-replayed" not in a.headers for a in answers) == 1
        made = answers[0].json()
        listed = first.get("/v1/jobs", params={"session_id": made["session_id"]}).json()["data"]
        assert [job["id"] for job in listed] == [made["id"]]
        assert second.post("/v1/jobs", json=ASK | {"priority": 1}, headers=KEY).status_code == 422

"""The client's calls and types, held against the OpenAPI document; and both clients against each other."""

import inspect
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from reelgate.client import AsyncReelgate, JobAsk, Reelgate, async_client, calls, client, types
from reelgate.client.effects import Answer, FileBody
from reelgate.client.errors import FAMILIES
from reelgate.client.transport import Outgoing

DOCUMENT = json.loads((Path(__file__).parents[2] / "openapi" / "openapi.json").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
NOW = datetime(2026, 11, 26, tzinfo=UTC)
ASK = JobAsk(
    "trim it",
    ["https://x.example/a.mp4", types.Upload(id="upl_1")],
    profile="trimmer-exe",
    session_id="ses_1",
    language="en",
    output={"format": "mp4"},
    webhook={"url": "https://x.example/hook"},
    metadata={"order": "7"},
    priority=1,
    max_credits=100,
    start_timeout_s=60,
    timeout_s=60,
    retention_s=60,
)

CALLS = {
    "submitJob": calls.submit(ASK, key="k"),
    "validateJob": calls.validate(ASK),
    "readJob": calls.read_job("job_1"),
    "listJobs": calls.list_jobs(
        status="failed",
        session_id="ses_1",
        profile="p",
        batch_id="bat_1",
        created_after=NOW,
        created_before=NOW,
        metadata={"order": "7"},
        limit=5,
        after="job_0",
    ),
    "cancelJob": calls.cancel_job("job_1"),
    "replayJob": calls.replay_job("job_1", "render", key="k"),
    "deleteJob": calls.delete_job("job_1"),
    "readTimeline": calls.job_timeline("job_1"),
    "listJobDeliveries": calls.job_deliveries("job_1"),
    "followJob": calls.job_history("job_1"),
    "uploadFile": calls.upload(FileBody(Path("a.mp4"), 9), "a.mp4", key="k"),
    "listUploads": calls.list_uploads(limit=5, after="upl_0"),
    "readUpload": calls.read_upload("upl_1"),
    "deleteUpload": calls.delete_upload("upl_1"),
    "createSession": calls.create_session("p", "en", key="k"),
    "listSessions": calls.list_sessions(limit=5, after="ses_0"),
    "readSession": calls.read_session("ses_1"),
    "readSessionTimeline": calls.session_timeline("ses_1"),
    "closeSession": calls.close_session("ses_1"),
    "submitBatch": calls.submit_batch([ASK], "shared", {"url": "https://x.example"}, key="k"),
    "listBatches": calls.list_batches(limit=5, after="bat_0"),
    "cancelBatch": calls.cancel_batch("bat_1"),
    "readBatch": calls.read_batch("bat_1"),
    "listDeliveries": calls.list_deliveries(limit=5, after="dlv_0"),
    "redeliver": calls.redeliver("dlv_1", key="k"),
    "redeliverRange": calls.redeliver_range(NOW, NOW, "dead", "dlv_0", key="k"),
    "listEvents": calls.list_events(limit=5, after="evt_0"),
    "readCredits": calls.read_credits(),
    "readUsage": calls.read_usage("2026-11"),
    "listProfiles": calls.list_profiles(),
    "readWebhook": calls.read_webhook(),
    "setWebhook": calls.set_webhook("https://x.example", ["job.failed"]),
    "unsetWebhook": calls.unset_webhook(),
    "enableWebhook": calls.enable_webhook(),
    "rotateSecret": calls.rotate_secret(),
    "testWebhook": calls.test_webhook(key="k"),
}
#: a result and the schema that it reads
RESULTS = {
    types.Job: "JobView",
    types.Output: "OutputView",
    types.Problem: "ProblemDocument",
    types.Upload: "UploadView",
    types.Session: "SessionView",
    types.Batch: "BatchAccepted",
    types.BatchItem: "BatchItem",
    types.Delivery: "DeliveryView",
    types.Attempt: "AttemptView",
    types.Credits: "CreditsView",
    types.Usage: "UsageView",
    types.Profile: "Profile",
    types.Webhook: "WebhookView",
    types.TestedWebhook: "TestedWebhook",
    types.NewSecret: "NewSecret",
    types.Validated: "Validated",
    types.Wait: "WaitView",
    types.Progress: "Progress",
    types.Plan: "Plan",
    types.Input: "InputView",
    types.Estimate: "EstimateView",
    types.InputMedia: "MediaView",
    types.InputWebhook: "JobWebhookView",
    types.Deliverable: "Output",
    types.Redelivered: "Redelivered",
}


def operation(name: str) -> tuple[str, str, dict]:
    for path, methods in DOCUMENT["paths"].items():
        for method, told in methods.items():
            if isinstance(told, dict) and told.get("operationId") == name:
                return method.upper(), path, told
    raise AssertionError(f"the document has no {name}")


def examples_of(told: dict) -> list[tuple[int, object]]:
    """Give the JSON examples of an operation's good answers, each with its status."""
    found = []
    for status, answer in told["responses"].items():
        media = answer.get("content", {}).get("application/json", {}) if status.startswith("2") else {}
        named = [each["value"] for each in media.get("examples", {}).values()]
        found += [(int(status), example) for example in ([media["example"]] if "example" in media else named)]
    return found


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_one_of_the_document(name):
    method, path, told = operation(name)
    request = CALLS[name].request
    assert request.method == method
    assert re.fullmatch(re.sub(r"\{\w+\}", r"[a-z]+_\\w+", path), request.path)
    known = {each["name"] for each in told.get("parameters", ()) if each.get("in") == "query"}
    assert {name.partition("[")[0] for name, _ in request.params} <= known
    takes_key = any(each.get("name") == "Idempotency-Key" for each in told.get("parameters", ()))
    assert (request.headers.get("idempotency-key") == '"k"') == takes_key


@pytest.mark.parametrize("name", CALLS)
def test_the_documents_own_answers_are_read(name):
    _, _, told = operation(name)
    examples = examples_of(told)
    assert examples or set(told["responses"]) >= {"204"}
    for status, example in examples:
        assert CALLS[name].read(Answer(status, {}, json.dumps(example).encode())) is not None


@pytest.mark.parametrize("name", [name for name, call in CALLS.items() if isinstance(call.request.body, bytes)])
def test_a_body_has_known_fields_alone(name):
    _, _, told = operation(name)
    schema = SCHEMAS[told["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]]
    assert set(json.loads(CALLS[name].request.body)) <= set(schema["properties"])


def test_every_operation_of_v1_has_a_call():
    """What is left out, is so on purpose: places in storage for files, and the film, which comes by its signed link."""
    told = {
        each["operationId"]
        for path, methods in DOCUMENT["paths"].items()
        if path.startswith("/v1/")
        for each in methods.values()
        if isinstance(each, dict) and "operationId" in each
    }
    assert told - set(CALLS) <= {"presignUpload", "completeUpload", "readOutput"}


def test_a_job_can_be_asked_for_all_that_the_document_knows():
    assert set(calls.JobOptions.__annotations__) | {"prompt", "media"} == set(SCHEMAS["JobRequest"]["properties"])


@pytest.mark.parametrize("result", RESULTS)
def test_a_result_has_every_field_of_its_schema(result):
    assert set(SCHEMAS[RESULTS[result]]["properties"]) <= {
        field.encode_name for field in msgspec.structs.fields(result)
    }


def test_every_code_has_one_family():
    coded = [code for codes in FAMILIES.values() for code in codes]
    assert sorted(coded) == sorted(SCHEMAS["ProblemCode"]["enum"])


def test_fields_that_are_not_known_yet_are_ignored_and_those_that_lack_have_a_default():
    job = msgspec.json.decode(b'{"id":"job_1","status":"dreaming","mood":"good"}', type=types.Job)
    assert (job.status, job.ended, job.output) == ("dreaming", False, None)


@pytest.mark.parametrize("id_", ["", ".", ".."])
def test_what_is_no_id_is_refused_before_it_becomes_another_path(id_):
    with pytest.raises(ValueError, match="is no id"):
        calls.read_job(id_)


def test_an_id_stays_in_its_segment():
    assert calls.read_job("../credits?x").request.path == "/v1/jobs/..%2Fcredits%3Fx"


@pytest.mark.parametrize(
    "address", ["", "example.com", "ftp://example.com", "https://", "http://x/?", "http://x/#", "http://x/?a=b"]
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(ValueError, match="no address"):
        Reelgate(address, "rg_secret")


def test_the_key_goes_to_the_api_alone():
    outgoing = Outgoing("https://api.example/", "rg_secret")
    assert outgoing.headers(calls.read_job("job_1").request)["authorization"] == "Bearer rg_secret"
    assert outgoing.url(calls.film_bytes("job_1", have_bytes=0)) == "https://api.example/v1/jobs/job_1/output"


def test_no_repr_shows_a_secret_a_link_or_a_prompt():
    job = types.Job(id="job_1", status="succeeded", output=types.Output(url="https://x/?signature=s"), reply="words")
    with Reelgate("https://api.example", "rg_secret") as reelgate:
        shown = " ".join(
            map(
                repr,
                (
                    job,
                    job.output,
                    types.NewSecret(secret="whsec_x"),
                    reelgate,
                    Outgoing("http://a", "rg_secret"),
                    CALLS["submitJob"].request,
                ),
            )
        )
    for secret in ("rg_secret", "signature=s", "whsec_x", "words", "trim it"):
        assert secret not in shown


def test_a_filter_that_there_is_not_goes_to_the_api_which_refuses_it():
    """Left out, it would list all jobs, and whoever cancels or deletes what is listed would do so to all."""
    assert dict(calls.list_jobs(state="failed").request.params) == {"state": "failed"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Reelgate, AsyncReelgate),
        *(
            (getattr(client, name), getattr(async_client, f"Async{name}"))
            for name in ("Sessions", "Batches", "Uploads", "Deliveries", "WebhookSettings")
        ),
    ],
)
def test_both_clients_have_the_same_methods(one, other):
    def shape(kind):
        methods = {n: m for n, m in inspect.getmembers(kind, inspect.isfunction) if not n.startswith("_")}
        return {n: (list(inspect.signature(m).parameters.values()), m.__doc__) for n, m in methods.items()}

    assert shape(one) == shape(other)

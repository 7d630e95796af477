"""What an integrator writes over the client that openapi-generator's python makes.

Run by `tests/clients/test_generated_clients.py`, with that client's folder on the path.
"""

import os

import openapi_client as made

API, API_KEY, CLIP = (os.environ[name] for name in ("API", "API_KEY", "CLIP"))

with made.ApiClient(made.Configuration(host=API, access_token=API_KEY)) as client:
    jobs, uploads = made.JobsApi(client), made.UploadsApi(client)
    upload = uploads.upload_file(file=CLIP)
    ask = made.JobRequest(
        prompt="trim the first second and export in 360p", media=[made.MediaSource(upload_id=upload.id)]
    )
    job = jobs.submit_job(job_request=ask, idempotency_key='"k3"')
    # The same call again under its key waits for the job's end, and makes no second one.
    while job.finished_at is None:
        job = jobs.submit_job(job_request=ask, idempotency_key='"k3"', prefer="wait=60")
    assert job.status == made.Status.SUCCEEDED, job.error
    assert job.finished_at >= job.created_at, "times are datetimes"
    assert jobs.follow_job(job.id).data[-1].type == "job.succeeded"
    assert len(jobs.read_output(job.id)) == job.output.size_bytes
    try:
        jobs.read_job("job_1")
    except made.exceptions.NotFoundException as error:
        problem = error.data
        assert (problem.status, problem.code, problem.retryable) == (404, made.ProblemCode.NOT_FOUND, False), problem
    else:
        raise AssertionError("it was found")

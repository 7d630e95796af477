// What an integrator writes over the client that openapi-generator's typescript-fetch makes.
// Compiled and run by `tests/clients/test_generated_clients.py`.

import * as assert from "node:assert/strict";
import { openAsBlob } from "node:fs";

import { Configuration, JobsApi, ProblemDocumentFromJSON, ResponseError, UploadsApi } from "./made";

const { API, API_KEY, CLIP } = process.env as Record<string, string>;

async function main(): Promise<void> {
  const configuration = new Configuration({ basePath: API!, accessToken: async () => API_KEY! });
  const [jobs, uploads] = [new JobsApi(configuration), new UploadsApi(configuration)];
  const file = new File([await openAsBlob(CLIP!)], "clip.mp4");
  const upload = await uploads.uploadFile({ file });
  const jobRequest = { prompt: "trim the first second and export in 360p", media: [{ uploadId: upload.id }] };
  let job = await jobs.submitJob({ jobRequest, idempotencyKey: '"k2"' });
  // The same call again under its key waits for the job's end, and makes no second one.
  while (!job.finishedAt) job = await jobs.submitJob({ jobRequest, idempotencyKey: '"k2"', prefer: "wait=60" });
  assert.equal(job.status, "succeeded");
  assert.ok(job.finishedAt >= job.createdAt, "times are Dates");

  const asJson = async ({ init }: { init: RequestInit }) => ({ headers: { ...init.headers, Accept: "application/json" } });
  const events = await jobs.followJob({ jobId: job.id }, asJson);
  assert.equal(events?.data.at(-1)?.type, "job.succeeded");
  const film = await jobs.readOutput({ jobId: job.id });
  assert.equal((film as Blob).size, job.output?.sizeBytes);

  const error: unknown = await jobs.readJob({ jobId: "job_1" }).catch((caught: unknown) => caught);
  assert.ok(error instanceof ResponseError);
  const problem = ProblemDocumentFromJSON(await error.response.json());
  assert.deepEqual([problem.status, problem.code, problem.retryable], [404, "not_found", false]);
}

void main();

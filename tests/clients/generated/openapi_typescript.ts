// What an integrator writes over the types that openapi-typescript makes by its default flags, with openapi-fetch.
// Compiled and run by `tests/clients/test_generated_clients.py`.

import assert from "node:assert/strict";
import { openAsBlob } from "node:fs";

import createClient from "openapi-fetch";

import type { components, paths } from "./schema.js";

const { API, API_KEY, CLIP } = process.env as Record<string, string>;
const client = createClient<paths>({ baseUrl: API!, headers: { Authorization: `Bearer ${API_KEY}` } });

const file = new File([await openAsBlob(CLIP!)], "clip.mp4");
const upload = await client.POST("/v1/uploads", {
  body: { file: "" }, // these types know no file: it is put in below
  bodySerializer: () => {
    const form = new FormData();
    form.append("file", file);
    return form;
  },
});
assert.ok(upload.data, JSON.stringify(upload.error));

// Only what is always needed stands here: a field with a default is none that a caller has to send.
const ask: components["schemas"]["JobRequest"] = {
  prompt: "trim the first second and export in 360p",
  media: [{ upload_id: upload.data.id }],
};
const submitted = await client.POST("/v1/jobs", { body: ask, params: { header: { "Idempotency-Key": '"k1"' } } });
assert.ok(submitted.data, JSON.stringify(submitted.error));
const path = { job_id: submitted.data.id };

const stream = await client.GET("/v1/jobs/{job_id}/events", {
  params: { path },
  headers: { Accept: "text/event-stream" },
  parseAs: "text",
});
assert.match(String(stream.data), /^event: job\.succeeded$/m);
const list = await client.GET("/v1/jobs/{job_id}/events", { params: { path }, headers: { Accept: "application/json" } });
assert.ok(list.data && "has_more" in list.data);
assert.equal(list.data.data.at(-1)?.type, "job.succeeded");

const job = await client.GET("/v1/jobs/{job_id}", { params: { path } });
const film = await client.GET("/v1/jobs/{job_id}/output", { params: { path }, parseAs: "blob" });
assert.equal((film.data as unknown as Blob).size, job.data?.output?.size_bytes);

const missing = await client.GET("/v1/jobs/{job_id}", { params: { path: { job_id: "job_1" } } });
const problem: components["schemas"]["ProblemDocument"] | undefined = missing.error;
assert.deepEqual([problem?.status, problem?.code, problem?.retryable], [404, "not_found", false]);

// The verbs against a whole living world, whose addresses stand in the environment. Started by a test of the project's.

import assert from "node:assert/strict";
import { createWriteStream, openAsBlob } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { Writable } from "node:stream";
import { test } from "node:test";

import { JobNotDone, NotAuthorized, NotFound, Reelgate, hasCode, verify } from "../dist/index.js";

const { API, API_KEY, CLIP, FOLDER, RECEIVER, SECRET } = process.env;
const reelgate = new Reelgate({ baseUrl: API, apiKey: API_KEY });
const clip = async () => new File([await openAsBlob(CLIP)], basename(CLIP));

test("run: a file goes in and a film comes out", async () => {
  const path = join(FOLDER, "out.mp4");
  const seen = [];
  const job = await reelgate.run(
    { prompt: "trim the first second and export in 360p", metadata: { order: "7" } },
    { files: [await clip()], to: Writable.toWeb(createWriteStream(path)), onEvent: (event) => seen.push(event.type) },
  );
  assert.equal(job.status, "succeeded");
  assert.equal((await stat(path)).size, job.output.size_bytes);
  assert.deepEqual([seen[0], seen.at(-1)], ["snapshot", "job.succeeded"]);
  const listed = [];
  for await (const found of reelgate.jobs({ metadata: { order: "7" } })) listed.push(found.id);
  assert.deepEqual(listed, [job.id]);
});

test("upload, submit, events, download, delete, one by one; and the callback is ours", async () => {
  const told = [];
  const upload = await reelgate.upload(await clip(), { onProgress: (done) => told.push(done) });
  assert.equal(told.at(-1), upload.size_bytes);
  assert.equal((await reelgate.uploads.get(upload.id)).filename, basename(CLIP));
  const request = {
    prompt: "trim the first second and export in 360p",
    media: [{ upload_id: upload.id }],
    webhook: { url: `${RECEIVER}/hook` },
  };
  assert.equal((await reelgate.validate(request)).plan.action, "export");
  const job = await reelgate.submit(request, { idempotencyKey: "order-8" });
  assert.equal((await reelgate.submit(request, { idempotencyKey: "order-8" })).id, job.id);
  const events = [];
  for await (const event of reelgate.events(job.id)) events.push(event);
  assert.equal(events.at(-1).type, "job.succeeded");
  const rest = [];
  for await (const event of reelgate.events(job.id, { after: events.at(-1).id })) rest.push(event);
  assert.deepEqual(rest, [], "204: it is over");
  const film = await reelgate.download(job.id);
  assert.equal(film.mediaType, "video/mp4");
  assert.equal((await film.blob()).size, events.at(-1).data.job.output.size_bytes);
  await callbackIsOurs(job.id);
  const again = await reelgate.replay(job.id, { from: "render" }, { waitS: 60 });
  assert.equal(again.parent_id, job.id);
  assert.ok(["succeeded", "canceled", "canceling"].includes((await reelgate.cancel(again.id)).status));
  assert.equal((await reelgate.delete(job.id)).data_removed, true);
});

async function callbackIsOurs(jobId) {
  const [received] = await (await fetch(`${RECEIVER}/_received?job_id=${jobId}&at_least=1&wait_s=30`)).json();
  const event = await verify(received.text, received.headers, SECRET);
  assert.deepEqual([event.type, event.data.job.id], ["job.succeeded", jobId]);
}

test("a stream is uploaded as well", async () => {
  const file = await clip();
  const upload = await reelgate.upload(file.stream(), { filename: "streamed.mp4" });
  assert.deepEqual([upload.filename, upload.size_bytes], ["streamed.mp4", file.size]);
  await reelgate.uploads.delete(upload.id);
  await assert.rejects(reelgate.uploads.get(upload.id), NotFound);
});

test("a session is refined, and closed", async () => {
  const session = await reelgate.sessions.create({ language: "en" });
  const output = { export: false };
  await reelgate.run({ prompt: "trim the first second", session_id: session.id, output }, { files: [await clip()] });
  await reelgate.run({ prompt: 'add a title "Hello"', session_id: session.id, output });
  assert.match(JSON.stringify(await reelgate.sessions.timeline(session.id)), /Hello/);
  assert.equal((await reelgate.sessions.get(session.id)).edits, 2);
  const ids = [];
  for await (const open of reelgate.sessions.list()) ids.push(open.id);
  assert.ok(ids.includes(session.id));
  await reelgate.sessions.close(session.id);
  await assert.rejects(reelgate.sessions.get(session.id), NotFound);
});

test("a batch answers for each of its jobs", async () => {
  const media = [{ upload_id: (await reelgate.upload(await clip())).id }];
  const jobs = [{ prompt: "trim the first second", media, output: { export: false } }, { prompt: "", media }];
  const batch = await reelgate.batches.submit({ jobs });
  assert.deepEqual([batch.items[0].status, batch.items[1].status], [202, 422]);
  assert.equal((await reelgate.wait(batch.items[0].job.id)).status, "succeeded");
  assert.equal((await reelgate.batches.get(batch.id)).jobs.length, 1);
  assert.equal((await reelgate.batches.cancel(batch.id)).id, batch.id);
});

test("a refusal and a bad end are errors with their codes", async () => {
  const refused = await reelgate.submit({ prompt: "trim", nonsense: 1 }).catch((caught) => caught);
  assert.ok(hasCode(refused, "unknown_field"));
  assert.equal(refused.problem.errors[0].pointer, "/nonsense");
  await assert.rejects(new Reelgate({ baseUrl: API, apiKey: "rg_wrong" }).credits(), NotAuthorized);
  const files = [await clip()];
  const failed = await reelgate.run({ prompt: "[[story:question]] trim the first second" }, { files }).catch((caught) => caught);
  assert.ok(failed instanceof JobNotDone);
  assert.deepEqual([failed.code, failed.job.error.code], ["needs_input", "needs_input"]);
});

test("what the account tells", async () => {
  assert.ok((await reelgate.credits()).available > 0);
  assert.ok((await reelgate.usage()).jobs.succeeded > 0);
  assert.equal((await reelgate.profiles()).length, 5);
  const types = [];
  for await (const event of reelgate.feed()) types.push(event.type);
  assert.ok(types.includes("job.succeeded"));
});

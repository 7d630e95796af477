// What a call does when the API is slow, busy, broken or not there: before a server that plays each of these.

import assert from "node:assert/strict";
import { openAsBlob } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { LimitReached, NoAnswer, NotAuthorized, NotFound, Reelgate, Refused, Unavailable, hasCode } from "../dist/index.js";
import { broken, json, part, problem, scripted } from "./support/scripted.mjs";

const client = (server) => new Reelgate({ baseUrl: server.baseUrl, apiKey: "rg_k" });
const keys = (server) => new Set(server.asked.map((request) => request.headers["idempotency-key"]));

test("a submit is tried again over breaks and busy answers, under one key", async (t) => {
  const busy = problem(503, "unavailable", { "Retry-After": "0" });
  const server = await scripted(t, broken, busy, problem(409, "in_progress", { "Retry-After": "1" }), json(202, { id: "job_1" }));
  assert.equal((await client(server).submit({ prompt: "trim" })).id, "job_1");
  assert.equal(server.asked.length, 4);
  assert.equal(keys(server).size, 1);
  assert.match([...keys(server)][0], /^"[0-9a-f-]{36}"$/);
  assert.equal(server.asked[3].headers.authorization, "Bearer rg_k");
});

test("an answer that waits and is lost, as behind a proxy that lets none wait, is asked for once more at once", async (t) => {
  for (const lost of [broken, (response) => response.writeHead(504).end()]) {
    const [busy, away] = [problem(429, "rate_limited", { "Retry-After": "1" }), problem(503, "unavailable", { "Retry-After": "0" })];
    const server = await scripted(t, busy, away, lost, json(202, { id: "job_1" }));
    assert.equal((await client(server).submit({ prompt: "trim" }, { waitS: 60 })).id, "job_1");
    assert.deepEqual(server.asked.map((request) => request.headers.prefer), ["wait=60", "wait=60", "wait=60", undefined]);
    assert.equal(keys(server).size, 1);
  }
});

test("two calls have two keys, and a caller's own is kept", async (t) => {
  const server = await scripted(t, ...Array.from({ length: 3 }, () => json(202, { id: "job_1" })));
  await client(server).submit({ prompt: "a" });
  await client(server).submit({ prompt: "a" });
  await client(server).submit({ prompt: "a" }, { idempotencyKey: "order-7" });
  assert.equal(keys(server).size, 3);
  assert.ok(keys(server).has('"order-7"'));
});

test("what only reads has no key", async (t) => {
  const server = await scripted(t, json(200, { id: "job_1" }));
  await client(server).job("job_1");
  assert.deepEqual([...keys(server)], [undefined]);
});

test("a Retry-After that outlasts the call's time ends it at once, and is told", async (t) => {
  const server = await scripted(t, problem(429, "rate_limited", { "Retry-After": "3600" }));
  const error = await client(server).submit({ prompt: "a" }).catch((caught) => caught);
  assert.ok(error instanceof LimitReached && hasCode(error, "rate_limited", "queue_full"));
  assert.deepEqual([error.status, error.retryAfterMs, error.requestId, server.asked.length], [429, 3_600_000, "r1", 1]);
});

test("Retry-After as a date is heeded too", async (t) => {
  const then = new Date(Date.now() + 3_600_000).toUTCString();
  const server = await scripted(t, problem(503, "unavailable", { "Retry-After": then }));
  const error = await client(server).job("job_1").catch((caught) => caught);
  assert.ok(error instanceof Unavailable && error.retryAfterMs > 3_000_000);
});

test("Retry-After is UTC anywhere, and is measured from the answer's own date, so that clocks need not agree", async (t) => {
  const at = (form) => problem(503, "unavailable", { "Retry-After": form("12:05:00"), Date: "Thu, 26 Nov 2026 12:00:00 GMT" });
  const zone = process.env.TZ;
  process.env.TZ = "America/New_York";
  t.after(() => (zone === undefined ? delete process.env.TZ : (process.env.TZ = zone)));
  const server = await scripted(
    t,
    at((time) => `Thu, 26 Nov 2026 ${time} GMT`),
    at((time) => `Thu Nov 26 ${time} 2026`),
    at((time) => `Thursday, 26-Nov-26 ${time} GMT`),
    at(() => "1.5"),
  );
  const told = [];
  for (let call = 0; call < 4; call += 1) {
    told.push((await client(server).job("job_1", { timeoutMs: 1500 }).catch((caught) => caught)).retryAfterMs);
  }
  assert.deepEqual(told, [300_000, 300_000, 300_000, undefined]);
});

test("a clock that is set anew while a call goes on neither ends it nor keeps it", async (t) => {
  const now = Date.now;
  t.after(() => (Date.now = now));
  for (const hours of [-1, 1]) {
    const server = await scripted(t, (response) => (broken(response), (Date.now = () => now() + hours * 3_600_000)), ...Array(50).fill(broken));
    await assert.rejects(client(server).submit({ prompt: "a" }, { timeoutMs: 1500 }), NoAnswer);
    assert.ok(server.asked.length >= 2 && server.asked.length < 10, `${server.asked.length}`);
    Date.now = now;
  }
});

test("all attempts together end within the call's time", async (t) => {
  const server = await scripted(t, ...Array.from({ length: 50 }, () => broken));
  const error = await client(server).submit({ prompt: "a" }, { timeoutMs: 1500 }).catch((caught) => caught);
  assert.ok(error instanceof NoAnswer && error.idempotencyKey);
  assert.ok(server.asked.length >= 2 && server.asked.length < 10);
});

test("an answer that never comes ends with the call's time", async (t) => {
  const server = await scripted(t, () => undefined);
  await assert.rejects(client(server).job("job_1", { timeoutMs: 200 }), NoAnswer);
});

test("a refusal that does not pass is not repeated, and is an error of its family", async (t) => {
  const server = await scripted(t, problem(404, "not_found"), problem(422, "of_tomorrow"));
  await assert.rejects(client(server).job("job_1"), NotFound);
  const error = await client(server).job("job_1").catch((caught) => caught);
  assert.equal(error.name, "InvalidRequest");
  assert.equal(error.code, "of_tomorrow");
  assert.equal(server.asked.length, 2);
});

test("a proxy's page is a refusal as well", async (t) => {
  const page = (response) => response.writeHead(403, { "Content-Type": "text/html" }).end("<h1>no</h1>");
  const error = await client(await scripted(t, page)).job("job_1").catch((caught) => caught);
  assert.ok(error instanceof NotAuthorized && error instanceof Refused);
  assert.deepEqual([error.status, error.code], [403, "status_403"]);
});

test("a gateway's own JSON is a refusal with words, and says by its status whether it passes", async (t) => {
  for (const body of [{ code: 14, message: "upstream" }, { message: "upstream" }, { code: "UPSTREAM" }, null, []]) {
    const busy = json(429, body, { "Retry-After": "3600" });
    const error = await client(await scripted(t, busy)).job("job_1").catch((caught) => caught);
    assert.ok(error instanceof LimitReached && error.retryable, JSON.stringify(body));
    assert.deepEqual([typeof error.code, error.message], ["string", "status 429, without a problem document"]);
  }
});

test("an abort ends a call, also in its pause, with the caller's reason", async (t) => {
  const server = await scripted(t, problem(503, "unavailable", { "Retry-After": "60" }), () => undefined);
  const reason = new Error("enough");
  const controller = new AbortController();
  const call = client(server).job("job_1", { signal: controller.signal });
  while (!server.asked.length) await new Promise((resolve) => setTimeout(resolve, 5));
  controller.abort(reason);
  await assert.rejects(call, reason);
  await assert.rejects(client(server).job("job_1", { signal: AbortSignal.abort(reason) }), reason);
});

test("a list is read page after page until has_more is false, over empty pages", async (t) => {
  const page = (ids, next) => json(200, { data: ids.map((id) => ({ id })), next_cursor: next, has_more: next !== null });
  const server = await scripted(t, page(["job_3"], "job_3"), page([], "job_2"), page(["job_1"], null));
  const found = [];
  for await (const job of client(server).jobs({ status: "failed", metadata: { order: "7" } })) found.push(job.id);
  assert.deepEqual(found, ["job_3", "job_1"]);
  assert.equal(server.asked[2].url, "/v1/jobs?status=failed&metadata%5Border%5D=7&after=job_2");
});

test("a list by a time that is a Date is not the list of all", async (t) => {
  const server = await scripted(t, json(200, { data: [], next_cursor: null, has_more: false }));
  await client(server).jobs({ created_after: new Date(0) }).next();
  assert.equal(server.asked[0].url, "/v1/jobs?created_after=1970-01-01T00%3A00%3A00.000Z");
});

test("events of the feed that are gone are told before those that are left", async (t) => {
  const server = await scripted(t, json(200, { data: [{ id: "evt_9" }], next_cursor: "evt_9", has_more: false, trimmed: true }));
  const told = [];
  for await (const event of client(server).feed("evt_1", { onTrimmed: () => told.push("some are gone") })) told.push(event.id);
  assert.deepEqual(told, ["some are gone", "evt_9"]);
});

test("a file is sent again whole after a break, and a stream is not", async (t) => {
  const kept = json(201, { id: "upl_1", size_bytes: 4 });
  const server = await scripted(t, broken, kept, broken);
  const told = [];
  const file = new File(["clip"], "clip.mp4");
  const upload = await client(server).upload(file, { onProgress: (done, all) => told.push([done, all]) });
  assert.equal(upload.id, "upl_1");
  assert.deepEqual(server.asked.map(({ url, body }) => [url, body.toString()]), Array(2).fill(["/v1/uploads?filename=clip.mp4", "clip"]));
  assert.equal(keys(server).size, 1);
  assert.equal(server.asked[1].headers["content-length"], "4");
  assert.deepEqual([told[0], told.at(-1)], [[0, 4], [4, 4]]);
  await assert.rejects(client(server).upload(file.stream(), { filename: "clip.mp4" }), NoAnswer);
  assert.equal(server.asked.length, 3);
});

test("what a caller's own onProgress throws is no break to try again over", async (t) => {
  const onProgress = (done) => {
    if (done) throw new RangeError("no such bar");
  };
  const upload = client(await scripted(t)).upload(new File(["clip"], "clip.mp4"), { onProgress });
  const error = await upload.catch((caught) => caught);
  assert.match(error.message, /onProgress threw/);
  assert.equal(error.cause.cause.cause.message, "no such bar");
});

test("a file that has changed since it was opened is told at once", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "reelgate-"));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "clip.mp4");
  await writeFile(path, "clip");
  const clip = await openAsBlob(path);
  await writeFile(path, "another clip");
  const server = await scripted(t);
  const attempts = [];
  const counted = (...call) => (attempts.push(call), fetch(...call));
  const reelgate = new Reelgate({ baseUrl: server.baseUrl, apiKey: "rg_k", fetch: counted });
  await assert.rejects(reelgate.upload(clip, { filename: "clip.mp4" }), /could not be read/);
  assert.equal(attempts.length, 1);
});

test("a film goes on where it broke", async (t) => {
  const head = { ETag: '"e"', "Content-Type": "video/mp4", "Content-Disposition": 'attachment; filename="job_1.mp4"' };
  const server = await scripted(
    t,
    part(200, { ...head, "Content-Length": "10" }, "01234"),
    part(206, { ...head, "Content-Length": "5", "Content-Range": "bytes 5-9/10" }, "56789", { ends: true }),
  );
  const film = await client(server).download("job_1");
  assert.deepEqual([film.sizeBytes, film.mediaType, film.filename], [10, "video/mp4", "job_1.mp4"]);
  assert.equal(await (await film.blob()).text(), "0123456789");
  assert.equal(server.asked[1].headers.range, "bytes=5-");
  assert.equal(server.asked[1].headers["if-range"], undefined, "a storage to which it is led knows the film by another name");
});

test("a film that breaks before its first byte, from a server that gives it no name, comes all the same", async (t) => {
  const head = { "Content-Type": "video/mp4" };
  const server = await scripted(
    t,
    (response) => response.writeHead(200, { ...head, "Content-Length": "5" }).write("", () => setTimeout(() => response.destroy(), 20)),
    part(206, { ...head, "Content-Length": "5", "Content-Range": "bytes 0-4/5" }, "01234", { ends: true }),
  );
  assert.equal(await (await (await client(server).download("job_1")).blob()).text(), "01234");
});

test("a film whose reader's onProgress throws ends there, and has no hole", async (t) => {
  const head = { ETag: '"e"', "Content-Type": "video/mp4" };
  const server = await scripted(
    t,
    part(200, { ...head, "Content-Length": "10" }, "01234"),
    part(206, { ...head, "Content-Length": "5", "Content-Range": "bytes 5-9/10" }, "56789", { ends: true }),
  );
  const onProgress = (done) => {
    if (done === 5) throw new RangeError("no such bar");
  };
  await assert.rejects((await client(server).download("job_1", { onProgress })).blob(), /onProgress threw/);
  assert.equal(server.asked.length, 1);
});

test("a film that became another one meanwhile is an error, not a mixture", async (t) => {
  const head = { ETag: '"e"', "Content-Type": "video/mp4", "Content-Length": "10" };
  const server = await scripted(t, part(200, head, "01234"), part(200, head, "abcdefghij", { ends: true }));
  const film = await client(server).download("job_1");
  await assert.rejects(film.blob(), NoAnswer);
});

test("a film that a proxy packs has a length of its own", async (t) => {
  const packed = gzipSync("0123456789");
  const head = { ETag: '"e"', "Content-Type": "video/mp4", "Content-Encoding": "gzip", "Content-Length": String(packed.length) };
  const server = await scripted(t, part(200, head, packed, { ends: true }));
  const film = await client(server).download("job_1");
  assert.equal(film.sizeBytes, undefined);
  assert.equal(await (await film.blob()).text(), "0123456789");
  assert.equal(server.asked[0].headers["accept-encoding"], "identity");
});

test("who cancels a film that has stalled waits for no more of it", async (t) => {
  const stalled = (response) => response.writeHead(200, { "Content-Type": "video/mp4", "Content-Length": "10", ETag: '"e"' }).write("0123");
  const reader = (await client(await scripted(t, stalled)).download("job_1")).stream.getReader();
  await reader.read();
  const next = reader.read();
  await reader.cancel();
  assert.equal((await next).done, true);
});

test("a film that nobody reads closes its connection, and so does one that is aborted", async (t) => {
  const closed = [];
  const endless = (response) => {
    response.on("close", () => closed.push(response.headersSent));
    response.writeHead(200, { "Content-Type": "video/mp4", ETag: '"e"' }).write("0123");
  };
  const server = await scripted(t, endless, endless);
  await (await client(server).download("job_1")).cancel();
  const controller = new AbortController();
  const film = await client(server).download("job_1", { signal: controller.signal });
  const reader = film.stream.getReader();
  await reader.read();
  controller.abort(new Error("enough"));
  await assert.rejects(reader.read(), /enough/);
  while (closed.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
});

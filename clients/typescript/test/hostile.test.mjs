// Servers, proxies and callers that do what none should: nothing is made twice, mixed up, leaked, or waited for without end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";

import { LimitReached, NoAnswer, NotFound, Reelgate, StillRunning } from "../dist/index.js";
import { chunksOf } from "../dist/timing.js";
import { broken, json, part, problem, scripted } from "./support/scripted.mjs";

const client = (server, more = {}) => new Reelgate({ baseUrl: server.baseUrl, apiKey: "rg_secret", ...more });
const caught = (promise) => promise.then(() => assert.fail("nothing was thrown"), (error) => error);
const busy = problem(429, "rate_limited", { "Retry-After": "3600" });
const page = (status, headers = {}) => (response) => response.writeHead(status, { "Content-Type": "text/html", ...headers }).end("<h1>Hi</h1>");
const STREAM = { "Content-Type": "text/event-stream" };
const frame = (status) => `id: evt_1\ndata: ${JSON.stringify({ type: "x", data: { job: { status } } })}\n\n`;

test("what an earlier attempt may have done is not forgotten over the last one", async (t) => {
  const error = await caught(client(await scripted(t, broken, busy)).submit({ prompt: "a" }, { idempotencyKey: "order-7" }));
  assert.ok(error instanceof LimitReached);
  assert.deepEqual([error.maybeDone, error.idempotencyKey], [true, "order-7"]);
  const sure = await caught(client(await scripted(t, busy)).submit({ prompt: "a" }));
  assert.equal(sure.maybeDone, false);
});

test("a key that can be none is refused at once, without being said", () => {
  for (const apiKey of ["rg_secret\nx", "rg_secrät", ""]) {
    assert.throws(() => new Reelgate({ baseUrl: "http://x", apiKey }), (error) => error instanceof TypeError && !/secr/.test(String(error)));
  }
  assert.throws(() => new Reelgate({ baseUrl: "http://me:pa55@x", apiKey: "k" }), (error) => error instanceof TypeError && !/pa55/.test(String(error)));
  for (const baseUrl of ["example.com", "http://x/?", "http://x/#", "http://x/?a=b"]) {
    assert.throws(() => new Reelgate({ baseUrl, apiKey: "k" }), TypeError);
  }
});

test("a key from a file may end with its line", async (t) => {
  const server = await scripted(t, json(200, {}));
  await client(server, { apiKey: "rg_secret\n" }).credits();
  assert.equal(server.asked[0].headers.authorization, "Bearer rg_secret");
});

test("an id that is none leads to no other call", async (t) => {
  const server = await scripted(t);
  for (const id of ["", ".", ".."]) {
    for (const call of [() => client(server).job(id), () => client(server).delete(id), () => client(server).uploads.delete(id)]) {
      await assert.rejects(async () => call(), TypeError);
    }
    await assert.rejects(client(server).events(id).next(), TypeError);
    await assert.rejects(client(server).download(id), TypeError);
  }
  assert.equal(server.asked.length, 0);
});

test("a signal that lives as long as the process keeps nothing of what it could have ended", async () => {
  const { signal } = new AbortController();
  const kept = () => Object.getOwnPropertySymbols(signal).reduce((sum, name) => sum + (signal[name]?.size ?? 0), 0);
  const body = new ReadableStream({ pull: (controller) => ((sent += 1) > 1000 ? controller.close() : controller.enqueue(new Uint8Array(1))) });
  let sent = 0;
  for await (const _ of chunksOf(body, 60_000, signal)) assert.ok(kept() <= 2, `${kept()}`);
  assert.equal(kept(), 0);
});

test("an idempotency key that cannot be sent is refused, and never replaced", async (t) => {
  const server = await scripted(t);
  for (const idempotencyKey of ["", "order 7", "order\n7", "ordnung-ä"]) {
    await assert.rejects(client(server).submit({ prompt: "a" }, { idempotencyKey }), TypeError);
  }
  assert.equal(server.asked.length, 0);
});

test("a call follows no redirect, with its prompt or its key", async (t) => {
  const elsewhere = await scripted(t, json(202, { id: "job_of_another" }));
  for (const status of [301, 302, 307, 308]) {
    const server = await scripted(t, page(status, { Location: `${elsewhere.baseUrl}/v1/jobs` }));
    const error = await caught(client(server).submit({ prompt: "a" }));
    assert.equal(error.status, status);
    assert.equal(server.asked.length, 1);
  }
  assert.equal(elsewhere.asked.length, 0);
});

test("a film's redirect to storage is followed without the key", async (t) => {
  const storage = await scripted(t, part(200, { "Content-Type": "video/mp4", "Content-Length": "4" }, "film", { ends: true }));
  const server = await scripted(t, page(302, { Location: storage.baseUrl.replace("127.0.0.1", "localhost") + "/film" }));
  const film = await client(server).download("job_1");
  assert.equal(await (await film.blob()).text(), "film");
  assert.equal(storage.asked[0].headers.authorization, undefined);
});

test("a page that says 200 is no answer, and is not asked for again and again", async (t) => {
  const server = await scripted(t, page(200));
  const error = await caught(client(server).submit({ prompt: "a" }));
  assert.ok(error instanceof NoAnswer && error.maybeDone && error.idempotencyKey);
  assert.equal(server.asked.length, 1);
});

test("an answer without an end is not kept, whether it is good or bad", async (t) => {
  for (const status of [200, 500]) {
    const endless = (response) => {
      response.writeHead(status);
      const more = () => response.destroyed || response.write("x".repeat(1 << 22), more);
      more();
    };
    const server = await scripted(t, endless);
    const error = await caught(client(server).credits());
    assert.ok(error instanceof NoAnswer && /larger than any/.test(error.message), String(error));
    assert.equal(server.asked.length, 1);
  }
});

test("a delete whose answer was lost is done when the thing is gone", async (t) => {
  await client(await scripted(t, broken, problem(404, "not_found"))).uploads.delete("upl_1");
  await assert.rejects(client(await scripted(t, problem(404, "not_found"))).uploads.delete("upl_1"), NotFound);
  await assert.rejects(client(await scripted(t, broken, page(404))).uploads.delete("upl_1"), NotFound);
});

test("another part of a film than was asked for is an error, not a mixture", async (t) => {
  const head = { ETag: '"e"', "Content-Type": "video/mp4" };
  for (const range of ["bytes 3-9/10", "bytes 5-9/11", undefined]) {
    const more = range === undefined ? {} : { "Content-Range": range };
    const server = await scripted(
      t,
      part(200, { ...head, "Content-Length": "10" }, "01234"),
      part(206, { ...head, ...more, "Content-Length": "5" }, "abcde", { ends: true }),
    );
    const film = await client(server).download("job_1");
    await assert.rejects(film.blob(), NoAnswer);
  }
});

test("a page in a film's place is no film", async (t) => {
  const server = await scripted(t, page(200));
  await assert.rejects(client(server).download("job_1"), NoAnswer);
  const told = await scripted(t, json(200, { message: "Sign in" }));
  await assert.rejects(client(told).download("job_1"), NoAnswer);
});

test("a film's name is a name, and no way to another folder", async (t) => {
  const head = (name) => ({ "Content-Type": "video/mp4", "Content-Disposition": `attachment; filename="${name}"` });
  for (const [given, name] of [["../../etc/x.mp4", "x.mp4"], ["C:\\x\\y.mp4", "y.mp4"], ["..", "job_1"], ["a/", "job_1"], [".ssh", "job_1"]]) {
    const server = await scripted(t, part(200, head(given), "film", { ends: true }));
    const film = await client(server).download("job_1");
    assert.equal(film.filename, name);
    await film.cancel();
  }
});

test("a time without an end is one", async (t) => {
  const slow = (response) => setTimeout(() => json(200, { id: "job_1", status: "failed" })(response), 100);
  const over = part(200, STREAM, frame("failed"), { ends: true });
  const server = await scripted(t, over, slow, over, slow);
  for (const withinMs of [Infinity, 40 * 86_400_000]) {
    assert.equal((await client(server).wait("job_1", { withinMs })).status, "failed");
  }
  const kept = json(201, { id: "upl_1", size_bytes: 1 });
  const uploads = await scripted(t, (response) => setTimeout(() => kept(response), 100));
  await client(uploads).upload(new Uint8Array(1), { filename: "a.mp4", timeoutMs: Infinity });
  assert.equal(uploads.asked.length, 1);
});

test("a time that is no number is the caller's mistake, and nothing is sent", async (t) => {
  const server = await scripted(t);
  const unset = Number(undefined);
  for (const call of [
    (reelgate) => reelgate.submit({ prompt: "a" }, { timeoutMs: unset }),
    (reelgate) => reelgate.wait("job_1", { withinMs: unset }),
    (reelgate) => reelgate.run({ prompt: "a" }, { withinMs: unset }),
    (reelgate) => reelgate.events("job_1", { timeoutMs: unset }).next(),
  ]) {
    await assert.rejects(call(client(server)), TypeError);
  }
  assert.equal(server.asked.length, 0);
});

test("a client that is shown whole does not show its key", () => {
  const shown = new Reelgate({ baseUrl: "http://x", apiKey: "rg_secret" });
  for (const words of [inspect(shown, { depth: 9, showHidden: true }), JSON.stringify(shown)]) assert.doesNotMatch(words, /rg_secret/);
});

test("a job whose record is behind its events is asked for without haste", async (t) => {
  const running = json(200, { id: "job_1", status: "running" });
  const gone = (response) => response.writeHead(204).end();
  const server = await scripted(t, ...Array.from({ length: 400 }, (_, at) => (at % 2 ? running : gone)));
  await assert.rejects(client(server).wait("job_1", { withinMs: 700 }), StillRunning);
  assert.ok(server.asked.length <= 4, `${server.asked.length}`);
});

test("a stream that asks to be come back to at once is not", async (t) => {
  const again = part(200, STREAM, `retry: 0\n\n${frame("running")}`, { ends: true });
  const server = await scripted(t, ...Array.from({ length: 400 }, () => again));
  await assert.rejects(client(server).wait("job_1", { withinMs: 1200 }), StillRunning);
  assert.ok(server.asked.length <= 4, `${server.asked.length}`);
});

test("events that are none are passed over", async (t) => {
  const odd = "data: no json\n\ndata: null\n\ndata: 7\n\ndata: {}\n\n";
  const server = await scripted(t, part(200, STREAM, odd + frame("failed"), { ends: true }));
  const found = [];
  for await (const event of client(server).events("job_1")) found.push(event.type);
  assert.deepEqual(found, ["x"]);
});

test("run never loses the id of a job that was accepted", async (t) => {
  for (const lost of [busy, problem(403, "unauthorized"), page(404)]) {
    const error = await caught(client(await scripted(t, json(202, { id: "job_1" }), lost)).run({ prompt: "a" }));
    assert.ok(error instanceof StillRunning && error.jobId === "job_1", String(error));
  }
});

test("files go one after another, and none after one that is refused", async (t) => {
  const server = await scripted(t, problem(415, "unsupported_media"));
  await caught(client(server).run({ prompt: "a" }, { files: [new Uint8Array(1), new Uint8Array(1)] }));
  assert.equal(server.asked.length, 1);
});

test("the same files under a key of the caller's are the same uploads", async (t) => {
  const kept = (id) => json(201, { id, size_bytes: 1 });
  const seen = [];
  for (const words of ["one", "one", "other"]) {
    const server = await scripted(t, kept("upl_a"), kept("upl_b"), problem(422, "invalid_value"));
    const files = [new File(["same"], "a.mp4", { lastModified: Math.random() * 1e9 }), new TextEncoder().encode(words)];
    await caught(client(server).run({ prompt: "a" }, { files, idempotencyKey: "order-7" }));
    seen.push(server.asked.slice(0, 2).map((request) => request.headers["idempotency-key"]));
  }
  assert.deepEqual(seen[0], seen[1]);
  assert.equal(seen[2][0], seen[0][0]);
  assert.notEqual(seen[2][1], seen[0][1]);
  assert.notEqual(seen[0][0], seen[0][1]);
});

test("a run whose answer was lost has the same body again under the key that its error names", async (t) => {
  const kept = json(201, { id: "upl_a", size_bytes: 1 });
  const options = { files: [new Uint8Array(1)], timeoutMs: 5000 };
  const first = await scripted(t, kept, problem(504, "", { "Retry-After": "9" }));
  const lost = await caught(client(first).run({ prompt: "a" }, options));
  const second = await scripted(t, kept, problem(422, "invalid_value"));
  await caught(client(second).run({ prompt: "a" }, { ...options, idempotencyKey: lost.idempotencyKey }));
  const sent = (server) => server.asked.map((request) => [request.headers["idempotency-key"], request.body.toString()]);
  assert.deepEqual([lost.maybeDone, sent(second)], [true, sent(first)]);
});

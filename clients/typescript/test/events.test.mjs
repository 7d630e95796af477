// A job's events over breaks: before a server that breaks.

import assert from "node:assert/strict";
import { test } from "node:test";

import { DownloadFailed, NoAnswer, NotAuthorized, NotFound, Reelgate, StillRunning } from "../dist/index.js";
import { FrameReader } from "../dist/frames.js";
import { json, part, scripted } from "./support/scripted.mjs";

const STREAM = { "Content-Type": "text/event-stream" };
const frame = (id, type, status = "running") =>
  `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify({ type, timestamp: "2026-11-20T00:00:00Z", data: { job: { status } } })}\n\n`;
const client = (server) => new Reelgate({ baseUrl: server.baseUrl, apiKey: "rg_k" });
const gone = (response) => response.writeHead(204).end();

async function followed(events) {
  const found = [];
  for await (const event of events) found.push([event.id, event.type]);
  return found;
}

test("after a break it goes on with the last id, and ends with the job's end", async (t) => {
  const server = await scripted(
    t,
    part(200, STREAM, `retry: 10\n\n${frame("evt_1", "snapshot")}: still here\n\nid: evt_2\nevent: half`),
    part(200, STREAM, `event: reset\ndata: {}\n\n${frame("evt_2", "job.started")}`, { ends: true }),
    part(200, STREAM, frame("evt_3", "job.succeeded", "succeeded") + frame("evt_4", "never"), { ends: true }),
  );
  const found = await followed(client(server).events("job_1"));
  assert.deepEqual(found, [["evt_1", "snapshot"], ["evt_2", "job.started"], ["evt_3", "job.succeeded"]]);
  assert.deepEqual(server.asked.map((request) => request.headers["last-event-id"]), [undefined, "evt_1", "evt_2"]);
});

test("204 means that nothing follows", async (t) => {
  const server = await scripted(t, gone);
  assert.deepEqual(await followed(client(server).events("job_1", { after: "evt_9" })), []);
  assert.equal(server.asked[0].headers["last-event-id"], "evt_9");
});

test("a stream that only ever breaks ends in time", async (t) => {
  const server = await scripted(t, ...Array.from({ length: 99 }, () => part(200, STREAM, "retry: 50\n\n")));
  await assert.rejects(followed(client(server).events("job_1", { timeoutMs: 500 })), NoAnswer);
});

test("a quiet stream that lived goes on after a break, however long it was quiet", async (t) => {
  const quiet = (response) => {
    response.writeHead(200, STREAM).write("retry: 10\n\n");
    setTimeout(() => response.write(": still here\n\n", () => response.destroy()), 3100);
  };
  const server = await scripted(t, quiet, part(200, STREAM, frame("evt_1", "snapshot", "canceled"), { ends: true }));
  assert.deepEqual(await followed(client(server).events("job_1", { timeoutMs: 3000 })), [["evt_1", "snapshot"]]);
});

test("streams that are cut before their first comment live, and are gone on with for as long as the job", async (t) => {
  const cut = (response) => {
    response.writeHead(200, STREAM).write("retry: 10\n\n");
    setTimeout(() => response.destroy(), 1300);
  };
  const server = await scripted(t, cut, cut, part(200, STREAM, frame("evt_1", "snapshot", "canceled"), { ends: true }));
  assert.deepEqual(await followed(client(server).events("job_1", { timeoutMs: 3000 })), [["evt_1", "snapshot"]]);
});

test("a page that comes slowly in a stream's place is no sign of life", async (t) => {
  const slow = (response) => {
    response.writeHead(200, { "Content-Type": "text/html" }).write("<h1>");
    setTimeout(() => response.end("Sign in</h1>"), 1300);
  };
  const server = await scripted(t, ...Array.from({ length: 99 }, () => slow));
  const error = await followed(client(server).events("job_1", { timeoutMs: 2500 })).catch((caught) => caught);
  assert.match(error.cause.message, /no event stream/);
});

test("an abort ends a stream with the caller's reason", async (t) => {
  const silent = (response) => response.writeHead(200, STREAM).write(frame("evt_1", "snapshot"));
  const controller = new AbortController();
  const events = client(await scripted(t, silent)).events("job_1", { signal: controller.signal });
  await events.next();
  const next = events.next();
  controller.abort(new Error("enough"));
  await assert.rejects(next, /enough/);
});

test("a wait that ends sooner names the job, which goes on", async (t) => {
  const silent = (response) => response.writeHead(200, STREAM).write(": still here\n\n");
  const server = await scripted(t, silent);
  const error = await client(server).wait("job_1", { withinMs: 100 }).catch((caught) => caught);
  assert.ok(error instanceof StillRunning);
  assert.equal(error.jobId, "job_1");
});

test("a wait gives the job as it is read after its end", async (t) => {
  const ended = part(200, STREAM, frame("evt_1", "snapshot", "failed"), { ends: true });
  const server = await scripted(t, ended, json(200, { id: "job_1", status: "failed" }));
  assert.equal((await client(server).wait("job_1")).status, "failed");
});

test("a run that loses sight of its job, or of its film, names it", async (t) => {
  const accepted = json(202, { id: "job_1" });
  const ended = part(200, STREAM, frame("evt_1", "snapshot", "succeeded"), { ends: true });
  const job = json(200, { id: "job_1", status: "succeeded", output: {} });
  const lost = await scripted(t, accepted, ...Array.from({ length: 99 }, () => part(200, STREAM, "retry: 50\n\n")));
  const running = await client(lost).run({ prompt: "trim" }, { timeoutMs: 2500 }).catch((caught) => caught);
  assert.ok(running instanceof StillRunning && running.cause instanceof NoAnswer);
  const server = await scripted(t, accepted, ended, job, json(403, { code: "unauthorized", detail: "no" }));
  const missing = await client(server).run({ prompt: "trim" }, { to: new WritableStream() }).catch((caught) => caught);
  assert.ok(missing instanceof DownloadFailed);
  assert.deepEqual([running.jobId, missing.jobId, missing.cause.code], ["job_1", "job_1", "unauthorized"]);
});

test("a run whose film is deleted meanwhile does not say that it is there", async (t) => {
  const ended = part(200, STREAM, frame("evt_1", "snapshot", "succeeded"), { ends: true });
  const job = json(200, { id: "job_1", status: "succeeded", output: {} });
  const film = json(404, { code: "not_found", detail: "There is no such output (any more)." });
  const server = await scripted(t, json(202, { id: "job_1" }), ended, job, film);
  await assert.rejects(client(server).run({ prompt: "trim" }, { to: new WritableStream() }), NotFound);
});

test("a wait of no time at all asks once, and gives a job that has ended", async (t) => {
  const [ended, running] = ["failed", "running"].map((status) => json(200, { id: "job_1", status }));
  const only = (job) => Array.from({ length: 3 }, () => (response, request) => job(response, request));
  assert.equal((await client(await scripted(t, ...only(ended))).wait("job_1", { withinMs: 0 })).status, "failed");
  await assert.rejects(client(await scripted(t, ...only(running))).wait("job_1", { withinMs: 0 }), StillRunning);
  const refused = json(401, { code: "unauthorized", detail: "no" });
  await assert.rejects(client(await scripted(t, ...only(refused))).wait("job_1", { withinMs: 0 }), NotAuthorized);
});

test("where a film should go is let go of, whatever keeps it from coming", async (t) => {
  const [accepted, refused] = [json(202, { id: "job_1" }), json(422, { code: "invalid_value", detail: "no" })];
  const ended = (status) => part(200, STREAM, frame("evt_1", "snapshot", status), { ends: true });
  const read = (status) => json(200, { id: "job_1", status, output: null, error: null });
  const ways = [[refused], [accepted, refused], ...["failed", "succeeded"].map((status) => [accepted, ended(status), read(status)])];
  for (const answers of ways) {
    let open = true;
    const to = new WritableStream({ abort: () => void (open = false) });
    await client(await scripted(t, ...answers)).run({ prompt: "trim" }, { to }).catch(() => undefined);
    assert.equal(open, false);
  }
});

test("a place that is opened when the film is there stays as it was where none comes", async (t) => {
  const [accepted, refused] = [json(202, { id: "job_1" }), json(422, { code: "invalid_value", detail: "no" })];
  const ended = (status) => part(200, STREAM, frame("evt_1", "snapshot", status), { ends: true });
  const read = (status, output = null) => json(200, { id: "job_1", status, output, error: null });
  const gone = json(404, { code: "not_found", detail: "There is no such output (any more)." });
  const ways = [
    [refused],
    [accepted, ended("failed"), read("failed")],
    [accepted, ended("succeeded"), read("succeeded")],
    [accepted, ended("succeeded"), read("succeeded", {}), gone],
  ];
  const film = (response) => response.writeHead(200, { "Content-Type": "video/mp4" }).end("film");
  let opened = 0;
  let came = "";
  const to = () => ((opened += 1), new WritableStream({ write: (chunk) => void (came += Buffer.from(chunk)) }));
  for (const answers of ways) await client(await scripted(t, ...answers)).run({ prompt: "trim" }, { to }).catch(() => undefined);
  assert.equal(opened, 0);
  const good = [accepted, ended("succeeded"), read("succeeded", {}), film];
  await client(await scripted(t, ...good)).run({ prompt: "trim" }, { to });
  assert.deepEqual([opened, came], [1, "film"]);
  const closed = () => assert.fail("the folder is not there");
  await assert.rejects(client(await scripted(t, ...good)).run({ prompt: "trim" }, { to: closed }), DownloadFailed);
});

test("a film whose answer tells no length is whole when it is as long as its job says", async (t) => {
  const ended = part(200, STREAM, frame("evt_1", "snapshot", "succeeded"), { ends: true });
  const job = json(200, { id: "job_1", status: "succeeded", output: { size_bytes: 8 } });
  const short = (response) => {
    Object.assign(response, { useChunkedEncodingByDefault: false, shouldKeepAlive: false }); // its end is the connection's
    response.writeHead(200, { "Content-Type": "video/mp4" }).end("half");
  };
  const rest = (response) => response.writeHead(206, { "Content-Type": "video/mp4", "Content-Range": "bytes 4-7/8" }).end("rest");
  const server = await scripted(t, json(202, { id: "job_1" }), ended, job, short, rest);
  let came = "";
  const to = new WritableStream({ write: (chunk) => void (came += Buffer.from(chunk)) });
  await client(server).run({ prompt: "trim" }, { to });
  assert.equal(came, "halfrest");
});

test("a job whose streams never get through is waited for all the same, and its end is seen", async (t) => {
  for (const status of [200, 403]) {
    const held = (response) => response.writeHead(status, { "Content-Type": "text/html" }).end("<h1>No streams here</h1>");
    const running = json(200, { id: "job_1", status: "running" });
    const server = await scripted(t, held, running, held, json(200, { id: "job_1", status: "succeeded" }));
    assert.equal((await client(server).wait("job_1", { timeoutMs: 2500 })).status, "succeeded");
  }
});

test("a wait that goes on after its streams broke for long is told of no event twice", async (t) => {
  const cut = part(200, STREAM, frame("evt_1", "snapshot"));
  const server = await scripted(t, cut, json(200, { id: "job_1", status: "running" }), gone, json(200, { id: "job_1", status: "failed" }));
  const told = [];
  await client(server).wait("job_1", { timeoutMs: 2500, onEvent: (event) => told.push(event.id) });
  assert.deepEqual(told, ["evt_1"]);
  assert.equal(server.asked[2].headers["last-event-id"], "evt_1");
});

test("an event without an end is not kept", async (t) => {
  let closed = false;
  const endless = (response) => {
    response.on("close", () => (closed = true));
    response.writeHead(200, STREAM).write("data: ");
    const more = () => closed || response.write("x".repeat(1 << 20), more);
    more();
  };
  const error = await client(await scripted(t, endless)).events("job_1").next().catch((caught) => caught);
  assert.match(error.cause.message, /without an end/);
  while (!closed) await new Promise((resolve) => setTimeout(resolve, 5));
});

test("whoever stops to listen closes the stream", async (t) => {
  let closed;
  const isClosed = new Promise((resolve) => (closed = resolve));
  const open = (response) => {
    response.on("close", closed);
    response.writeHead(200, STREAM).write(frame("evt_1", "snapshot"));
  };
  for await (const event of client(await scripted(t, open)).events("job_1")) {
    assert.equal(event.id, "evt_1");
    break;
  }
  await isClosed;
});

test("frames are the same wherever the bytes are cut", () => {
  const bytes = new TextEncoder().encode(": c\r\nid: 1\r\nevent: a\r\ndata: é\r\ndata:two\r\n\r\nretry: 7\rdata: 3\r\rdata\n\n");
  const expected = [
    { data: "é\ntwo", id: "1" },
    { data: "3", id: "1" },
    { data: "", id: "1" },
  ];
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const reader = new FrameReader();
    const found = [...reader.read(bytes.subarray(0, cut)), ...reader.read(bytes.subarray(cut))];
    assert.deepEqual(found, expected, `cut at ${cut}`);
    assert.equal(reader.retryMs, 7);
  }
});

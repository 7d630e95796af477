// The client in a real browser: a page of ours that talks to a server of ours, which alone has the key.
// Started by a test of the project's, with the addresses of a living world in the environment.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";

const { API, API_KEY, CHROMIUM, CLIP } = process.env;
const ALONE = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
const SILENT = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];

const PAGE = `<!doctype html><script type="module">
  import { NotFound, Reelgate, verify } from "/dist/index.js";
  async function work() {
    const reelgate = new Reelgate({ baseUrl: location.origin, apiKey: "of the page" });
    const file = new File([await (await fetch("/clip")).blob()], "clip.mp4");
    const told = [];
    const upload = await reelgate.upload(file, { onProgress: (done) => told.push(done) });
    const media = [{ upload_id: upload.id }];
    const job = await reelgate.run({ prompt: "trim the first second and export in 360p", media });
    const film = await (await reelgate.download(job.id)).blob();
    const missing = await reelgate.job("job_1").catch((error) => error);
    const headers = {
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    };
    const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const event = await verify('{"test": 2432232314}', headers, secret, { nowS: 1614265330 });
    return [told, job.status, film.size === job.output.size_bytes, missing instanceof NotFound, event.test];
  }
  const result = await work().catch((error) => String(error.stack));
  await fetch("/result", { method: "POST", body: JSON.stringify(result) });
</script>`;

test("a page uploads, runs, downloads, reads a refusal and checks a signature", async (t) => {
  let told;
  const result = new Promise((resolve) => (told = resolve));
  const server = createServer(async (request, response) => {
    if (request.url === "/") response.setHeader("Content-Type", "text/html").end(PAGE);
    else if (request.url === "/clip") response.end(await readFile(CLIP));
    else if (/^\/dist\/\w+\.js$/.test(request.url)) {
      const file = await readFile(new URL(`..${request.url}`, import.meta.url));
      response.setHeader("Content-Type", "text/javascript").end(file);
    } else if (request.url === "/result") {
      told(JSON.parse(await buffer(request)));
      response.end();
    } else if (request.url.startsWith("/v1/")) await pass(request, response);
    else response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => new Promise((resolve) => (server.close(resolve), server.closeAllConnections())));
  await openPage(t, `http://127.0.0.1:${server.address().port}/`);
  const size = (await readFile(CLIP)).length;
  assert.deepEqual(await result, [[0, size], "succeeded", true, true, 2432232314]);
});

/** What a server of an integrator's does: the page's call, with the key that the page never sees. */
async function pass(request, response) {
  const { host, connection, "content-length": length, ...headers } = request.headers;
  const body = request.method === "GET" ? undefined : await buffer(request);
  const answer = await fetch(API + request.url, {
    method: request.method,
    headers: { ...headers, authorization: `Bearer ${API_KEY}` },
    body,
  });
  const { "transfer-encoding": coding, connection: ours, ...kept } = Object.fromEntries(answer.headers);
  response.writeHead(answer.status, kept);
  if (answer.body) Readable.fromWeb(answer.body).pipe(response);
  else response.end();
}

async function openPage(t, url) {
  const profile = await mkdtemp(join(tmpdir(), "browser-"));
  const browser = spawn(CHROMIUM, [...ALONE, ...SILENT, `--user-data-dir=${profile}`, url], { stdio: "ignore" });
  const gone = new Promise((resolve) => browser.on("exit", resolve));
  t.after(async () => {
    browser.kill();
    await gone;
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  });
}

// Signatures of callbacks, by the known answer of Standard Webhooks.

import assert from "node:assert/strict";
import { test } from "node:test";

import { BadSignature, verify } from "../dist/index.js";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW_S = 1614265330;
const BODY = '{"test": 2432232314}';
const GOOD = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const headers = (changed = {}) => ({
  "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
  "webhook-timestamp": String(NOW_S),
  "webhook-signature": GOOD,
  ...changed,
});
const check = (changed, body = BODY, nowS = NOW_S, secret = SECRET) => verify(body, headers(changed), secret, { nowS });

test("the known answer is taken, as text, as bytes and with Headers", async () => {
  const event = await check({});
  assert.deepEqual(event, { test: 2432232314, id: "msg_p5jXN8AQM9LWM0D4loKWxJek" });
  await check({}, new TextEncoder().encode(BODY));
  await verify(BODY, new Headers(headers()), SECRET, { nowS: NOW_S });
  await verify(BODY, { "Webhook-Id": [headers()["webhook-id"]], "Webhook-Timestamp": String(NOW_S), "Webhook-Signature": GOOD }, SECRET, { nowS: NOW_S });
});

test("a body is taken as servers of the web's kind give it, and headers of another make", async () => {
  await check({}, new TextEncoder().encode(BODY).buffer);
  const foreign = { get: (name) => headers()[name] ?? null }; // of another realm, as test runners and edge runtimes have, or node-fetch's
  await verify(BODY, foreign, SECRET, { nowS: NOW_S });
});

test("a body that was parsed already is the caller's mistake, in words", async () => {
  for (const parsed of [JSON.parse(BODY), [1], undefined, null]) {
    await assert.rejects(verify(parsed, headers(), SECRET, { nowS: NOW_S }), (error) => error instanceof TypeError && /as they came/.test(error.message));
  }
});

test("one of several signatures is enough", async () => {
  await check({ "webhook-signature": `v1,AAAA v2,zzz v1a,${GOOD.slice(3)} v1,%%% ${GOOD}` });
});

test("while a secret is changed the old and the new one are good, and no others", async () => {
  await check({}, BODY, NOW_S, ["whsec_AAAA", SECRET]);
  await check({}, BODY, NOW_S, [SECRET, "whsec_AAAA"]);
  await assert.rejects(check({}, BODY, NOW_S, ["whsec_AAAA", "whsec_BBBB"]), BadSignature);
  await assert.rejects(check({}, BODY, NOW_S, []), BadSignature);
  await assert.rejects(check({}, BODY, NOW_S, [SECRET, "whsec_%%"]), TypeError);
});

test("the clocks may differ by 5 minutes, and no more", async () => {
  await check({}, BODY, NOW_S + 300);
  await check({}, BODY, NOW_S - 300);
  await assert.rejects(check({}, BODY, NOW_S + 301), BadSignature);
  await assert.rejects(check({}, BODY, NOW_S - 301), BadSignature);
});

for (const [name, changed, body] of [
  ["another body", {}, `${BODY} `],
  ["another id", { "webhook-id": "msg_2" }],
  ["no id", { "webhook-id": undefined }],
  ["no signature", { "webhook-signature": "" }],
  ["a signature of another version", { "webhook-signature": `v2,${GOOD.slice(3)}` }],
  ["a cut signature", { "webhook-signature": GOOD.slice(0, -5) }],
  ["another time", { "webhook-timestamp": String(NOW_S + 1) }],
  ["a time that is none", { "webhook-timestamp": `${NOW_S}.0` }],
  ["no time", { "webhook-timestamp": undefined }],
]) {
  test(`${name} is refused`, async () => {
    await assert.rejects(check(changed, body), BadSignature);
  });
}

test("another secret is refused, and one that is none is the caller's mistake", async () => {
  await assert.rejects(check({}, BODY, NOW_S, "whsec_AAAA"), BadSignature);
  await assert.rejects(check({}, BODY, NOW_S, "whsec_%%"), TypeError);
});

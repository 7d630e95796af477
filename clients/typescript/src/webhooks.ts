// Callbacks: their signatures by Standard Webhooks, https://www.standardwebhooks.com

import { BadSignature } from "./errors.js";
import type { CallbackEvent } from "./types.js";

const TOLERANCE_S = 300;

type HeaderBag = Pick<Headers, "get"> | Record<string, string | string[] | undefined>;

export interface VerifyOptions {
  /** How far the sender's clock may be from ours; by default 5 minutes. */
  toleranceS?: number;
  /** The present time in Unix seconds; for tests. */
  nowS?: number;
}

/**
 * Check a callback and read its event. `body`: the bytes as they came, not parsed and written again. `secret`: while it is
 * being changed, the old and the new one.
 *
 * The comparison is WebCrypto's, in constant time. Throws BadSignature, and TypeError for a body that was parsed already or a
 * secret that is none.
 */
export async function verify(
  body: string | Uint8Array | ArrayBuffer,
  headers: HeaderBag,
  secret: string | readonly string[],
  options: VerifyOptions = {},
): Promise<CallbackEvent> {
  const bytes = bytesOf(body);
  const [id, timestamp, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) =>
    headerOf(headers, name),
  ) as [string, string, string];
  checkTime(timestamp, options);
  const signed = concatenated(new TextEncoder().encode(`${id}.${timestamp}.`), bytes);
  const keys = await Promise.all((typeof secret === "string" ? [secret] : secret).map(keyOf));
  if (!id || !(await isSigned(signed, signatures, keys))) {
    throw new BadSignature("no signature matches");
  }
  return { ...(JSON.parse(new TextDecoder().decode(bytes)) as CallbackEvent), id };
}

function bytesOf(body: string | Uint8Array | ArrayBuffer): Uint8Array {
  if (typeof body === "string") return new TextEncoder().encode(body);
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  if (!ArrayBuffer.isView(body)) throw new TypeError("body must be the bytes as they came, not what was read from them");
  return body;
}

function headerOf(headers: HeaderBag, name: string): string {
  if (hasGetter(headers)) return headers.get(name) ?? "";
  const found = Object.entries(headers).find(([given]) => given.toLowerCase() === name)?.[1];
  return (Array.isArray(found) ? found[0] : found) ?? "";
}

/** Whether they are `Headers`, of whatever make: runtimes and test runners have their own. */
function hasGetter(headers: HeaderBag): headers is Pick<Headers, "get"> {
  return typeof headers.get === "function";
}

function checkTime(timestamp: string, options: VerifyOptions): void {
  const nowS = options.nowS ?? Date.now() / 1000;
  const isNear = /^\d+$/.test(timestamp) && Math.abs(nowS - Number(timestamp)) <= (options.toleranceS ?? TOLERANCE_S);
  if (!isNear) throw new BadSignature("webhook-timestamp is missing, or too far from the present");
}

function keyOf(secret: string): Promise<CryptoKey> {
  const raw = decoded(secret.replace(/^whsec_/, ""));
  if (!raw?.length) throw new TypeError("the secret is no whsec_ and base64");
  return crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
}

/** While two secrets are valid there are several signatures, with spaces between them: one that matches is enough. */
async function isSigned(signed: Uint8Array<ArrayBuffer>, signatures: string, keys: CryptoKey[]): Promise<boolean> {
  let matches = false;
  for (const one of signatures.split(" ")) {
    const given = one.startsWith("v1,") ? decoded(one.slice(3)) : undefined;
    if (!given) continue;
    for (const key of keys) matches = (await crypto.subtle.verify("HMAC", key, given, signed)) || matches;
  }
  return matches;
}

function decoded(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function concatenated(head: Uint8Array, tail: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(head.length + tail.length);
  whole.set(head);
  whole.set(tail, head.length);
  return whole;
}

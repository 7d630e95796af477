// One call as HTTP: attempts under one Idempotency-Key, `Retry-After` heeded, all within one time.

import { isGone, isPage, NoAnswer, refusal } from "./errors.js";
import { isDoubtful, isPassing, pauseMs, PASSING, retryAfterMs } from "./retries.js";
import { checkedMs, chunksOf, Limit, monotonicMs, sleep } from "./timing.js";
import type { Problem, ProblemCode } from "./types.js";

/** What every call takes. */
export interface CallOptions {
  /** Ends the call, its pauses and its streams. */
  signal?: AbortSignal | undefined;
  /** How long the call may take with all its attempts; by default two minutes, an upload an hour. */
  timeoutMs?: number | undefined;
}

/** What a call takes that makes something. */
export interface MakingOptions extends CallOptions {
  /** Your own name for this very call; absent: one is made. The same call again under it does nothing twice. */
  idempotencyKey?: string | undefined;
}

/** What is sent. */
export type Body = string | Blob | ReadableStream<Uint8Array>;

export type Query = Record<string, string | number | boolean | Date | null | undefined | Record<string, string>>;

/** A call, as the verbs describe it. */
export interface Call extends MakingOptions {
  method: string;
  path: string;
  query?: Query | undefined;
  headers?: Record<string, string> | undefined;
  /** Sent as JSON. */
  json?: unknown;
  /** Makes the body anew for each attempt. */
  body?: (() => Body) | undefined;
  /** Whether the body cannot be made a second time, so that there is one attempt. */
  once?: boolean;
  /** Whether it makes something, and so has an Idempotency-Key. */
  makes?: boolean;
  /** Whether there is nothing any more once it is done. */
  removes?: boolean;
  /** Whether it may be answered from elsewhere: a film, by the storage. The key does not go there. */
  follows?: boolean;
  /** How long one attempt may take until its answer is read. */
  attemptMs?: number;
  /** Seconds that the answer may wait for a job's end. */
  waitS?: number | undefined;
}

export interface TransportOptions {
  /** Where the API is: `https://reelgate.example.com`. */
  baseUrl: string;
  /** The API key, `rg_…`. It is a secret of your server: it never belongs in a page or an app. */
  apiKey: string;
  /** In the place of the global one, e.g. with a proxy. */
  fetch?: typeof fetch | undefined;
}

const TIMEOUT_MS = 120_000;
const ATTEMPT_MS = 30_000;
/** The API answers within this time after `Prefer: wait`. */
const MARGIN_MS = 30_000;
const MOST_ANSWER_BYTES = 1 << 26;

/** Calls the API. */
export class Transport {
  private readonly base: string;
  /** Hidden from whatever shows an object whole: consoles, loggers, reporters of errors. */
  readonly #apiKey: string;
  private readonly fetch: typeof fetch;

  constructor(options: TransportOptions) {
    this.base = checkedAddress(options.baseUrl);
    this.#apiKey = checkedKey(options.apiKey);
    this.fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  }

  /** Call, and read the answer's JSON; undefined where something was removed. */
  json<T>(call: Call): Promise<T> {
    return this.send(call, async (response) => {
      const text = await textOf(response);
      return (call.removes && response.status === 204 ? undefined : parsed(text, response.status)) as T;
    });
  }

  /** Call, and hand over the answer when its head has come: its body is read without a limit of this call's. */
  stream(call: Call): Promise<Response> {
    return this.send(call, (response) => Promise.resolve(response));
  }

  private async send<T>(call: Call, read: (response: Response) => Promise<T>): Promise<T> {
    const until = monotonicMs() + checkedMs(call.timeoutMs ?? TIMEOUT_MS, "timeoutMs");
    const key = call.makes ? checkedIdempotencyKey(call.idempotencyKey ?? crypto.randomUUID()) : undefined;
    let [maybeDone, isLost] = [false, false];
    for (let failures = 1; ; failures += 1) {
      const outcome: Outcome<T> = await this.attempt(isLost ? { ...call, waitS: undefined } : call, key, until, read);
      if ("value" in outcome) return outcome.value;
      if (maybeDone && call.removes && isGone(outcome.error)) return undefined as T;
      maybeDone ||= call.method !== "GET" && outcome.maybeDone;
      isLost ||= outcome.maybeDone && (outcome.error instanceof NoAnswer || isPage(outcome.error));
      const pause = pauseMs(failures, outcome.retryAfterMs, Math.random());
      if (call.once || !outcome.again || monotonicMs() + pause >= until) {
        throw Object.assign(outcome.error, { maybeDone, idempotencyKey: key });
      }
      await sleep(pause, call.signal);
    }
  }

  private async attempt<T>(
    call: Call,
    key: string | undefined,
    until: number,
    read: (response: Response) => Promise<T>,
  ): Promise<Outcome<T>> {
    call.signal?.throwIfAborted();
    const body = bodyOf(call);
    const limit = new Limit(Math.max(1, Math.min(attemptMsOf(call), until - monotonicMs())), call.signal);
    try {
      const response = await this.fetch(urlOf(this.base, call), this.init(call, key, body, limit.signal));
      return response.ok ? { value: await read(response) } : await refused(response);
    } catch (cause) {
      call.signal?.throwIfAborted();
      const error = new NoAnswer(`${call.method} ${call.path}: ${wordsOf(cause)}`, key, { cause });
      return { error, again: !(cause instanceof NotTheApi) && !isCallersOwn(cause), maybeDone: true };
    } finally {
      limit.lift();
    }
  }

  private init(call: Call, key: string | undefined, body: Body | undefined, signal: AbortSignal): RequestInit {
    const headers = new Headers({ Accept: "application/json", ...call.headers });
    headers.set("Authorization", `Bearer ${this.#apiKey}`);
    if (key !== undefined) headers.set("Idempotency-Key", `"${key}"`);
    if (call.waitS) headers.set("Prefer", `wait=${call.waitS}`);
    if (call.json !== undefined) headers.set("Content-Type", "application/json");
    const redirect = call.follows ? "follow" : "manual"; // what makes something is made here, or not at all
    const init: RequestInit = { method: call.method, headers, signal, redirect, cache: "no-store" };
    // A body that is a stream has to say that it is sent before the answer is read; the type does not know it yet.
    return body instanceof ReadableStream ? ({ ...init, body, duplex: "half" } as RequestInit) : { ...init, body: body ?? null };
  }
}

type Outcome<T> = { value: T } | Failed;

interface Failed {
  error: Error;
  again: boolean;
  /** Whether it may have been carried out all the same. */
  maybeDone: boolean;
  retryAfterMs?: number | undefined;
}

/** What the caller's own code threw while a body was on its way. */
export class CallersOwn extends Error {}

/** Whether it is the caller's file that cannot be read, e.g. since it has changed, or their code: another attempt does no better. */
const isCallersOwn = (cause: unknown): boolean =>
  cause instanceof Error && (cause.name === "NotReadableError" || cause instanceof CallersOwn || isCallersOwn(cause.cause));

/** What answered was not the API, and would say the same again. */
class NotTheApi extends Error {}

/** Read a body that is no film and no stream. It ends with its attempt, whose signal it was asked for with. */
async function textOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let [text, bytes] = ["", 0];
  for await (const chunk of response.body ? chunksOf(response.body, ATTEMPT_MS, undefined) : []) {
    if ((bytes += chunk.byteLength) > MOST_ANSWER_BYTES) throw new NotTheApi("the answer is larger than any of the Reelgate API");
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function parsed(text: string, status: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new NotTheApi(`what answered with status ${status} is not the Reelgate API`);
  }
}

/** Look that an address is one; its words are not said again, since there may be a password among them. */
function checkedAddress(baseUrl: string): string {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  const isGood = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !/[?#]/.test(baseUrl);
  if (!isGood) throw new TypeError("baseUrl must be like https://reelgate.example.com");
  return baseUrl.trim().replace(/\/+$/, "");
}

function checkedKey(apiKey: string): string {
  if (!/^[ -~]+$/.test(apiKey.trim())) throw new TypeError("apiKey is no API key: a key has printable ASCII characters alone");
  return apiKey.trim();
}

/** Make an id a path's segment; a caller may have got it from anywhere. */
export function segment(id: string): string {
  if (/^\.{0,2}$/.test(id)) throw new TypeError(`"${id}" is no id`);
  return encodeURIComponent(id);
}

/** One that is not sent as it was given would make the same thing twice. */
export function checkedIdempotencyKey(key: string): string {
  if (!/^[!-~]{1,255}$/.test(key)) throw new TypeError("idempotencyKey must have 1 to 255 visible ASCII characters");
  return key;
}

const attemptMsOf = (call: Call): number => (call.waitS ? call.waitS * 1000 + MARGIN_MS : (call.attemptMs ?? ATTEMPT_MS));

function bodyOf(call: Call): Body | undefined {
  if (call.body) return call.body();
  return call.json === undefined ? undefined : JSON.stringify(call.json);
}

async function refused(response: Response): Promise<Outcome<never>> {
  const problem = await problemOf(response);
  const waitMs = retryAfterMs(response.headers.get("Retry-After"), response.headers.get("Date"), Date.now());
  const error = refusal(problem, response.status, waitMs);
  const again = isPassing(response.status, problem.code);
  return { error, again, maybeDone: isDoubtful(response.status, problem.code), retryAfterMs: waitMs };
}

/** Read a problem document; a proxy's answer is made into one, also where it is JSON with a `code` of its own kind. */
async function problemOf(response: Response): Promise<Problem> {
  const made = problemOfStatus(response);
  const text = await textOf(response);
  try {
    const found = JSON.parse(text) as Partial<Problem> | null;
    if (typeof found?.code === "string") return { ...made, ...found };
  } catch {
    // no JSON, so not the API's own answer
  }
  return made;
}

function problemOfStatus(response: Response): Problem {
  const code = `status_${response.status}` as ProblemCode; // none of the document's, so its status tells the family
  const title = `status ${response.status}, without a problem document`;
  const retryable = PASSING.has(response.status);
  return { type: "about:blank", title, status: response.status, detail: title, instance: "", code, retryable, request_id: "", errors: [] };
}

function urlOf(base: string, call: Call): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(call.query ?? {})) {
    if (value === null || value === undefined) continue;
    if (value instanceof Date) found.append(name, value.toISOString());
    else if (typeof value !== "object") found.append(name, String(value));
    else for (const [entry, one] of Object.entries(value)) found.append(`${name}[${entry}]`, one);
  }
  const query = found.toString();
  return `${base}${call.path}${query ? `?${query}` : ""}`;
}

function wordsOf(cause: unknown): string {
  const error = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return error instanceof Error ? error.message : String(error);
}

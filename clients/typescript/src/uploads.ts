// Files on their way to the API, and films on their way back.

import { NoAnswer } from "./errors.js";
import { chunksOf, sleep } from "./timing.js";
import { CallersOwn, segment, type Call, type CallOptions, type MakingOptions, type Transport } from "./transport.js";
import type { Upload } from "./types.js";

const UPLOAD_MS = 3_600_000;
const IDLE_MS = 60_000;
const PAUSE_MS = 1_000;
/** A break after which nothing came; so many in a row are an outage. */
const BREAKS = 5;
/** Kinds that no film has, and a proxy's page in its place may. */
const PAGE = /^(text\/|application\/(.*\+)?(json|xml)\b)/i;

/** Tells how many bytes have gone, and of how many; undefined: nobody knows. */
export type ByteProgress = (doneBytes: number, allBytes: number | undefined) => void;

/** A file: a stream is sent once, and so not again after a break. */
export type UploadSource = Blob | Uint8Array | ReadableStream<Uint8Array>;

export interface UploadOptions extends MakingOptions {
  /** Its name with its ending; absent: the File's own. */
  filename?: string | undefined;
  /** Browsers tell of the start and the end alone. */
  onProgress?: ByteProgress | undefined;
}

export async function uploadFile(transport: Transport, source: UploadSource, options: UploadOptions): Promise<Upload> {
  const filename = options.filename ?? (source instanceof Blob && "name" in source ? String(source.name) : undefined);
  const timeoutMs = options.timeoutMs ?? UPLOAD_MS;
  const all = source instanceof ReadableStream ? undefined : source instanceof Blob ? source.size : source.byteLength;
  options.onProgress?.(0, all);
  const made = await transport.json<Upload>({
    method: "POST",
    path: "/v1/uploads",
    query: { filename },
    ...bodyOf(source, options.onProgress),
    makes: true,
    attemptMs: timeoutMs,
    timeoutMs,
    signal: options.signal,
    idempotencyKey: options.idempotencyKey,
  });
  options.onProgress?.(made.size_bytes, made.size_bytes);
  return made;
}

const SLICE_BYTES = 1 << 22;

/**
 * Make the key of a file's upload for a job that has one: the same file for the same job is the same upload, so that the job
 * has the same body when it is submitted again.
 */
export async function uploadKey(key: string, at: number, file: Blob | Uint8Array): Promise<string> {
  const blob = file instanceof Blob ? file : new Blob([file as Uint8Array<ArrayBuffer>]);
  const name = "name" in blob ? String(blob.name) : "";
  let seen = await digest(new TextEncoder().encode(JSON.stringify([key, at, name])));
  for (let from = 0; from < blob.size; from += SLICE_BYTES) {
    const slice = new Uint8Array(await blob.slice(from, from + SLICE_BYTES).arrayBuffer());
    seen = await digest(new Uint8Array([...seen, ...(await digest(slice))]));
  }
  return Array.from(seen, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** Say how a file is sent. */
function bodyOf(source: UploadSource, progress: ByteProgress | undefined): Pick<Call, "body" | "headers" | "once"> {
  const headers = { "Content-Type": "application/octet-stream" };
  if (source instanceof ReadableStream) {
    return { headers, once: true, body: () => (progress ? source.pipeThrough(counting(progress, undefined)) : source) };
  }
  const file = source instanceof Blob ? source : new Blob([source as Uint8Array<ArrayBuffer>]);
  // A browser does not stream a request over HTTP/1.1: there the file goes as it is, and nothing is told on its way.
  if (!progress || typeof XMLHttpRequest !== "undefined") return { headers, body: () => file };
  const body = () => file.stream().pipeThrough(counting(progress, file.size));
  return { headers: { ...headers, "Content-Length": String(file.size) }, body };
}

function counting(progress: ByteProgress, all: number | undefined): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  let done = 0;
  return new TransformStream({
    transform(chunk, controller) {
      done += chunk.byteLength;
      tell(progress, done, all);
      controller.enqueue(chunk as Uint8Array<ArrayBuffer>);
    },
  });
}

function tell(progress: ByteProgress | undefined, done: number, all: number | undefined): void {
  try {
    progress?.(done, all);
  } catch (cause) {
    throw new CallersOwn("onProgress threw", { cause });
  }
}

/** A film that comes. Read `stream` or `blob()`, one of them once, or `cancel()` it. */
export interface Film {
  stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  sizeBytes: number | undefined;
  mediaType: string;
  /** The name to save it under. */
  filename: string;
  blob(): Promise<Blob>;
  cancel(): Promise<void>;
}

export interface DownloadOptions extends CallOptions {
  onProgress?: ByteProgress | undefined;
}

/** Get a film. `known`: its size, as its job says; without it, the end of an answer that tells none is taken for the film's. */
export async function downloadFilm(
  transport: Transport,
  jobId: string,
  options: DownloadOptions,
  known?: number,
): Promise<Film> {
  const first = await openFilm(transport, jobId, options);
  const mediaType = first.headers.get("Content-Type") ?? "application/octet-stream";
  const sizeBytes = sizeOf(first) ?? known;
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const stream = streamOf(filmChunks(transport, jobId, first, sizeBytes, { ...options, signal }), first, stop);
  const filename = fileNameOf(first.headers.get("Content-Disposition") ?? "") ?? jobId;
  return {
    stream,
    sizeBytes,
    mediaType,
    filename,
    blob: async () => new Blob([await new Response(stream).arrayBuffer()], { type: mediaType }),
    cancel: () => stream.cancel(),
  };
}

/** Whether a proxy has packed what it passes on: its length is not the film's then, and neither are places in it. */
const isPacked = (response: Response): boolean => response.headers.has("Content-Encoding");

function sizeOf(response: Response): number | undefined {
  const length = response.headers.get("Content-Length");
  return length === null || isPacked(response) ? undefined : Number(length);
}

/** Read a name from `Content-Disposition`: no path, none that is hidden; undefined where nothing is left. */
function fileNameOf(disposition: string): string | undefined {
  const given = /filename="([^"]+)"/.exec(disposition)?.[1];
  const name = given?.split(/[/\\]/).at(-1)?.replace(/[\0-\x1f\x7f]/g, "");
  return name && !name.startsWith(".") ? name : undefined;
}

async function openFilm(transport: Transport, jobId: string, options: CallOptions, part?: Record<string, string>): Promise<Response> {
  const path = `/v1/jobs/${segment(jobId)}/output`;
  const headers = { Accept: "*/*", "Accept-Encoding": "identity", ...part };
  const response = await transport.stream({ method: "GET", path, headers, follows: true, ...options });
  if (!PAGE.test(response.headers.get("Content-Type") ?? "")) return response;
  await response.body?.cancel();
  throw new NoAnswer(`what answered is not the film of ${jobId}`, undefined);
}

/** Whether an answer goes on with a film of so many bytes behind its first ones. */
function goesOn(response: Response, done: number, all: number | undefined): boolean {
  const told = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("Content-Range") ?? "");
  if (response.status !== 206 || Number(told?.[1] ?? NaN) !== done) return false;
  return all === undefined || told?.[2] === "*" || Number(told?.[2]) === all;
}

/** Read a film, and go on where it broke. */
async function* filmChunks(
  transport: Transport,
  jobId: string,
  first: Response,
  all: number | undefined,
  options: DownloadOptions,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let response = first;
  let done = 0;
  for (let breaks = 0; ; breaks += 1) {
    let cause: unknown;
    try {
      for await (const chunk of chunksOf(response.body ?? new ReadableStream(), IDLE_MS, options.signal)) {
        done += chunk.byteLength;
        breaks = 0;
        tell(options.onProgress, done, all);
        yield chunk as Uint8Array<ArrayBuffer>;
      }
      if (all === undefined || done >= all) return;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof CallersOwn) throw error;
      cause = error;
    }
    if (isPacked(first) || breaks >= BREAKS) throw new NoAnswer(`the film of ${jobId} broke off`, undefined, { cause });
    await sleep(PAUSE_MS, options.signal);
    // Without If-Range: a job's film is made once, and another server, to which the API may lead, knows it by another name.
    response = await openFilm(transport, jobId, options, { Range: `bytes=${done}-` });
    if (goesOn(response, done, all)) continue;
    await response.body?.cancel();
    throw new NoAnswer(`the film of ${jobId} cannot be gone on with`, undefined);
  }
}

/** Make a stream of chunks; whoever cancels it waits for none that is still to come, which `stop` ends. */
function streamOf(
  chunks: AsyncGenerator<Uint8Array<ArrayBuffer>>,
  first: Response,
  stop: AbortController,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const source: UnderlyingDefaultSource<Uint8Array<ArrayBuffer>> = {
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      stop.abort();
      await chunks.return(undefined);
      if (first.body && !first.body.locked) await first.body.cancel(); // nobody has begun to read
    },
  };
  return new ReadableStream(source, { highWaterMark: 0 });
}

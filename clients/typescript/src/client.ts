// The verbs.

import { DownloadFailed, isGone, isPage, JobNotDone, NoAnswer, ReelgateError, Refused, StillRunning } from "./errors.js";
import { COME_BACK_MS, followJob, hasEnded, type FollowOptions } from "./events.js";
import { checkedMs, Limit, sleep } from "./timing.js";
import { checkedIdempotencyKey, segment, Transport, type CallOptions, type MakingOptions, type Query, type TransportOptions } from "./transport.js";
import type * as t from "./types.js";
import { downloadFilm, uploadFile, uploadKey, type DownloadOptions, type Film, type UploadOptions, type UploadSource } from "./uploads.js";

/** The last look at a job when its wait is over. */
const LOOK_MS = 5_000;

export interface SubmitOptions extends MakingOptions {
  /**
   * Seconds, up to 60, that the answer may wait for the job's end. Where one was lost, the next one comes at once: there may be a
   * proxy that lets none wait.
   */
  waitS?: number | undefined;
}

export interface WaitOptions extends CallOptions {
  /** How long to wait for the end, some seconds more or less; then StillRunning is thrown and the job goes on. `0` asks once. */
  withinMs?: number | undefined;
  /** How long to try again while the API does not answer; by default two minutes. The wait itself ends by `withinMs` alone. */
  timeoutMs?: number | undefined;
  /** Told of each event, as `events` gives them. */
  onEvent?: ((event: t.JobEvent) => void) | undefined;
}

export interface FeedOptions extends CallOptions {
  /** Told where some events behind `after` may be gone: `jobs` then shows what was missed. */
  onTrimmed?: (() => void) | undefined;
}

export interface RunOptions extends WaitOptions, MakingOptions {
  /** Files to upload first; they come after `media` in the job. */
  files?: (Blob | Uint8Array)[] | undefined;
  /**
   * Where the film goes: a stream, which is closed at the end and aborted where there is no film, or what opens one when the
   * film is there. Absent: `download` it.
   */
  to?: FilmPlace | undefined;
}

type FilmStream = WritableStream<Uint8Array<ArrayBuffer>>;
export type FilmPlace = FilmStream | (() => FilmStream | Promise<FilmStream>);

const at = (kind: string, id: string, more = "") => `/v1/${kind}/${segment(id)}${more}`;

/** A client of one API, for one key. */
export class Reelgate {
  readonly sessions: Sessions;
  readonly batches: Batches;
  readonly uploads: Uploads;
  private readonly transport: Transport;

  constructor(options: TransportOptions) {
    this.transport = new Transport(options);
    this.sessions = new Sessions(this.transport);
    this.batches = new Batches(this.transport);
    this.uploads = new Uploads(this.transport);
  }

  /** Upload, submit, wait, download. Throws JobNotDone where the job ends otherwise than well. */
  async run(request: t.JobRequest, options: RunOptions = {}): Promise<t.Job> {
    if (options.withinMs !== undefined) checkedMs(options.withinMs, "withinMs");
    try {
      return await this.filmed(request, { ...options, idempotencyKey: options.idempotencyKey ?? crypto.randomUUID() });
    } catch (error) {
      await letGo(options.to, error); // a file would stay open
      throw error;
    }
  }

  private async filmed(request: t.JobRequest, options: RunOptions & { idempotencyKey: string }): Promise<t.Job> {
    const media = [...(request.media ?? [])];
    for (const upload of await this.sent(options)) media.push({ upload_id: upload.id });
    const submitted = await this.submit(media.length ? { ...request, media } : request, options);
    const job = await this.wait(submitted.id, options).catch((error: unknown) => {
      const isLost = (error instanceof NoAnswer || error instanceof Refused) && !isGone(error);
      throw isLost ? new StillRunning(submitted.id, { cause: error }) : error;
    });
    if (job.status !== "succeeded") throw new JobNotDone(job);
    if (options.to && job.output) await this.save(job.id, job.output.size_bytes, options.to, options.signal);
    else await letGo(options.to, new Error(`${job.id} has no film`));
    return job;
  }

  /**
   * Upload what is a file, under keys of the job's own: who repeats the job under the key that an error names has the same
   * uploads, and so the same body. Where it fails, no job was made.
   */
  private async sent({ files = [], idempotencyKey: key, signal }: RunOptions & { idempotencyKey: string }): Promise<t.Upload[]> {
    const sent: t.Upload[] = [];
    for (const [at, file] of files.entries()) {
      const named = await uploadKey(checkedIdempotencyKey(key), at, file);
      const upload = this.upload(file, { signal, idempotencyKey: named }).catch((error: unknown) => {
        throw error instanceof ReelgateError ? Object.assign(error, { maybeDone: false, idempotencyKey: key }) : error;
      });
      sent.push(await upload);
    }
    return sent;
  }

  private async save(jobId: string, sizeBytes: number | null | undefined, to: FilmPlace, signal: AbortSignal | undefined) {
    try {
      const film = await downloadFilm(this.transport, jobId, { signal }, sizeBytes ?? undefined);
      await film.stream.pipeTo(await opened(to, film));
    } catch (cause) {
      signal?.throwIfAborted();
      throw isGone(cause) ? cause : new DownloadFailed(jobId, { cause });
    }
  }

  /** Have a job accepted. */
  submit(request: t.JobRequest, options: SubmitOptions = {}): Promise<t.Job> {
    return this.transport.json({ method: "POST", path: "/v1/jobs", json: request, makes: true, ...options });
  }

  /** Ask what a submit would do; nothing is accepted. */
  validate(request: t.JobRequest, options: CallOptions = {}): Promise<t.Validated> {
    return this.transport.json({ method: "POST", path: "/v1/jobs:validate", json: request, ...options });
  }

  /** Read a job. */
  job(jobId: string, options: CallOptions = {}): Promise<t.Job> {
    return this.transport.json({ method: "GET", path: at("jobs", jobId), ...options });
  }

  /** List jobs, newest first, page after page. */
  jobs(query: t.JobsQuery = {}, options: CallOptions = {}): AsyncGenerator<t.Job> {
    return rows<t.Job>(this.transport, "/v1/jobs", { ...query }, options);
  }

  /** Wait for a job's end, however it ends, and read it. */
  async wait(jobId: string, options: WaitOptions = {}): Promise<t.Job> {
    const { withinMs } = options;
    if (withinMs === undefined) return this.ended(jobId, options);
    const limit = new Limit(checkedMs(withinMs, "withinMs"), options.signal);
    try {
      return await this.ended(jobId, { ...options, signal: limit.signal });
    } catch (error) {
      if (!limit.isWhy(error)) throw error;
    } finally {
      limit.lift();
    }
    return this.endedByNow(jobId, options.signal);
  }

  /** Take a last look, however little time there was. */
  private async endedByNow(jobId: string, signal: AbortSignal | undefined): Promise<t.Job> {
    const job = await this.job(jobId, { signal, timeoutMs: LOOK_MS }).catch((error: unknown) => {
      const passes = error instanceof NoAnswer || (error instanceof Refused && error.retryable);
      throw passes ? new StillRunning(jobId, { cause: error }) : error;
    });
    if (!hasEnded(job)) throw new StillRunning(jobId);
    return job;
  }

  private async ended(jobId: string, options: WaitOptions): Promise<t.Job> {
    let after = "";
    for (;;) {
      for await (const event of whileItLasts(this.events(jobId, { ...options, after }))) {
        after = event.id || after;
        options.onEvent?.(event);
      }
      const job = await this.job(jobId, options);
      if (hasEnded(job)) return job;
      await sleep(COME_BACK_MS, options.signal); // its record is behind its events, or those do not get through
    }
  }

  /** Follow a job's events until its end, over breaks. */
  events(jobId: string, options: FollowOptions = {}): AsyncGenerator<t.JobEvent> {
    return followJob(this.transport, jobId, options);
  }

  /** Get a job's film. It goes on where it breaks. */
  download(jobId: string, options: DownloadOptions = {}): Promise<Film> {
    return downloadFilm(this.transport, jobId, options);
  }

  /** Send a file, to be named in jobs by its id. */
  upload(source: UploadSource, options: UploadOptions = {}): Promise<t.Upload> {
    return uploadFile(this.transport, source, options);
  }

  /** Ask a job to end. It may take a moment, or have ended already. */
  cancel(jobId: string, options: CallOptions = {}): Promise<t.Job> {
    return this.transport.json({ method: "POST", path: at("jobs", jobId, "/cancel"), ...options });
  }

  /** Play an ended job again, as a new one. */
  replay(jobId: string, request: t.ReplayRequest = {}, options: SubmitOptions = {}): Promise<t.Job> {
    const path = at("jobs", jobId, "/replay");
    return this.transport.json({ method: "POST", path, json: request, makes: true, ...options });
  }

  /** Delete an ended job's prompt, media, film and reply. */
  delete(jobId: string, options: CallOptions = {}): Promise<t.Job> {
    return this.transport.json({ method: "DELETE", path: at("jobs", jobId), ...options });
  }

  /** Read all events of the tenant in order, from `after` on: what a receiver that was down reads to catch up. */
  feed(after?: string, options: FeedOptions = {}): AsyncGenerator<t.FeedEvent> {
    return rows<t.FeedEvent>(this.transport, "/v1/events", { after }, options, options.onTrimmed);
  }

  credits(options: CallOptions = {}): Promise<t.Credits> {
    return this.transport.json({ method: "GET", path: "/v1/credits", ...options });
  }

  /** `month`: `2026-11`; absent: the present one. */
  usage(month?: string, options: CallOptions = {}): Promise<t.Usage> {
    return this.transport.json({ method: "GET", path: "/v1/usage", query: { month }, ...options });
  }

  async profiles(options: CallOptions = {}): Promise<t.Profile[]> {
    const found = await this.transport.json<{ data: t.Profile[] }>({ method: "GET", path: "/v1/profiles", ...options });
    return found.data;
  }
}

/** Timelines to refine over several jobs: name one as `session_id`. */
export class Sessions {
  constructor(private readonly transport: Transport) {}

  create(request: t.SessionRequest = {}, options: MakingOptions = {}): Promise<t.Session> {
    return this.transport.json({ method: "POST", path: "/v1/sessions", json: request, makes: true, ...options });
  }

  get(sessionId: string, options: CallOptions = {}): Promise<t.Session> {
    return this.transport.json({ method: "GET", path: at("sessions", sessionId), ...options });
  }

  list(options: CallOptions = {}): AsyncGenerator<t.Session> {
    return rows<t.Session>(this.transport, "/v1/sessions", {}, options);
  }

  /** The tracks as the backend has them. */
  timeline(sessionId: string, options: CallOptions = {}): Promise<unknown> {
    return this.transport.json({ method: "GET", path: at("sessions", sessionId, "/timeline"), ...options });
  }

  async close(sessionId: string, options: CallOptions = {}): Promise<void> {
    await this.transport.json({ method: "DELETE", path: at("sessions", sessionId), removes: true, ...options });
  }
}

/** Many jobs at once. */
export class Batches {
  constructor(private readonly transport: Transport) {}

  /** Look at each of the answer's `items`: some may have been refused. */
  submit(request: t.BatchRequest, options: MakingOptions = {}): Promise<t.BatchAccepted> {
    return this.transport.json({ method: "POST", path: "/v1/batches", json: request, makes: true, ...options });
  }

  get(batchId: string, options: CallOptions = {}): Promise<t.Batch> {
    return this.transport.json({ method: "GET", path: at("batches", batchId), ...options });
  }

  list(options: CallOptions = {}): AsyncGenerator<t.Batch> {
    return rows<t.Batch>(this.transport, "/v1/batches", {}, options);
  }

  cancel(batchId: string, options: CallOptions = {}): Promise<t.Batch> {
    return this.transport.json({ method: "POST", path: at("batches", batchId, "/cancel"), ...options });
  }
}

/** Files that are kept for jobs; `Reelgate.upload` sends one. */
export class Uploads {
  constructor(private readonly transport: Transport) {}

  get(uploadId: string, options: CallOptions = {}): Promise<t.Upload> {
    return this.transport.json({ method: "GET", path: at("uploads", uploadId), ...options });
  }

  list(options: CallOptions = {}): AsyncGenerator<t.Upload> {
    return rows<t.Upload>(this.transport, "/v1/uploads", {}, options);
  }

  async delete(uploadId: string, options: CallOptions = {}): Promise<void> {
    await this.transport.json({ method: "DELETE", path: at("uploads", uploadId), removes: true, ...options });
  }
}

async function opened(to: FilmPlace, film: Film): Promise<FilmStream> {
  try {
    return typeof to === "function" ? await to() : to;
  } catch (cause) {
    await film.cancel();
    throw cause;
  }
}

/** Abort a stream to which no film goes; what was not opened stays as it is. */
async function letGo(to: FilmPlace | undefined, why: unknown): Promise<void> {
  if (typeof to === "object") await to.abort(why).catch(() => undefined);
}

/** Give events until they end, or break for too long: on the way there may be what lets no stream through. */
async function* whileItLasts(events: AsyncGenerator<t.JobEvent>): AsyncGenerator<t.JobEvent> {
  try {
    yield* events;
  } catch (error) {
    if (!(error instanceof NoAnswer || isPage(error))) throw error;
  }
}

/** Read a list row by row; the end is told by `has_more` alone. */
async function* rows<Row>(
  transport: Transport,
  path: string,
  query: Query,
  options: CallOptions,
  onTrimmed?: () => void,
): AsyncGenerator<Row> {
  let wanted: Query = query;
  for (;;) {
    const page = await transport.json<t.Page<Row>>({ method: "GET", path, query: wanted, ...options });
    if (page.trimmed) onTrimmed?.();
    yield* page.data;
    if (!page.has_more || !page.next_cursor) return;
    wanted = { ...query, after: page.next_cursor };
  }
}

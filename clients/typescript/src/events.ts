// A job's events, followed over breaks until its end.

import { NoAnswer } from "./errors.js";
import { FrameReader, type Frame } from "./frames.js";
import { chunksOf, monotonicMs, sleep } from "./timing.js";
import { segment, type CallOptions, type Transport } from "./transport.js";
import type { Job, JobEvent } from "./types.js";

/** Three comments that did not come: the connection is dead. */
const IDLE_MS = 45_000;
/** When to come back to a stream that does not say. */
export const COME_BACK_MS = 3_000;
/** What a stream may ask for instead. */
const SOONEST_MS = 500;
const LATEST_MS = 60_000;
const PATIENCE_MS = 120_000;
/** The API's events have some ten thousand. */
const MOST_EVENT_CHARS = 1 << 24;
/** A stream on which something came lives if it lasts so long; one that is over before may be one that breaks every time. */
const STEADY_MS = 1_000;

/** How to follow a job. */
export interface FollowOptions extends CallOptions {
  /** Go on after this event; absent: from a snapshot on. */
  after?: string | undefined;
  /** How long to try to come back while no stream lives; by default two minutes. */
  timeoutMs?: number | undefined;
}

export function hasEnded(job: Job): boolean {
  return ["succeeded", "failed", "canceled", "expired"].includes(job.status);
}

/** Follow a job. After a break it goes on with `Last-Event-ID`, so no event is missed and none comes twice. */
export async function* followJob(transport: Transport, jobId: string, options: FollowOptions): AsyncGenerator<JobEvent> {
  const patienceMs = options.timeoutMs ?? PATIENCE_MS;
  let after = options.after ?? "";
  let aliveAt = monotonicMs();
  for (;;) {
    const stream = new Connection(transport, jobId, after, options.signal, aliveAt + patienceMs - monotonicMs());
    for await (const event of stream.events()) {
      after = event.id || after;
      yield event;
      if (event.data.job && hasEnded(event.data.job)) return;
      aliveAt = monotonicMs(); // its reader may have taken long over it
    }
    if (stream.isOver) return;
    aliveAt = Math.max(aliveAt, stream.steadyAt);
    if (monotonicMs() - aliveAt + stream.comeBackMs > patienceMs) {
      throw brokeOff(jobId, stream.broken);
    }
    await sleep(stream.comeBackMs, options.signal);
  }
}

const brokeOff = (jobId: string, cause: unknown) => new NoAnswer(`the events of ${jobId} broke off`, undefined, { cause });

/** Read an event; undefined for what is none, e.g. the word that history was cut, after which a snapshot comes. */
function eventOf(frame: Frame): JobEvent | undefined {
  try {
    const found = JSON.parse(frame.data) as Partial<JobEvent> | null;
    return found?.type && found.data ? ({ ...found, id: frame.id } as JobEvent) : undefined;
  } catch {
    return undefined;
  }
}

/** One connection of a reader, until it breaks or ends. */
class Connection {
  /** Whether the API said that nothing follows (204). */
  isOver = false;
  comeBackMs = COME_BACK_MS;
  /** When it was over, having lived; 0: it had not. */
  steadyAt = 0;
  broken: unknown;
  private heard = false;

  constructor(
    private readonly transport: Transport,
    private readonly jobId: string,
    private readonly after: string,
    private readonly signal: AbortSignal | undefined,
    private readonly timeoutMs: number,
  ) {}

  async *events(): AsyncGenerator<JobEvent> {
    const response = await this.open();
    this.isOver = response.status === 204;
    if (!response.body || this.isOver) return;
    if (!/^text\/event-stream/i.test(response.headers.get("Content-Type") ?? "")) {
      this.broken = new Error("what answered is no event stream");
      return void response.body.cancel().catch(() => undefined); // it may have broken off meanwhile
    }
    const openedAt = monotonicMs();
    try {
      yield* this.read(response.body);
    } catch (error) {
      this.signal?.throwIfAborted();
      if (error instanceof NoAnswer) throw error;
      this.broken = error;
    }
    // also where it was cut before its first comment, or nobody said that it was
    if (this.heard && monotonicMs() - openedAt >= STEADY_MS) this.steadyAt = monotonicMs();
  }

  private async *read(body: ReadableStream<Uint8Array>): AsyncGenerator<JobEvent> {
    const frames = new FrameReader();
    for await (const chunk of chunksOf(body, IDLE_MS, this.signal)) {
      this.heard = true;
      for (const frame of frames.read(chunk)) {
        const event = eventOf(frame);
        if (event) yield event;
      }
      if (frames.heldChars > MOST_EVENT_CHARS) throw brokeOff(this.jobId, new Error("an event without an end"));
      this.comeBackMs = Math.min(Math.max(frames.retryMs ?? this.comeBackMs, SOONEST_MS), LATEST_MS);
    }
  }

  private open(): Promise<Response> {
    return this.transport.stream({
      method: "GET",
      path: `/v1/jobs/${segment(this.jobId)}/events`,
      headers: { Accept: "text/event-stream", ...(this.after ? { "Last-Event-ID": this.after } : {}) },
      signal: this.signal,
      timeoutMs: this.timeoutMs,
    });
  }
}

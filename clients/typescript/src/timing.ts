// Time that is bounded, and can be cut short by the caller.

/** Milliseconds that only grow: the time of day may be set anew while a call goes on. */
export const monotonicMs = (): number => performance.now();

/** Look that a time is a number: nothing is before it or after it where it is NaN, as an unset variable's. Throws TypeError. */
export function checkedMs(ms: number, name: string): number {
  if (Number.isNaN(ms)) throw new TypeError(`${name} is not a number`);
  return ms;
}

/** A timer that is set to more than this ends at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** Wait. Throws the signal's reason where the caller aborts. */
export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const end = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      resolve();
    }, Math.min(ms, LONGEST_MS));
    signal?.addEventListener("abort", end, { once: true });
  });
}

/** A limit that aborts what it is given to, unless it is lifted before. */
export class Limit {
  private readonly controller = new AbortController();
  private readonly timer: ReturnType<typeof setTimeout>;
  readonly signal: AbortSignal;

  constructor(ms: number, caller: AbortSignal | undefined) {
    const end = () => this.controller.abort(new Error(`nothing came within ${ms} ms`));
    this.timer = setTimeout(end, Math.min(ms, LONGEST_MS));
    this.signal = caller ? AbortSignal.any([caller, this.controller.signal]) : this.controller.signal;
  }

  /** Whether something was thrown because this limit was reached, and not by what its caller aborted, or else. */
  isWhy(error: unknown): boolean {
    return this.controller.signal.aborted && error === this.controller.signal.reason;
  }

  lift(): void {
    clearTimeout(this.timer);
  }
}

/** Read the chunks of a body. Throws where none comes for `idleMs`, and the signal's reason where the caller aborts. */
export async function* chunksOf(
  body: ReadableStream<Uint8Array>,
  idleMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  let over = false;
  try {
    for (;;) {
      const { done, value } = await within(reader.read(), idleMs, signal);
      over = done;
      if (done) return;
      yield value;
    }
  } finally {
    if (!over) void reader.cancel().catch(() => undefined);
  }
}

/** Whoever holds a body may have let go of the signal that it was asked for with, so it is heard here as well. */
async function within<T>(coming: Promise<T>, idleMs: number, signal: AbortSignal | undefined): Promise<T> {
  let lift = () => {};
  const ended = new Promise<never>((_, reject) => {
    const abort = () => reject(signal?.reason);
    const timer = setTimeout(() => reject(new Error(`nothing came for ${idleMs} ms`)), idleMs);
    // Not by AbortSignal.any: a signal that lives as long as the process would keep something of each chunk.
    signal?.addEventListener("abort", abort, { once: true });
    lift = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    if (signal?.aborted) abort();
  });
  try {
    return await Promise.race([coming, ended]);
  } finally {
    lift();
  }
}

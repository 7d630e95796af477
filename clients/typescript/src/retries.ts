// Which outcomes of a request are worth another attempt, and after how long. Pure.
//
// What makes something is repeated under the one Idempotency-Key that it was first sent with, so it is made once.

import type { ProblemCode } from "./types.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
/** Statuses that pass by themselves: timeouts, limits, and a service or a proxy in trouble. */
export const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
/** Limits that no pause of ours outlasts. */
const LASTING = new Set<ProblemCode>(["too_many_sessions", "budget_exceeded"]);

/** Whether the same request may do better. */
export function isPassing(status: number, code: ProblemCode): boolean {
  return code === "in_progress" || (PASSING.has(status) && !LASTING.has(code));
}

/** Whether a call that was answered so may have been carried out, or is being so. */
export function isDoubtful(status: number, code: ProblemCode): boolean {
  return status >= 500 || status === 408 || code === "in_progress";
}

/** How long to wait after so many failures. `dice`: 0 to 1, since others wait for the same moment. */
export function pauseMs(failures: number, retryAfterMs: number | undefined, dice: number): number {
  const grown = Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS) * (0.5 + dice / 2);
  return retryAfterMs ? retryAfterMs + dice * Math.min(1000, retryAfterMs / 10) : grown;
}

/**
 * Read `Retry-After`: seconds, or a date (RFC 9110, 10.2.3). A date is measured from the answer's own `Date`, so that clocks
 * need not agree, else from `nowMs`.
 */
export function retryAfterMs(header: string | null, date: string | null, nowMs: number): number | undefined {
  if (!header) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const then = momentMs(header);
  return then === undefined ? undefined : Math.max(0, then - (momentMs(date ?? "") ?? nowMs));
}

/** Read an HTTP date; without a zone, as `asctime` writes it, it is UTC and not this machine's. */
function momentMs(text: string): number | undefined {
  if (!/^[a-z]/i.test(text.trim())) return undefined; // all begin with a day's name; what else is one to Date is a guess
  const found = Date.parse(text.trim().replace(/^\w{3} (\w{3}) +(\d+) ([\d:]+) (\d{4})$/, "$2 $1 $4 $3 GMT"));
  return Number.isNaN(found) ? undefined : found;
}

// What goes wrong, as classes: one for each family of codes, with the code in `code`.
//
// ReelgateError
//   NoAnswer            the API cannot be reached, or broke off, until time was up
//   Refused             the API answered with a problem
//     NotAuthorized     the key is unknown, or lacks a scope; a link is not good any more
//     NotFound          there is no such thing (any more)
//     NotPossibleNow    the present state does not allow it
//     MediaRefused      a file has the wrong format or size, or is needed and missing
//     InvalidRequest    something in the request is wrong; `problem.errors` says what
//     LimitReached      too many submits, jobs, sessions or credits
//     WrongCell         it belongs to another cell of the service
//     Unavailable       the service's own trouble
//   JobNotDone          a job ended otherwise than well: `job`, `code`
//   StillRunning        a wait was told to end sooner, or `run` lost sight of its job: `jobId`
//   DownloadFailed      the film is there, and paid for, and did not come: `jobId`
//   BadSignature        a callback is not from whom it says

import type { Job, JobCode, Problem, ProblemCode } from "./types.js";

/** Whatever the client throws by itself. A call that its caller aborts throws the signal's own reason. */
export class ReelgateError extends Error {
  /** Whether the call may have been carried out all the same, by this attempt or one before. */
  maybeDone = false;
  /** What the call was made under, where it makes something: the same call under it does nothing twice. */
  idempotencyKey: string | undefined;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The API did not answer. What was asked for may have been done: repeat it with `idempotencyKey`. */
export class NoAnswer extends ReelgateError {
  readonly code = "no_answer";

  constructor(message: string, idempotencyKey: string | undefined, options?: ErrorOptions) {
    super(message, options);
    this.idempotencyKey = idempotencyKey;
  }
}

/** The API refused the call. */
export class Refused extends ReelgateError {
  readonly code: ProblemCode;
  readonly status: number;
  /** Whether the same call may succeed later, unchanged. */
  readonly retryable: boolean;
  readonly requestId: string;

  constructor(
    readonly problem: Problem,
    status: number,
    /** How long the API asks to be left alone. */
    readonly retryAfterMs: number | undefined,
  ) {
    super(problem.detail || problem.title);
    this.code = problem.code;
    this.status = status;
    this.retryable = problem.retryable;
    this.requestId = problem.request_id;
  }
}

export class NotAuthorized extends Refused {}
export class NotFound extends Refused {}
export class NotPossibleNow extends Refused {}
export class MediaRefused extends Refused {}
export class InvalidRequest extends Refused {}
export class LimitReached extends Refused {}
export class WrongCell extends Refused {}
export class Unavailable extends Refused {}

/** Whether the API itself says that there is no such thing: the 404 of a proxy on the way says nothing of it. */
export const isGone = (error: unknown): boolean => error instanceof NotFound && error.code === "not_found";

/** Whether it is the refusal of somebody on the way, who has no code of the API's, and says nothing of the job. */
export const isPage = (error: unknown): boolean => error instanceof Refused && error.code.startsWith("status_");

/** A job ended otherwise than well: `code` is that of its error, else `canceled` or `expired`. */
export class JobNotDone extends ReelgateError {
  readonly code: JobCode | "canceled" | "expired";
  readonly retryable: boolean;

  constructor(readonly job: Job) {
    super(`${job.id}: ${job.error ? `${job.error.detail} ${job.error.hint}` : job.status}`);
    this.code = job.error?.code ?? (job.status === "expired" ? "expired" : "canceled");
    this.retryable = job.error?.retryable ?? false;
  }
}

/** The wait is over and the job goes on: `wait` for it again, or `cancel` it. */
export class StillRunning extends ReelgateError {
  constructor(
    readonly jobId: string,
    options?: ErrorOptions,
  ) {
    super(`${jobId} goes on; wait for it again, or cancel it`, options);
  }
}

/** The film is there, and paid for: `download` it again. */
export class DownloadFailed extends ReelgateError {
  constructor(
    readonly jobId: string,
    options?: ErrorOptions,
  ) {
    super(`the film of ${jobId} is there and did not come; download it again`, options);
  }
}

/** A callback is not from whom it says, or too old. Answer 401 and read nothing of it. */
export class BadSignature extends ReelgateError {}

/** Each code's family. The compiler says which code of the document is missing here. */
const FAMILIES: Record<ProblemCode, typeof Refused> = {
  unauthorized: NotAuthorized,
  scope_missing: NotAuthorized,
  link_expired: NotAuthorized,
  not_found: NotFound,
  conflict: NotPossibleNow,
  not_ended: NotPossibleNow,
  being_sent: NotPossibleNow,
  in_progress: NotPossibleNow,
  session_lost: NotPossibleNow,
  not_available: NotPossibleNow,
  not_uploaded: NotPossibleNow,
  media_too_large: MediaRefused,
  unsupported_media: MediaRefused,
  media_needed: MediaRefused,
  storage_full: MediaRefused,
  malformed_request: InvalidRequest,
  malformed_json: InvalidRequest,
  method_not_allowed: InvalidRequest,
  too_large: InvalidRequest,
  uri_too_long: InvalidRequest,
  too_long: InvalidRequest,
  unsupported_media_type: InvalidRequest,
  precondition_failed: InvalidRequest,
  range_not_satisfiable: InvalidRequest,
  invalid: InvalidRequest,
  invalid_value: InvalidRequest,
  missing_field: InvalidRequest,
  unknown_field: InvalidRequest,
  repeated_field: InvalidRequest,
  too_many: InvalidRequest,
  unknown_profile: InvalidRequest,
  url_too_long: InvalidRequest,
  url_malformed: InvalidRequest,
  user_info_not_allowed: InvalidRequest,
  address_not_allowed: InvalidRequest,
  host_not_allowed: InvalidRequest,
  scheme_not_allowed: InvalidRequest,
  port_not_allowed: InvalidRequest,
  idempotency_key_reused: InvalidRequest,
  headers_too_large: InvalidRequest,
  rate_limited: LimitReached,
  queue_full: LimitReached,
  too_many_sessions: LimitReached,
  budget_exceeded: LimitReached,
  misdirected: WrongCell,
  internal: Unavailable,
  unavailable: Unavailable,
  overloaded: Unavailable,
  record_unreadable: Unavailable,
  request_timeout: Unavailable,
};

const BY_STATUS: Record<number, typeof Refused> = {
  401: NotAuthorized,
  403: NotAuthorized,
  404: NotFound,
  408: Unavailable,
  409: NotPossibleNow,
  421: WrongCell,
  429: LimitReached,
};

/** Make the error of a problem; a code that is newer than this client is told by its status. */
export function refusal(problem: Problem, status: number, retryAfterMs: number | undefined): Refused {
  const byStatus = status >= 500 ? Unavailable : (BY_STATUS[status] ?? InvalidRequest);
  const Family = Object.hasOwn(FAMILIES, problem.code) ? FAMILIES[problem.code] : byStatus;
  return new Family(problem, status, retryAfterMs);
}

/** Whether an error is a refusal with one of these codes; the compiler then knows which. */
export function hasCode<Code extends ProblemCode>(error: unknown, ...codes: Code[]): error is Refused & { code: Code } {
  return error instanceof Refused && (codes as ProblemCode[]).includes(error.code);
}

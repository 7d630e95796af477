// The client of the Reelgate API: `new Reelgate({ baseUrl, apiKey }).run({ prompt })`.

export { Batches, Reelgate, Sessions, Uploads } from "./client.js";
export type { FeedOptions, FilmPlace, RunOptions, SubmitOptions, WaitOptions } from "./client.js";
export {
  BadSignature,
  DownloadFailed,
  hasCode,
  InvalidRequest,
  JobNotDone,
  LimitReached,
  MediaRefused,
  NoAnswer,
  NotAuthorized,
  NotFound,
  NotPossibleNow,
  ReelgateError,
  Refused,
  StillRunning,
  Unavailable,
  WrongCell,
} from "./errors.js";
export type { FollowOptions } from "./events.js";
export type { CallOptions, MakingOptions, TransportOptions } from "./transport.js";
export type * from "./types.js";
export type { ByteProgress, DownloadOptions, Film, UploadOptions, UploadSource } from "./uploads.js";
export { verify } from "./webhooks.js";
export type { VerifyOptions } from "./webhooks.js";

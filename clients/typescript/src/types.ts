// Names for the shapes of the API. The shapes themselves are made from the OpenAPI document: `npm run generate`.

import type { components, operations } from "./schema.js";

type Schemas = components["schemas"];

export type Job = Schemas["JobView"];
export type JobStatus = Schemas["Status"];
export type JobRequest = Schemas["JobRequest"];
export type MediaSource = Schemas["MediaSource"];
export type ReplayRequest = Schemas["ReplayRequest"];
export type Validated = Schemas["Validated"];
/** What a job was expected to cost and take. */
export type Estimate = Schemas["EstimateView"];
export type Session = Schemas["SessionView"];
export type SessionRequest = Schemas["SessionRequest"];
export type Batch = Schemas["BatchView"];
export type BatchRequest = Schemas["BatchRequest"];
export type BatchAccepted = Schemas["BatchAccepted"];
export type Upload = Schemas["UploadView"];
export type Credits = Schemas["CreditsView"];
export type Usage = Schemas["UsageView"];
export type Profile = Schemas["Profile"];
/** What a refused call is answered with. */
export type Problem = Schemas["ProblemDocument"];
/** Why a call was refused. */
export type ProblemCode = Schemas["ProblemCode"];
/** Why a job failed. */
export type JobCode = Schemas["Code"];
/** Which jobs to list. */
export type JobsQuery = NonNullable<operations["listJobs"]["parameters"]["query"]>;

type JobEventBody = Schemas["JobEventBody"];

/** One event of a job's stream. `snapshot`: the job as it is, at first and where history was cut. */
export interface JobEvent {
  /** Give it back as `after` to go on after it; empty where the event has none. */
  id: string;
  type: JobEventBody["type"] | "snapshot";
  timestamp: string;
  data: JobEventBody["data"];
}

/** What a receiver of callbacks gets, with the id under which it was sent. Take each id once. */
export type CallbackEvent = { id: string } & (
  | JobEventBody
  | Schemas["BatchEventBody"]
  | (Omit<Schemas["WebhookTestBody"], "type"> & { type: "webhook.test" })
);

/** One event of the feed: what its callback would bring, under the same id. */
export type FeedEvent = CallbackEvent;

/** One page of a list. */
export interface Page<Row> {
  data: Row[];
  next_cursor: string | null;
  has_more: boolean;
  /** Of events: some that would stand before these may be gone. */
  trimmed?: boolean;
}

"""Progress of a job: how far it is in each stage, and in which words its caller hears of that, and of its end. Data only."""

from core.model.job import Stage, Status

#: how far a job is when it enters a stage, in percent
PERCENT: dict[Stage, int] = {
    Stage.PREPARING: 2,
    Stage.UPLOADING: 10,
    Stage.EDITING: 25,
    Stage.RECOVERING: 40,
    Stage.RENDERING: 60,
    Stage.STORING: 92,
}

#: what a caller hears when a job enters a stage
STAGE_WORDS: dict[Stage, str] = {
    Stage.PREPARING: "Connecting...",
    Stage.UPLOADING: "Uploading",
    Stage.EDITING: "Editing",
    Stage.RECOVERING: "Checking what the edit did",
    Stage.RENDERING: "Rendering",
    Stage.STORING: "Saving the video",
}

#: what a caller hears when a job is stopped or ends; a queued one's words are those of a new record
STATUS_WORDS: dict[Status, str] = {
    Status.CANCELING: "Canceling",
    Status.SUCCEEDED: "Done",
    Status.FAILED: "Failed",
    Status.CANCELED: "Canceled",
    Status.EXPIRED: "Expired before it could start",
}

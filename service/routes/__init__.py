"""The API's routes: what answers which path."""

from litestar.handlers import HTTPRouteHandler

from service.routes import (
    account,
    batches,
    deliveries,
    docs,
    events,
    job_actions,
    jobs,
    output,
    presigned_uploads,
    sessions,
    system,
    uploads,
    webhook,
)

ROUTES: tuple[HTTPRouteHandler, ...] = (
    jobs.submit_job,
    jobs.validate_job,
    jobs.list_jobs,
    jobs.read_job,
    job_actions.cancel_job,
    job_actions.delete_job,
    job_actions.replay_job,
    batches.submit_batch,
    batches.list_batches,
    batches.read_batch,
    batches.cancel_batch,
    events.follow_job,
    events.list_events,
    deliveries.list_job_deliveries,
    deliveries.list_deliveries,
    deliveries.redeliver,
    deliveries.redeliver_range,
    webhook.read_webhook,
    webhook.set_webhook,
    webhook.rotate_secret,
    webhook.enable_webhook,
    webhook.send_test,
    output.read_timeline,
    output.read_output,
    sessions.create_session,
    sessions.list_sessions,
    sessions.read_session,
    sessions.read_session_timeline,
    sessions.close_session,
    uploads.upload_file,
    uploads.list_uploads,
    uploads.read_upload,
    uploads.delete_upload,
    presigned_uploads.presign_upload,
    presigned_uploads.complete_upload,
    account.list_profiles,
    account.read_credits,
    account.read_usage,
    system.livez,
    system.readyz,
    system.startupz,
    docs.openapi,
    docs.docs,
)
#: served with the others, or on a port of its own
METRICS = system.metrics

__all__ = ["METRICS", "ROUTES"]

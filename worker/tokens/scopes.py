"""Which scopes a job needs of its token, and which one a refused call lacked. Pure."""

from core.model.job import Job
from core.model.session import Session, is_bound
from core.model.token import Scope

_BY_CALL = {
    "open_session": Scope.WRITE,
    "message": Scope.WRITE,
    "upload": Scope.UPLOAD,
    "render": Scope.RENDER,
    "cancel_render": Scope.RENDER,
}


def needs_of(job: Job, session: Session) -> frozenset[Scope]:
    """Name the scopes without which a job can't end well; every job reads a balance or a state."""
    exports = job.plan.action == "export"
    needs = {
        Scope.READ: True,
        Scope.WRITE: exports or job.plan.message is not None or bool(job.media),
        # what the session has must be brought again as long as no edit keeps it where it is
        Scope.UPLOAD: bool(job.media) or (bool(session.media) and not is_bound(session)),
        Scope.RENDER: exports,
    }
    return frozenset(scope for scope, needed in needs.items() if needed)


def scope_of(call: str) -> Scope:
    """Name the scope that a call was refused for."""
    return _BY_CALL.get(call, Scope.READ)

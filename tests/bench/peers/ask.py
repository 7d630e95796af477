"""What every FastAPI peer takes: the fields of the bench's job, checked, and the record that it puts into its queue."""

from typing import Any
from uuid import uuid4

from pydantic import BaseModel, Field


class Media(BaseModel):
    url: str


class Ask(BaseModel):
    """The body of a submit."""

    prompt: str = Field(min_length=1, max_length=10_000)
    profile: str
    media: list[Media]
    metadata: dict[str, str] = {}


def record_of(ask: Ask) -> dict[str, Any]:
    return {"id": f"job_{uuid4()}", "status": "queued", **ask.model_dump()}

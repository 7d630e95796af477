"""The two ways in which a render's status is written, both the vendor's. Which one is a setting's choice."""

from typing import Any, Literal

from sandbox.backend.clock import rfc3339
from sandbox.backend.renders import Render

Shape = Literal["task", "data"]
_HALF = 2


def shape_of(render: Render, setting: Literal["task", "data", "mixed"]) -> Shape:
    """The shape of one render's status; it stays the same over its life."""
    if setting != "mixed":
        return setting
    return "task" if render.number % _HALF == 0 else "data"


def written(render: Render, shape: Shape, base_url: str) -> dict[str, Any]:
    return _as_task(render, base_url) if shape == "task" else _as_data(render, base_url)


def _as_task(render: Render, base_url: str) -> dict[str, Any]:
    status: dict[str, Any] = {"taskId": render.id, "status": render.status, "progress": render.progress}
    if (film := render.film) is not None:
        status["output"] = {"url": _url(render, base_url), "duration": film.duration_s, "size": film.size_bytes}
    return {**status, **({"error": render.error} if render.error else {})}


def _as_data(render: Render, base_url: str) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": render.id,
        "status": render.status,
        "progress": render.progress,
        "createdAt": rfc3339(render.made_at_s),
        "completedAt": rfc3339(render.ended_at_s) if render.ended_at_s is not None else None,
    }
    if render.film is not None:
        data["outputUrl"] = _url(render, base_url)
    return {"success": True, "data": {**data, **({"error": render.error} if render.error else {})}}


def _url(render: Render, base_url: str) -> str:
    return f"{base_url}/{render.stored.address}" if render.stored is not None else ""

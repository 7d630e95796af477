"""The same answer in other shapes: pure functions from a call's name and its data to data.

`dialects.py` names and mixes them, `proxy.py` applies them. Data is an answer out of its envelope; an envelope is put
round it at the end. Nothing here knows HTTP, time or who asked.
"""

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

Shape = Callable[[str, Any], Any]
Envelope = Callable[[Any], Any]

#: what moves at every read and is no content
_RECORDS = {"updatedAt"}
_UNKNOWN = {"x_reserved": {"flags": [], "schema": 7}}
_OTHERS_FROZEN = 700
_PLACEHOLDER_MS = 1000


def unwrapped(answer: Any) -> Any:
    """Take an answer out of its envelope, ``{"code":0,"data":…}`` or ``{"success":true,"data":…}``, if it has one."""
    in_envelope = isinstance(answer, dict) and ("code" in answer or "success" in answer) and "data" in answer
    return answer["data"] if in_envelope else answer


def is_refusal(answer: Any) -> bool:
    return isinstance(answer, dict) and (answer.get("code", 0) != 0 or answer.get("success") is False)


# Envelopes


def bare(data: Any) -> Any:
    return data


def code_and_data(data: Any) -> Any:
    return {"code": 0, "message": "success", "data": data}


def success_and_data(data: Any) -> Any:
    return {"success": True, "data": data}


def code_as_text(data: Any) -> Any:
    return {"code": "0", "data": data}


# Values


def numbers_as_text(call: str, data: Any) -> Any:
    """Write every number as a string, but for the draft, which is the editor's own form."""
    if isinstance(data, dict):
        return {key: value if key == "draft" else numbers_as_text(call, value) for key, value in data.items()}
    if isinstance(data, list):
        return [numbers_as_text(call, value) for value in data]
    is_number = isinstance(data, int | float) and not isinstance(data, bool)
    return str(data) if is_number else data


def ids_as_numbers(call: str, data: Any) -> Any:
    """Write ids of digits alone as numbers: ``"session_id": 5529798706024415232``."""
    if isinstance(data, list):
        return [ids_as_numbers(call, value) for value in data]
    if not isinstance(data, dict):
        return data
    return {key: _number_of(key, value, call) for key, value in data.items()}


def _number_of(key: str, value: Any, call: str) -> Any:
    is_id = key.lower().endswith("id") and isinstance(value, str) and value.isdigit()
    return int(value) if is_id else ids_as_numbers(call, value)


def unknown_keys(call: str, data: Any) -> Any:
    """Put a key that no page knows into every object; always the same, so that it is no change."""
    if isinstance(data, list):
        return [unknown_keys(call, value) for value in data]
    if not isinstance(data, dict):
        return data
    return {key: unknown_keys(call, value) for key, value in data.items()} | copy.deepcopy(_UNKNOWN)


# The state


def _of_state(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Shape:
    """Make a shape of the state's answer from what it does to ``data.state``."""

    def shape(call: str, data: Any) -> Any:
        holds = call == "state" and isinstance(data, dict) and isinstance(data.get("state"), dict)
        return {**data, "state": change(data["state"])} if holds else data

    return shape


def _draft_as_text(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "draft": json.dumps(state["draft"])} if "draft" in state else state


def _draft_nested(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "draft": {"schema": 3, "draft": state["draft"]}} if "draft" in state else state


def _draft_elsewhere(state: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in state.items() if key != "draft"}
    return {**rest, "project_timeline": state["draft"]} if "draft" in state else state


def _infos_by_name(state: dict[str, Any]) -> dict[str, Any]:
    infos = state.get("video_infos")
    return {**state, "video_infos": {i["hash"]: i for i in infos}} if isinstance(infos, list) else state


def _change_in_canvas(state: dict[str, Any]) -> dict[str, Any]:
    canvas = {**(state.get("canvas_config") or {}), "elements": _content(state.get("draft"))}
    return {**_unmoved(state), "canvas_config": canvas}


def _change_in_generated_media(state: dict[str, Any]) -> dict[str, Any]:
    made = [{"type": "composition", "name": f"cut-{mark_of(state.get('draft'))}"}]
    return {**_unmoved(state), "generated_media": [*state.get("generated_media", []), *made]}


def _change_in_material(state: dict[str, Any]) -> dict[str, Any]:
    shown = _unmoved(state)
    for track in shown["draft"].get("t", []):
        for segment in track["sg"]:
            segment["material_id"] = f"mat_{mark_of(state.get('draft'))}"
    return shown


def _unmoved(state: dict[str, Any]) -> dict[str, Any]:
    """Show the media on the timeline as they came, or where there are none one piece for all that was made of nothing.

    Whatever is edited then, the draft does not tell the change.
    """
    media = state.get("video_infos") or ([None] if (state.get("draft") or {}).get("t") else [])
    segments = [{"id": f"s{n}", "st": n * _PLACEHOLDER_MS, "d": _PLACEHOLDER_MS} for n, _ in enumerate(media)]
    draft = {"t": [{"id": "t0", "tt": 0, "sg": segments}]} if segments else {}
    return {**state, "draft": draft, "canvas_config": {"width": 1920, "height": 1080, "fps": 30}}


def _content(draft: Any) -> dict[str, Any]:
    return {key: value for key, value in (draft or {}).items() if key not in _RECORDS}


def mark_of(draft: Any) -> str:
    """Name a draft's content: equal for two reads of the same work."""
    return hashlib.sha256(json.dumps(_content(draft), sort_keys=True).encode()).hexdigest()[:12]


draft_as_text = _of_state(_draft_as_text)
draft_nested = _of_state(_draft_nested)
draft_elsewhere = _of_state(_draft_elsewhere)
infos_by_name = _of_state(_infos_by_name)
change_in_canvas = _of_state(_change_in_canvas)
change_in_generated_media = _of_state(_change_in_generated_media)
change_in_material = _of_state(_change_in_material)


# Credits


def without_frozen(call: str, data: Any) -> Any:
    return {key: value for key, value in data.items() if key != "frozen"} if call == "credits" else data


def others_frozen(call: str, data: Any) -> Any:
    """Somebody else of the same account always has a work in progress."""
    if call != "credits":
        return data
    return {**data, "frozen": data["frozen"] + _OTHERS_FROZEN, "total": data["total"] + _OTHERS_FROZEN}


# A render's status


def _of_status(key: str, change: Callable[[Any], Any]) -> Shape:
    def shape(call: str, data: Any) -> Any:
        holds = call in ("render", "status", "cancel") and isinstance(data, dict) and key in data
        return {**data, key: change(data[key])} if holds else data

    return shape


progress_as_share = _of_status("progress", lambda percent: float(percent) / 100)
progress_as_words = _of_status("progress", lambda percent: f"{percent}%")
status_in_capitals = _of_status("status", str.upper)
status_as_title = _of_status("status", str.title)


# Streams: from a chunk of bytes to bytes


def snake_case(chunk: bytes) -> bytes:
    """Write an agent server's keys as older ones do."""
    return chunk.replace(b'"functionCall"', b'"function_call"').replace(b'"functionResponse"', b'"function_response"')


def heartbeat_words(chunk: bytes) -> bytes:
    """Tell of the work before each chunk in the two ways that no page settles. Only between whole frames."""
    whole = chunk.endswith(b"\n\n")
    return chunk + b"event: heartbeat\ndata: {}\n\ndata: heartbeat\n\n" if whole else chunk

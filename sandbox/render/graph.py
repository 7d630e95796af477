"""Puts the whole ffmpeg call together from a plan: inputs, filter graph, encoders. Pure; called by `render`."""

from sandbox.render.feeds import feeds, input_args
from sandbox.render.picture import picture_lines
from sandbox.render.plan import Plan
from sandbox.render.sound import sound_lines
from sandbox.render.text import words_filters

#: The name of the file that holds the filter graph; a command line could be too short for it.
GRAPH_FILE = "graph.txt"

#: how coarse each frame is; a quality that is held by looking ahead (CRF) takes a fifth longer
_QP = {"low": 30, "medium": 25, "high": 22}
_WEBM_BITRATES = {"low": "800k", "medium": "2M", "high": "5M"}


def filter_graph(plan: Plan) -> str:
    """Write the graph, from the inputs to ``[video]`` and ``[sound]``."""
    readings = feeds(plan.shots)
    over = ",".join(words_filters(plan)) or "null"
    lines = [*picture_lines(plan, readings), f"[picture]{over},format=yuv420p[video]", *sound_lines(plan, readings)]
    return ";\n".join(lines)


def ffmpeg_args(plan: Plan, out: str) -> list[str]:
    """Write the arguments, with `out` as the file to write and the graph in GRAPH_FILE."""
    return [
        *("-v", "error", "-nostats", "-progress", "pipe:1"),
        *input_args(plan, feeds(plan.shots)),
        *("-/filter_complex", GRAPH_FILE, "-map", "[video]", "-map", "[sound]"),
        *("-frames:v", str(plan.frames), "-t", f"{plan.duration_s:.6f}"),
        *_encoders(plan),
        out,
    ]


def _encoders(plan: Plan) -> list[str]:
    if plan.format == "webm":
        fast = ("-deadline", "realtime", "-cpu-used", "8", "-b:v", _WEBM_BITRATES[plan.quality])
        return ["-c:v", "libvpx", *fast, "-c:a", "libopus", "-b:a", "128k", "-f", "webm"]
    h264 = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", str(_QP[plan.quality]), "-pix_fmt", "yuv420p")
    aac = ("-c:a", "aac", "-b:a", "160k", "-ar", "48000", "-ac", "2")
    return [*h264, "-threads", "2", *aac, "-movflags", "+faststart", "-f", plan.format]

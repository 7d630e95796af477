"""Writes the picture half of the filter graph: shots, their looks, transitions, the fades of the whole. Pure.

Every shot leaves here with exactly its number of frames, so picture and sound can't drift apart.
"""

from collections.abc import Iterator

from sandbox.media import Media
from sandbox.render.feeds import Feed
from sandbox.render.plan import Plan, Shot, runs

_LOOKS = {
    "black-white": "hue=s=0",
    "warm": "colortemperature=temperature=4300:mix=0.85,eq=saturation=1.12",
    "cool": "colortemperature=temperature=9000:mix=0.7",
    "bright": "eq=brightness=0.08:saturation=1.05",
}
_TRANSITIONS = {
    "crossfade": "fade",
    "dissolve": "dissolve",
    "wipe": "wipeleft",
    "slide": "slideleft",
    "fade-black": "fadeblack",
    "zoom": "zoomin",
}


def picture_lines(plan: Plan, readings: list[Feed]) -> Iterator[str]:
    """Write the lines that end in ``[picture]``, with the words not yet on it."""
    yield from _splits(readings)
    for number, shot in enumerate(plan.shots):
        yield _shot_line(plan, number, shot, _start_in_feed_s(readings, number, shot))
    yield from _joins(plan)


def _splits(readings: list[Feed]) -> Iterator[str]:
    for number, feed in enumerate(readings):
        outs = "".join(f"[in_v{shot}]" for shot in feed.shots)
        yield f"[{number}:v:0]split={len(feed.shots)}{outs}"


def _start_in_feed_s(readings: list[Feed], number: int, shot: Shot) -> float:
    return shot.in_s - next((feed.from_s for feed in readings if number in feed.shots), 0.0)


def _shot_line(plan: Plan, number: int, shot: Shot, start_s: float) -> str:
    even = f"fps={plan.fps},tpad=stop=-1:stop_mode=clone,trim=end_frame={shot.frames}"
    looks = [_LOOKS[look] for look in shot.looks if look in _LOOKS]
    last = f"setsar=1,format=yuv420p,settb=1/{plan.fps},setpts=N[v{number}]"
    if shot.media is None:
        ground = f"color=c=0x{shot.color}:s={plan.width}x{plan.height}:r={plan.fps}"
        return ",".join([ground, f"trim=end_frame={shot.frames}", last])
    taken = _still(plan, shot, shot.media, even) if shot.media.kind == "image" else _film(plan, shot, start_s, even)
    return ",".join([f"[in_v{number}]{taken}", *looks, last])


def _film(plan: Plan, shot: Shot, start_s: float, even: str) -> str:
    cut = f"trim=start={start_s:.6f}:end={start_s + shot.span_s:.6f}"
    return f"{cut},setpts=(PTS-STARTPTS)/{shot.speed},{even},{_fitted(plan, shot.fit)}"


def _still(plan: Plan, shot: Shot, media: Media, even: str) -> str:
    fitted = _fitted(plan, shot.fit if media.width and media.height else "contain")
    if shot.zoom == 1.0:
        return f"{fitted},{even}"
    grown = f"1+{shot.zoom - 1:.4f}*on/{shot.frames}"
    middle = "x='(iw-iw/zoom)/2':y='(ih-ih/zoom)/2'"
    size = f"{plan.width}x{plan.height}"
    return f"{fitted},zoompan=z='{grown}':{middle}:d={shot.frames}:s={size}:fps={plan.fps},{even}"


def _fitted(plan: Plan, fit: str) -> str:
    box = f"{plan.width}:{plan.height}"
    square = "scale=iw*sar:ih:flags=fast_bilinear,setsar=1"
    if fit == "cover":
        return f"{square},scale={box}:force_original_aspect_ratio=increase,crop={box}"
    return f"{square},scale={box}:force_original_aspect_ratio=decrease,pad={box}:(ow-iw)/2:(oh-ih)/2:color=black"


def _joins(plan: Plan) -> Iterator[str]:
    groups = runs(plan.shots)
    for number, group in enumerate(groups):
        heads = "".join(f"[v{shot}]" for shot in group)
        yield f"{heads}concat=n={len(group)}:v=1:a=0,settb=1/{plan.fps},fps={plan.fps}[run_v{number}]"
    length = sum(plan.shots[shot].frames for shot in groups[0])
    whole = "run_v0"
    for number, group in enumerate(groups[1:], start=1):
        first = plan.shots[group[0]]
        yield f"[{whole}][run_v{number}]{_crossing(plan, first, length)}[all_v{number}]"
        length += sum(plan.shots[shot].frames for shot in group) - first.shared_frames
        whole = f"all_v{number}"
    yield f"[{whole}]{_whole_fades(plan)}[picture]"


def _crossing(plan: Plan, first: Shot, length: int) -> str:
    kind = _TRANSITIONS.get(first.transition, "fade")
    shared_s, offset_s = first.shared_frames / plan.fps, (length - first.shared_frames) / plan.fps
    return f"xfade=transition={kind}:duration={shared_s:.6f}:offset={offset_s:.6f},settb=1/{plan.fps}"


def _whole_fades(plan: Plan) -> str:
    fades = []
    if plan.fade_in_s:
        fades.append(f"fade=t=in:st=0:d={plan.fade_in_s}")
    if plan.fade_out_s:
        fades.append(f"fade=t=out:st={max(0.0, plan.duration_s - plan.fade_out_s):.3f}:d={plan.fade_out_s}")
    return ",".join(fades) or "null"

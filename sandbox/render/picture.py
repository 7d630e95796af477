"""Writes the picture half of the filter graph: shots, their looks, transitions, the fades of the whole. Pure.

Every shot leaves here with exactly its number of frames, so picture and sound can't drift apart.
"""

from collections.abc import Iterator

from sandbox.render.feeds import Feed
from sandbox.render.plan import Plan, Shot

_LOOKS = {
    "black-white": "hue=s=0",
    "warm": "lutyuv=u=val-10:v=val+8,eq=saturation=1.1",
    "cool": "lutyuv=u=val+9:v=val-7",
    "bright": "eq=brightness=0.08:saturation=1.05",
}
#: Transitions that are more than a fade; `xfade` does them, which keeps frames of three times the size.
_SLIDING = {"dissolve": "dissolve", "wipe": "wipeleft", "slide": "slideleft", "zoom": "zoomin"}
#: A fade-out and a fade-in added up are a crossfade; black is 16 in luma and 128 in chroma, and counted twice.
_SUM = "blend=c0_mode=addition:c1_mode=grainmerge:c2_mode=grainmerge,lutyuv=y=val-16"

#: The last frame goes on without an end.
_STANDING = "tpad=stop=-1:stop_mode=clone"
_FASTEST_FPS = 120
_NOT_LATE_S = 0.1


def picture_lines(plan: Plan, readings: list[Feed]) -> Iterator[str]:
    """Write the lines that end in ``[picture]``, with the words not yet on it."""
    for number, feed in enumerate(readings):
        yield _feed_line(plan, number, feed)
    for number, shot in enumerate(plan.shots):
        yield _shot_line(plan, number, shot, _start_in_feed_s(readings, number, shot))
    yield from _joins(plan)


def _feed_line(plan: Plan, number: int, feed: Feed) -> str:
    """Scale before the split: frames that wait for their transition then come from one pool, which is used again."""
    outs = "".join(f"[in_v{shot}]" for shot in feed.shots)
    fitted = _fitted(plan, plan.shots[feed.shots[0]].fit)
    steady = "" if feed.media.kind == "image" else _steady(plan, feed)
    return f"[{number}:{feed.media.picture}]{fitted},format=yuv420p,{steady}split={len(feed.shots)}{outs}"


def _steady(plan: Plan, feed: Feed) -> str:
    """Let each frame stand until the next, the first from the start and the last on, so that a cut anywhere finds one.

    Of a start that is off by less than a frame or two the frames are moved instead, or rounding would make them stutter.
    """
    rate = min(max(feed.media.fps, plan.fps), _FASTEST_FPS)
    return f"setpts='PTS-if(lt(STARTPTS*TB,{_NOT_LATE_S}),STARTPTS,0)',fps={rate:.6f}:start_time=0,{_STANDING},"


def _start_in_feed_s(readings: list[Feed], number: int, shot: Shot) -> float:
    return shot.in_s - next((feed.from_s for feed in readings if number in feed.shots), 0.0)


def _shot_line(plan: Plan, number: int, shot: Shot, start_s: float) -> str:
    even = f"fps={plan.fps},{_STANDING},trim=end_frame={shot.frames}"
    looks = [_LOOKS[look] for look in shot.looks if look in _LOOKS]
    last = f"setsar=1,format=yuv420p,settb=1/{plan.fps},setpts=N[v{number}]"
    if shot.media is None:
        ground = f"color=c=0x{shot.color}:s={plan.width}x{plan.height}:r={plan.fps}"
        return ",".join([ground, f"trim=end_frame={shot.frames}", last])
    moved = _zoomed(plan, shot) if shot.media.kind == "image" else _cut(shot, start_s)
    return ",".join([f"[in_v{number}]{moved}{even}", *looks, last])


def _cut(shot: Shot, start_s: float) -> str:
    return f"trim=start={start_s:.6f}:end={start_s + shot.span_s:.6f},setpts=(PTS-STARTPTS)/{shot.speed},"


def _zoomed(plan: Plan, shot: Shot) -> str:
    """A still grows slowly from its middle; one without a zoom just stands."""
    if shot.zoom == 1.0:
        return ""
    grown = f"1+{shot.zoom - 1:.4f}*on/{shot.frames}"
    middle, size = "x='(iw-iw/zoom)/2':y='(ih-ih/zoom)/2'", f"{plan.width}x{plan.height}"
    return f"zoompan=z='{grown}':{middle}:d={shot.frames}:s={size}:fps={plan.fps},"


def _fitted(plan: Plan, fit: str) -> str:
    box = f"{plan.width}:{plan.height}"
    square = "scale=iw*sar:ih:flags=fast_bilinear,setsar=1"
    if fit == "cover":
        return f"{square},scale={box}:flags=bilinear:force_original_aspect_ratio=increase,crop={box}"
    return f"{square},scale={box}:flags=bilinear:force_original_aspect_ratio=decrease,pad={box}:(ow-iw)/2:(oh-ih)/2:color=black"


def _joins(plan: Plan) -> Iterator[str]:
    """Put the shots together. Only the frames that two shots share are blended."""
    pieces = []
    for number, shot in enumerate(plan.shots):
        head, tail = shot.shared_frames, _shared_after(plan, number)
        yield _parts_line(number, shot.frames, head, tail)
        if head:
            yield _crossing_line(plan, number)
            pieces.append(f"[cross{number}]")
        pieces.append(f"[body{number}]")
    even = f"settb=1/{plan.fps},setpts=N"
    yield f"{''.join(pieces)}concat=n={len(pieces)}:v=1:a=0,{even},{_whole_fades(plan)}[picture]"


def _shared_after(plan: Plan, number: int) -> int:
    return plan.shots[number + 1].shared_frames if number + 1 < len(plan.shots) else 0


def _parts_line(number: int, frames: int, head: int, tail: int) -> str:
    """Part a shot into what it shares with the one before, its own frames, and what it shares with the next."""
    parts = [("body", head, frames - tail)]
    parts += [("head", 0, head)] if head else []
    parts += [("tail", frames - tail, frames)] if tail else []
    cuts = [
        f"[{name}_all{number}]trim=start_frame={a}:end_frame={b},setpts=PTS-STARTPTS[{name}{number}]"
        for name, a, b in parts
    ]
    outs = "".join(f"[{name}_all{number}]" for name, _, _ in parts)
    return ";".join([f"[v{number}]split={len(parts)}{outs}", *cuts])


def _crossing_line(plan: Plan, number: int) -> str:
    shot = plan.shots[number]
    exact = f"{_STANDING},trim=end_frame={shot.shared_frames},settb=1/{plan.fps},setpts=N[cross{number}]"
    if shot.transition in _SLIDING:
        shared_s = shot.shared_frames / plan.fps
        cross = f"xfade=transition={_SLIDING[shot.transition]}:duration={shared_s:.6f}:offset=0"
        return f"[tail{number - 1}][head{number}]{cross},format=yuv420p,{exact}"
    return f"{_fading_lines(number, shot)};[out{number}][in{number}]{_SUM},{exact}"


def _fading_lines(number: int, shot: Shot) -> str:
    """One shot fades out while the next fades in; through black, one after the other."""
    length, start = shot.shared_frames, 0
    if shot.transition == "fade-black":
        length, start = length // 2, length - length // 2
    goes = f"[tail{number - 1}]fade=t=out:start_frame=0:nb_frames={max(1, length)}[out{number}]"
    comes = f"[head{number}]fade=t=in:start_frame={start}:nb_frames={max(1, length)}[in{number}]"
    return f"{goes};{comes}"


def _whole_fades(plan: Plan) -> str:
    fades = []
    if plan.fade_in_s:
        fades.append(f"fade=t=in:st=0:d={plan.fade_in_s}")
    if plan.fade_out_s:
        fades.append(f"fade=t=out:st={max(0.0, plan.duration_s - plan.fade_out_s):.3f}:d={plan.fade_out_s}")
    return ",".join(fades) or "null"

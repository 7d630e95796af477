"""Writes the sound half of the filter graph: the shots' own sound, crossed where the picture is, and music. Pure.

There is always sound, silence if nothing else, so every file has an AAC track.
"""

from collections.abc import Iterator

from sandbox.render.feeds import Feed
from sandbox.render.music import music_line
from sandbox.render.plan import Plan, Shot, Tune, runs

RATE_HZ = 48_000
_SHAPE = f"aresample={RATE_HZ},aformat=sample_fmts=fltp:channel_layouts=stereo"
_SLOWEST, _FASTEST = 0.5, 2.0


def sound_lines(plan: Plan, readings: list[Feed]) -> Iterator[str]:
    """Write the lines that end in ``[sound]``."""
    yield from _splits(plan, readings)
    for number, shot in enumerate(plan.shots):
        yield _shot_line(plan, number, shot, readings)
    yield from _joins(plan)
    yield from _tunes(plan, len(readings))
    yield _mix(plan)


def is_heard(shot: Shot) -> bool:
    """Tell whether a shot brings sound of its own."""
    return shot.media is not None and shot.media.has_audio and shot.media.kind == "video" and shot.volume > 0


def _splits(plan: Plan, readings: list[Feed]) -> Iterator[str]:
    for number, feed in enumerate(readings):
        outs = [f"[in_a{shot}]" for shot in feed.shots if is_heard(plan.shots[shot])]
        if outs:
            yield f"[{number}:{feed.media.sound}]aresample={RATE_HZ}:async=1:first_pts=0,asplit={len(outs)}{''.join(outs)}"


def _samples(plan: Plan, frames: int) -> int:
    return frames * RATE_HZ // plan.fps


def _shot_line(plan: Plan, number: int, shot: Shot, readings: list[Feed]) -> str:
    samples = _samples(plan, shot.frames)
    end = f"apad,atrim=end_sample={samples},asetpts=N/SR/TB[a{number}]"
    if not is_heard(shot):
        return f"anullsrc=r={RATE_HZ}:cl=stereo,{_SHAPE},{end}"
    start_s = shot.in_s - next(feed.from_s for feed in readings if number in feed.shots)
    cut = f"atrim=start={start_s:.6f}:end={start_s + shot.span_s:.6f},asetpts=PTS-STARTPTS"
    return ",".join([f"[in_a{number}]{cut}", *_tempo(shot.speed), _SHAPE, f"volume={shot.volume}", end])


def _tempo(speed: float) -> Iterator[str]:
    """Split a speed into steps that `atempo` does cleanly: 4 is 2 twice."""
    if speed == 1.0:
        return
    while not _SLOWEST <= speed <= _FASTEST:
        step = _FASTEST if speed > 1 else _SLOWEST
        yield f"atempo={step}"
        speed /= step
    yield f"atempo={speed:.4f}"


def _joins(plan: Plan) -> Iterator[str]:
    groups = runs(plan.shots)
    for number, group in enumerate(groups):
        heads = "".join(f"[a{shot}]" for shot in group)
        yield f"{heads}concat=n={len(group)}:v=0:a=1[run_a{number}]"
    whole = "run_a0"
    for number, group in enumerate(groups[1:], start=1):
        shared = _samples(plan, plan.shots[group[0]].shared_frames)
        yield f"[{whole}][run_a{number}]acrossfade=ns={shared}:c1=tri:c2=tri[all_a{number}]"
        whole = f"all_a{number}"
    yield f"[{whole}]{_whole_fades(plan)}[voice]"


def _whole_fades(plan: Plan) -> str:
    fades = []
    if plan.fade_in_s:
        fades.append(f"afade=t=in:st=0:d={plan.fade_in_s}")
    if plan.fade_out_s:
        fades.append(f"afade=t=out:st={max(0.0, plan.duration_s - plan.fade_out_s):.3f}:d={plan.fade_out_s}")
    return ",".join(fades) or "anull"


def _tunes(plan: Plan, files_before: int) -> Iterator[str]:
    file = files_before
    for number, tune in enumerate(plan.tunes):
        source = f"[{file}:{tune.media.sound}]" if tune.media else music_line(tune.style)
        file += 1 if tune.media else 0
        yield f"{source}{'' if tune.media else ','}{_tune_end(tune)}[tune{number}]"


def _tune_end(tune: Tune) -> str:
    cut = f"atrim=start={tune.in_s:.3f}:end={tune.in_s + tune.length_s * tune.speed:.3f}"
    steps = [_SHAPE, cut, "asetpts=N/SR/TB", *_tempo(tune.speed), f"volume={tune.volume}"]
    if tune.fade_in_s:
        steps.append(f"afade=t=in:st=0:d={tune.fade_in_s}")
    if tune.fade_out_s:
        steps.append(f"afade=t=out:st={max(0.0, tune.length_s - tune.fade_out_s):.3f}:d={tune.fade_out_s}")
    if tune.start_s:
        steps.append(f"adelay={round(tune.start_s * 1000)}:all=1")
    return ",".join(steps)


def _mix(plan: Plan) -> str:
    if not plan.tunes:
        return "[voice]anull[sound]"
    heads = "".join(f"[tune{number}]" for number in range(len(plan.tunes)))
    count = len(plan.tunes) + 1
    return f"[voice]{heads}amix=inputs={count}:duration=first:normalize=0,alimiter=limit=0.95:level=0[sound]"

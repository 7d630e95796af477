"""Edits of what is heard: music below, the clips' own volume, silence. Pure."""

from sandbox.edits.context import EditContext, detail
from sandbox.edits.reading import Ask
from sandbox.edits.timeline import AUDIO, MUSIC_SRC, VIDEO, Segment, lay_out, put, segments, track

MUSIC_VOLUME = 0.35
_FADE_OUT_MS = 1000
_STEP, _LOUDEST = 0.3, 2.0

#: What people call a style, and the renderer's name for it.
_STYLES = {
    "lo-fi": ("lofi", "lo-fi", "chill", "jazz", "hip"),
    "upbeat": (
        "upbeat",
        "energetic",
        "fast",
        "dynamic",
        "corporate",
        "pop",
        "inspiring",
        "motivational",
        "动感",
        "活力",
        "激昂",
        "节奏",
        "励志",
    ),
    "calm": (
        "calm",
        "soft",
        "gentle",
        "relax",
        "ambient",
        "peaceful",
        "slow",
        "piano",
        "acoustic",
        "舒缓",
        "轻柔",
        "柔和",
        "安静",
        "平静",
        "放松",
        "钢琴",
    ),
    "cinematic": ("epic", "cinematic", "dramatic", "史诗", "电影"),
    "happy": ("happy", "cheerful", "fun", "joyful", "轻快", "欢快", "快乐", "开心"),
    "sad": ("sad", "melancholic", "悲伤", "忧伤"),
    "electronic": ("electronic", "techno", "edm", "dance", "电子"),
}


def add_music(context: EditContext, ask: Ask, *, default_style: str = "lo-fi") -> None:
    """Lay music below everything: the session's own audio where it has some on the timeline, else made here.

    Music that is there already is changed, not doubled.
    """
    volume = _percent(ask, MUSIC_VOLUME)
    words = detail(ask, "style").lower()
    style = next((name for name, known in _STYLES.items() if any(word in words for word in known)), "")
    if not style and use_own_music(context, volume):
        return
    there = music_of(context)
    if there and not style:
        _set(there, volume)
        context.say(f"Set the music to {volume:.0%}.", f"音乐音量已设为{volume:.0%}。")
        return
    _clear(context)
    song = put(context.draft, track(context.draft, AUDIO, "BGM"), _song(style or default_style, volume))
    lay_out(context.draft)
    name = song["m"]["name"]
    context.say(f"Added background music: {name} ({volume:.0%}).", f"已添加背景音乐:{name}(音量{volume:.0%})。")


def _song(style: str, volume: float) -> Segment:
    m = {"name": style.capitalize(), "style": style, "volume": volume, "loop": True, "fade_out": _FADE_OUT_MS}
    return {"st": 0, "d": 1, "src": f"{MUSIC_SRC}{style}", "in": 0, "m": m}


def use_own_music(context: EditContext, volume: float = MUSIC_VOLUME) -> bool:
    """Make the audio that was uploaded the background music; tells whether there was any beside pictures."""
    own = [segment for segment in segments(context.draft, AUDIO) if not segment["m"].get("loop")]
    if not own or not segments(context.draft, VIDEO):
        return False
    song = own[0]
    _clear(context)
    song |= {"st": 0, "m": {**song["m"], "volume": volume, "loop": True, "fade_out": _FADE_OUT_MS}}
    track(context.draft, AUDIO, "BGM").append(song)
    lay_out(context.draft)
    name = song["m"]["name"]
    context.say(
        f"Added your audio as background music: {name} ({volume:.0%}).",
        f"已将你的音频设为背景音乐:{name}(音量{volume:.0%})。",
    )
    return True


def music_of(context: EditContext) -> list[Segment]:
    """List the segments that are background music."""
    return [segment for segment in segments(context.draft, AUDIO) if segment["m"].get("loop")]


def remove_music(context: EditContext) -> None:
    """Take the music out."""
    if music_of(context):
        _clear(context)
        context.say("Removed the background music.", "已移除背景音乐。")
    else:
        context.say("There is no music to remove.", "没有背景音乐可以移除。")


def _clear(context: EditContext) -> None:
    context.draft["t"] = [one for one in context.draft["t"] if one["tt"] != AUDIO]


def fade_music_out(context: EditContext, ask: Ask) -> None:
    """Let the music go softly."""
    length = context.ms(ask, "length", 2 * _FADE_OUT_MS)
    for song in music_of(context):
        song["m"]["fade_out"] = min(length, song["d"])
        context.say("The music fades out at the end.", "背景音乐将在结尾淡出。")


def mute(context: EditContext, ask: Ask) -> None:
    """Silence the clips, or the music where that is what was named."""
    if detail(ask, "music") and music_of(context):
        _set(music_of(context), 0.0)
        context.say("Muted the music.", "背景音乐已静音。")
        return
    _set(segments(context.draft, VIDEO), 0.0)
    context.say("Muted the original sound.", "已将视频原声静音。")


def change_volume(context: EditContext, ask: Ask) -> None:
    """Set or move the volume of the clips, or of the music where that is what was named."""
    is_music = any(word in detail(ask, "of").lower() for word in ("music", "bgm", "音乐", "配乐"))
    changed = music_of(context) if is_music else segments(context.draft, VIDEO) or segments(context.draft, AUDIO)
    if not changed:
        context.say("There is no music whose volume could change.", "没有可以调整音量的音乐。")
        return
    volume = _volume(ask, changed[0]["m"].get("volume", 1.0))
    _set(changed, volume)
    what, what_zh = ("music", "音乐") if is_music else ("original sound", "原声")
    context.say(f"Set the {what} to {volume:.0%}.", f"{what_zh}音量已设为{volume:.0%}。")


def _volume(ask: Ask, now: float) -> float:
    is_down = any(word in ask.words.lower() for word in ("lower", "reduce", "decrease", "halve"))
    is_down |= any(word in detail(ask, "way").lower() for word in ("down", "quieter", "softer", "小", "低", "减"))
    sign = -1 if is_down else 1
    if detail(ask, "percent") and detail(ask, "rel") != "by":
        return _percent(ask, now)
    step = _percent(ask, _STEP) if detail(ask, "percent") else _STEP
    return round(min(_LOUDEST, max(0.0, now * (1 + sign * step))), 2)


def _percent(ask: Ask, default: float) -> float:
    words = detail(ask, "percent")
    return min(_LOUDEST, int(words) / 100) if words else default


def _set(changed: list[Segment], volume: float) -> None:
    for segment in changed:
        segment["m"]["volume"] = volume

"""How prompts are read, one row each, in a new session to which one clip was uploaded."""

from typing import NamedTuple

import pytest

from core.model.plan import OutputAsk, Reading
from core.profiles import PROFILES
from service.prompt import UNCHANGED_MEDIA, read_prompt


class Row(NamedTuple):
    """A prompt, and what it is read as."""

    prompt: str
    message: str | None
    action: str = "export"
    resolution: str = "1080p"
    format: str = "mp4"
    aspect: str | None = None


def same(prompt: str, *, aspect: str | None = None, format: str = "mp4") -> Row:  # noqa: A002 - the field's name
    """An edit that goes to the backend to the letter, and is exported."""
    return Row(prompt, prompt, format=format, aspect=aspect)


def only_export(prompt: str, resolution: str = "1080p", format: str = "mp4") -> Row:  # noqa: A002 - the field's name
    return Row(prompt, UNCHANGED_MEDIA, "export", resolution, format)


TYPICAL_ASKS = [
    Row("trim, add transitions, and export a clean video for free", "trim, add transitions"),
    Row("cut the pauses, add background music, and export in 1080p", "cut the pauses, add background music"),
    same("trim the silent pauses and cut the intro down to 30 seconds"),
    same("turn my clips into a finished video with music and transitions"),
    same("generate a 30-second promotional video from my text and images automatically"),
    same("create my raw video clips"),
    same("edit my raw video footage"),
    same("trim my raw video footage"),
    same("generate my text or images"),
    only_export("export 1080p MP4"),
]

EDIT_THEN_EXPORT = [
    Row("Cut the first 10 seconds and give me a 720p mp4", "Cut the first 10 seconds", resolution="720p"),
    Row("cut the pauses and send me the video", "cut the pauses"),
    Row("cut the pauses, then download it as mp4", "cut the pauses"),
    Row("trim the first 5 seconds export as mp4", "trim the first 5 seconds"),
    Row("trim 2 seconds & export", "trim 2 seconds"),
    Row("trim 2 seconds -> export", "trim 2 seconds"),
    Row("trim 2 seconds + mp4 export", "trim 2 seconds"),
    Row("trim 2 s; output mov", "trim 2 s", format="mov"),
    Row("add captions, 1080p, mp4", "add captions"),
    Row("fade out at the end and export", "fade out at the end"),
    Row("add subtitles and don't forget to export", "add subtitles"),
    Row("don't cut the intro and export", "don't cut the intro"),
    Row("Please trim the first 2 seconds, then export, please", "Please trim the first 2 seconds"),
    Row(
        "Could you please trim the first 2 seconds and then send it to me?", "Could you please trim the first 2 seconds"
    ),
    Row("trim the first 2 seconds so I can download it", "trim the first 2 seconds"),
    Row("trim the first 2 seconds and make it ready for download", "trim the first 2 seconds"),
    Row("trim the first 2 seconds for export in 720p", "trim the first 2 seconds", resolution="720p"),
    Row("add music and export it to my computer as mp4 in 720p.", "add music", resolution="720p"),
    Row("add music before exporting", "add music"),
    Row("add music before you export it", "add music"),
    Row("Trim the start and, when finished, download the MP4", "Trim the start"),
    Row("trim the intro, when you're done, send me the video", "trim the intro"),
    Row("trim and upload to TikTok", "trim"),
    Row('add "hello, world", and export', 'add "hello, world"'),
    Row("1. trim the intro\n2. add music\n3. export as mp4", "1. trim the intro\n2. add music"),
    Row("- trim 2 seconds\n- export as mp4", "- trim 2 seconds"),
    Row("speed up 2x\nexport as webm", "speed up 2x", format="webm"),
    Row("剪掉停顿，导出1080p视频发给我", "剪掉停顿"),
    Row("剪掉前2秒，然后加背景音乐，最后导出1080P的MP4", "剪掉前2秒，然后加背景音乐"),
    Row("剪掉开头3秒。导出720p。", "剪掉开头3秒。", resolution="720p"),
    Row("剪掉停顿，完成后发给我", "剪掉停顿"),
    Row("去掉停顿加背景音乐导出1080p视频", "去掉停顿加背景音乐"),
    Row("去掉停顿后导出", "去掉停顿"),
    Row("把视频变成黑白并下载", "把视频变成黑白"),
    Row("合并视频并导出", "合并视频"),
    Row("快进两倍再导出webm", "快进两倍", format="webm"),
]

EXPORT_FIRST_OR_AMID = [
    Row("trim the intro, export as mp4, and add music", "trim the intro, and add music"),
    Row("Trim the intro. Export it. Then add music.", "Trim the intro. Then add music."),
    Row("export. then trim the first 2 seconds", "trim the first 2 seconds"),
    Row("fade to black, export, zoom in", "fade to black, zoom in"),
    Row("trim the intro (export as mp4) and add music", "trim the intro and add music"),
    Row("before exporting, trim the intro", "trim the intro"),
    Row("before exporting trim the intro", "trim the intro"),
    Row("once the pauses are cut, export", "once the pauses are cut"),
    Row("Export in 720p, please. Trim the intro.", "Trim the intro.", resolution="720p"),
    Row("导出1080p，并加字幕", "加字幕"),
]

ONLY_EXPORT = [
    only_export("export"),
    only_export("EXPORT!!!"),
    only_export("ｅｘｐｏｒｔ 1080P"),
    only_export('"export 1080p MP4"'),
    only_export("Hi! Please export the video in 720p. Thanks!", "720p"),
    only_export("the video should be exported in 720p", "720p"),
    only_export("output: 1080p mp4"),
    only_export("Output as MOV, high quality", format="mov"),
    only_export("final export in 1080p mp4 please"),
    only_export("i need the final video at 1920x1080"),
    only_export("I'd like to have the final video in 720p please", "720p"),
    only_export("get me the video"),
    only_export("return the final video in high quality"),
    only_export("send me the video"),
    only_export("download"),
    only_export("render it"),
    only_export("when you're done, send me the video"),
    only_export("export the video for TikTok"),
    only_export("export it to my boss Bob"),
    only_export('export as "My Trip"'),
    only_export("export it as holiday.mov", format="mov"),
    only_export("download it to my phone via WiFi"),
    only_export("send me the video at bob@example.com"),
    only_export("convert my mov to mp4"),
    only_export("change the resolution to 480p", "480p"),
    only_export("make it 1080p"),
    only_export("can you export in 4k?"),
    only_export("upload this file, then export as webm", format="webm"),
    only_export("导出"),
    only_export("请导出1080p视频"),
    only_export("下载视频到手机"),
    only_export("把视频发给我"),
    only_export("高清导出"),
]

EXPORT_THAT_EDITS = [
    Row("export with subtitles", "make the video with subtitles"),
    Row("export the first 10 seconds as mp4", "keep only the first 10 seconds"),
    Row("export a trailer", "make a trailer"),
    Row("导出前10秒", "只保留前10秒"),
    Row("导出带字幕的视频", "制作带字幕的视频"),
]

NO_EXPORT = [
    Row("trim the first 2 seconds, don't export", "trim the first 2 seconds", "none"),
    Row("trim the first 2 seconds without exporting", "trim the first 2 seconds", "none"),
    Row("trim it to 5 seconds, no export yet", "trim it to 5 seconds", "none"),
    Row("Don’t export yet. Trim the first 3 seconds.", "Trim the first 3 seconds.", "none"),
    Row("trim 3s. I'll export it later", "trim 3s.", "none"),
    Row("trim 3s, not exporting yet", "trim 3s", "none"),
    Row("no need to download, just trim 3s", "just trim 3s", "none"),
    Row("skip the export and mute it", "mute it", "none"),
    Row("do not send me the video yet, just trim 3s", "just trim 3s", "none"),
    Row("mute the clip but don't export it", "mute the clip", "none"),
    Row("don't render or export, just add music", "just add music", "none"),
    Row("don't export", None, "none"),
    Row("不要导出", None, "none"),
    Row("剪掉停顿，不要导出", "剪掉停顿", "none"),
    Row("先不导出，剪掉停顿", "剪掉停顿", "none"),
    Row("请帮我剪掉停顿，暂时不要导出", "请帮我剪掉停顿", "none"),
    Row("剪掉前2秒先别导出", "剪掉前2秒", "none"),
    Row("不用导出，只要剪掉前2秒", "只要剪掉前2秒", "none"),
]

INFORMATION = [
    *(
        Row(prompt, None, "credits")
        for prompt in (
            "credits",
            "balance",
            "how many credits do I have left",
            "what's my credit balance?",
            "check my credits",
            "credits please",
            "积分",
            "余额",
            "积分还剩多少",
            "我的账户还有多少积分？",
            "查询余额",
        )
    ),
    *(
        Row(prompt, None, "state")
        for prompt in (
            "status",
            "show tracks",
            "show me the timeline",
            "what's on the timeline",
            "what is the status of my video?",
            "is it exported yet?",
            "is it done?",
            "状态",
            "显示轨道",
            "当前状态怎么样？",
        )
    ),
    *(
        Row(prompt, None, "upload")
        for prompt in (
            "upload",
            "upload this",
            "upload clip.mp4",
            "here is my clip",
            "clip.mp4",
            "https://example.com/export.mp4",
            "please",
            "...",
            "上传",
            "上传这个视频",
            "这是我的视频",
        )
    ),
]

THE_WORD_ALONE_DOES_NOT_DECIDE = [
    same("make it look like an exported poster"),
    same("show the upload date as a title"),
    same('add a title "Export quality"'),
    same("make the status bar bigger"),
    same("add a balance scale graphic"),
    same("download-style progress bar"),
    same("roll the end credits"),
    same("add opening credits"),
    same("add credits at the end"),
    same("show the credits at the end"),
    same("no credits at the end"),
    same("add a title, subtitles, and credits"),
    same("balance the audio levels"),
    same("balance it"),
    same("white balance the clip"),
    same("save the best moments"),
    same("give me a montage of the best moments"),
    same("render the title in red"),
    same("return the video to normal speed"),
    same("send the clip to the back"),
    same("export button should be red"),
    same("add a download icon"),
    same("add an upload animation"),
    same("add a button that says download"),
    same("add a title saying Export in 1080p"),
    same("add a title: Export in 1080p"),
    same('add a title that says "don\'t export"'),
    same("add the text 'send me the video'"),
    same("add a countdown to download"),
    same("replace the word export with download"),
    same("improve the export quality"),
    same("generate a video on how to export coffee"),
    same("create a video about credit cards"),
    same("download the video from the link and trim 2 seconds"),
    same("sharpen my 720p footage"),
    same("add a 4k badge"),
    same("add a gif sticker"),
    same("merge the mp4 and mov"),
    same("添加标题“导出”"),
    same("加一个上传日期的标题"),
    same("调整音频平衡"),
    same("滚动片尾字幕"),
    same("加字幕：下载我们的应用"),
    same("导出按钮变红"),
]

ASPECT_RATIOS = [
    same("make it vertical", aspect="9:16"),
    same("crop to a square", aspect="1:1"),
    same("make the clip 9:16", aspect="9:16"),
    same("change the aspect ratio to 16:9", aspect="16:9"),
    same("add music in vertical format", aspect="9:16"),
    same("做成方形视频", aspect="1:1"),
    same("改成横屏", aspect="16:9"),
    same("flip with a vertical wipe"),
    same("add a portrait of my dog"),
    same("trim my vertical video"),
    same("cut from 1:10 to 4:30"),
    same("turn it into a webm", format="webm"),
    Row(
        "convert my landscape video to vertical, export 720p mov",
        "convert my landscape video to vertical",
        "export",
        "720p",
        "mov",
        "9:16",
    ),
    Row("竖屏，加字幕，导出", "竖屏，加字幕", aspect="9:16"),
    Row("请把这个横版视频改成竖屏，导出mov格式", "请把这个横版视频改成竖屏", format="mov", aspect="9:16"),
    Row(
        "export in 540p and 9:16, add music",
        "add music. Change the aspect ratio to 9:16.",
        resolution="540p",
        aspect="9:16",
    ),
    Row("send me a vertical version", "Change the aspect ratio to 9:16.", aspect="9:16"),
    Row("i want a vertical 1080x1920 mp4", "Change the aspect ratio to 9:16.", aspect="9:16"),
    Row("9:16", "Change the aspect ratio to 9:16.", aspect="9:16"),
]

TAGS_AND_BYSTANDERS = [
    Row("trim 2 s [[story:silent]] and export it", "trim 2 s [[story:silent]]"),
    Row("export [[story:adk]] in 1080p", f"{UNCHANGED_MEDIA} [[story:adk]]"),
    Row("trim [[story:gui]] [[story:slow]], export", "trim [[story:gui]] [[story:slow]]"),
    Row("[[story:silent]] export, then trim 2 s", "[[story:silent]] trim 2 s"),
    same("trim 2 s, then mute it [[story:export]]"),
    Row("upload this and trim the first 2 seconds", "trim the first 2 seconds"),
    Row("how many credits are left, and trim the first 2 seconds", "trim the first 2 seconds"),
    same("here's my clip, trim the first 2 seconds"),
    same("trim the first 2 seconds. Thanks!"),
    same("asdf  qwer"),
]

ROWS = [
    *TYPICAL_ASKS,
    *EDIT_THEN_EXPORT,
    *EXPORT_FIRST_OR_AMID,
    *ONLY_EXPORT,
    *EXPORT_THAT_EDITS,
    *NO_EXPORT,
    *INFORMATION,
    *THE_WORD_ALONE_DOES_NOT_DECIDE,
    *ASPECT_RATIOS,
    *TAGS_AND_BYSTANDERS,
]


def read(prompt: str) -> Reading:
    return read_prompt(
        prompt,
        asked=OutputAsk(),
        profile=PROFILES["ai-video-pro-online"],
        media_names=["clip.mp4"],
        continues_session=False,
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.prompt)
def test_a_prompt_is_read_by_what_it_means(row: Row) -> None:
    reading = read(row.prompt)
    output = reading.output

    assert (reading.plan.message, reading.plan.action) == (row.message, row.action)
    assert (output.resolution, output.format, output.aspect_ratio) == (row.resolution, row.format, row.aspect)
    assert output.export == (row.action == "export")

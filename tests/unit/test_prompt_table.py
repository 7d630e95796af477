"""How prompts are read, one row each, in a new session to which one clip was uploaded."""

from typing import NamedTuple

import pytest

from core.model.plan import Reading, RequestedOutput
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
    only_export("could u downlaod it for me"),
    only_export("can ya export ur video pls"),
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

QUESTIONS_OF_COST = [
    *(
        Row(prompt, None, "credits")
        for prompt in (
            "would exporting this use up credits?",
            "下载需要积分吗？",
            "how many credits would a 30s trailer cost?",
            "How much does it cost to export in 1080p?",
            "is exporting free?",
            "do I have to pay for the download?",
            "Will adding captions cost extra?",
            "Hi! Quick question: how many credits does one edit cost? Thanks!",
            "what would it cost to trim this and add music?",
            "导出一次要多少积分？",
            "剪辑一个视频要花多少积分？",
            "加字幕要收费吗？",
            "do i have enough credits for a 2 minute video",
            "Before I start: how many credits will it take to cut the pauses and export in 1080p?",
            "if I export it twice, am I charged twice?",
            "can I export without paying?",
            "how many credts do i have",
            "whats my balence",
            "请问导出视频免费吗",
            "积分够用吗？",
            "could you tell me how many credits are left?",
            "can you check my credit balance please 🙏",
            "does rendering cost anything?",
            "How many credits would you need to make a 30s trailer out of this, add music and captions, and export it?",
            "Just asking: would an export cost anything?",
            "I have a 30s trailer in mind. How many credits would that cost?",
            "My clip is 3 minutes long. How much would it cost to add captions?",
            "我有一段3分钟的视频，加字幕需要多少积分？",
            "I'd like to know how many credits I have left",
            "let me know my balance",
            "tell me what an export costs",
            "how much 积分 left?",
            "credtis left?",
            "Will you charge me for the export?",
            "What's the price of an export?",
            "hey, does it eat credits if i just download the thing again?",
            "so... am I paying for this or is it free? 🤔",
            "Do edits cost the same as generations?",
            "How expensive is a 1080p export vs a 720p one?",
            "请问剪掉停顿再导出一共要多少积分呢？",
            "会扣积分吗？",
            "导出 1080p 要 credits 吗",
            "I want a 60 second trailer with music, how many credits is that?",
            "are there any credits left on my account",
            "my balance?",
        )
    )
]

QUESTIONS_OF_THE_FILE = [
    *(
        Row(prompt, None, "state")
        for prompt in (
            "can I export in 4K?",
            "how do I export this?",
            "how long will the export take?",
            "what formats can I export to?",
            "导出要多久？",
            "能导出4K吗？",
            "is there a watermark on the export?",
            "did you already export it?",
            "has my video been rendered yet?",
            "why is the export taking so long?",
            "when will it be ready?",
            "Is my video done yet?? 😅",
            "Would the export have a watermark?",
            "视频导出好了吗？",
            "should I export in 720p or 1080p?",
            "what happens if I export before adding music?",
            "Could you tell me the status of my project, please?",
            "how far along is the render?",
            "what's the maximum resolution for export?",
            "does exporting remove my timeline?",
            "how do I add subtitles?",
            "how can I download my video?",
            "Where do I find the exported file?",
            "Is the render finished?",
            "Why did the export fail?",
            "怎么下载视频？",
            "可以导出竖屏的webm吗？",
            "my export has been stuck for an hour, is it done?",
            "Does the download include the captions?",
        )
    )
]

AS_PEOPLE_WRITE = [
    only_export("could you please export this for me?"),
    same("would you mind trimming the first 2 seconds?"),
    only_export("Would you mind exporting it as a mov?", format="mov"),
    Row("Can you cut the pauses and export it in 720p?", "Can you cut the pauses", resolution="720p"),
    only_export("I was wondering if you could export this in 720p", resolution="720p"),
    only_export("would it be possible to get this as a webm?", format="webm"),
    only_export("could I have the video in 720p please?", resolution="720p"),
    only_export("Can I get it as an mp4?"),
    only_export("any chance you could render this in 720p? thanks!!", resolution="720p"),
    same("Do you think you could trim the first 5 seconds?"),
    only_export("If it's not too much trouble, could you send me the video?"),
    only_export("Hey there, when you get a chance, please export it, cheers"),
    same("can you add credits at the end?"),
    same("could you add a title that says 'How much does it cost?'"),
    only_export("能帮我导出吗？"),
    same("可以帮我剪掉前2秒吗？"),
    only_export("麻烦帮我导出一下这个视频，谢谢"),
    same("你能把背景音乐调小一点吗？"),
    only_export("kindly render and send"),
    same("I'd appreciate it if you could cut the first 3 seconds."),
    same("can we add some upbeat music and cut the pauses?"),
    Row("Can you make it 20% brighter? And then export?", "Can you make it 20% brighter?"),
    only_export("exprot in 720p", resolution="720p"),
    only_export("pls exprot the vidoe"),
    Row("add backgroud musik and exprot", "add backgroud musik"),
    Row("trim teh first 2 secs then donwload", "trim teh first 2 secs"),
    Row("remvoe the pauses & dowload as mov", "remvoe the pauses", format="mov"),
    Row("don't exprot yet, just add subtitels", "just add subtitels", "none"),
    Row("cut the sielnce and expoort in 480p plz", "cut the sielnce", resolution="480p"),
    Row("uplaod this", None, "upload"),
    same("ask an expert to cut the intro"),
    Row("帮我trim前2秒 then export成mp4", "帮我trim前2秒"),
    Row("把 intro 剪掉，然后 export in 720p", "把 intro 剪掉", resolution="720p"),
    Row("add 中文字幕 and 导出", "add 中文字幕"),
    Row("Hi 请帮我 remove the pauses，导出1080p谢谢", "Hi 请帮我 remove the pauses"),
    only_export("请 export，thanks"),
    Row("这个视频 cut 到 30 秒，不要 export", "这个视频 cut 到 30 秒", "none"),
    Row("加 BGM，fade out at the end，导出 webm 格式", "加 BGM，fade out at the end", format="webm"),
    same("Please 把字幕改成白色 🙏"),
    Row(
        "Hello! I've recorded a 3 minute vlog in Lisbon and I'd love to have the boring bits removed, some chill lo-fi in the background (not too loud, maybe 30%), and captions in English. When you're finished please export it as a 720p mp4, thank you so much!!",
        "Hello! I've recorded a 3 minute vlog in Lisbon and I'd love to have the boring bits removed, some chill lo-fi in the background (not too loud, maybe 30%), and captions in English.",
        resolution="720p",
    ),
    only_export("Good morning! Please export it in 720p. Kind regards, Anna", resolution="720p"),
    only_export("Hi Bob, export it please"),
    Row(
        'Hey team,\n\nplease:\n- cut the first 4 seconds\n- add the title "Summer 2024"\n- export in 720p\n\nThanks!\nMia',
        'Hey team,\n\nplease:\n- cut the first 4 seconds\n- add the title "Summer 2024"',
        resolution="720p",
    ),
    Row("✂️ cut the pauses 🎵 add lo-fi 📤 export", "✂️ cut the pauses 🎵 add lo-fi"),
    Row("1️⃣ trim the intro 2️⃣ add music 3️⃣ export as mov", "1️⃣ trim the intro 2️⃣ add music", format="mov"),
    Row(
        "Use intro.mp4 first, then clip.mp4, and export as final.mov",
        "Use intro.mp4 first, then clip.mp4",
        format="mov",
    ),
    Row(
        'Add the title "Export Day" at the start and export in 480p',
        'Add the title "Export Day" at the start',
        resolution="480p",
    ),
    Row(
        "Cut everything after 0:45. Don't add music. Don't add a watermark. Then send it to me.",
        "Cut everything after 0:45. Don't add music. Don't add a watermark.",
    ),
    Row("trim 10s\n\nadd 'The End'\n\nexport pls", "trim 10s\n\nadd 'The End'"),
    Row(
        "I need a 15 second teaser from this for Instagram, upbeat music, big captions. Send me the video in 720p.",
        "I need a 15 second teaser from this for Instagram, upbeat music, big captions.",
        resolution="720p",
    ),
    Row(
        "My grandma's 80th birthday 🎂! Put the photos in order, add soft piano, and please don't export yet.",
        "My grandma's 80th birthday 🎂! Put the photos in order, add soft piano",
        "none",
    ),
    Row("speed up 1.5x from 0:10 to 0:20; mute; export webm", "speed up 1.5x from 0:10 to 0:20; mute", format="webm"),
    Row(
        "First remove the background noise. Second, add a lower third with my name (Jo Park). Third, export at 1080p.",
        "First remove the background noise. Second, add a lower third with my name (Jo Park).",
    ),
    Row("asap!! need this trimmed to 15s + export 720p", "asap!! need this trimmed to 15s", resolution="720p"),
    Row("Step 1: trim 3s. Step 2: add captions. Step 3: export.", "Step 1: trim 3s. Step 2: add captions."),
    Row(
        "How do I look in this? Just kidding 😄 trim the first 3 seconds and export it",
        "How do I look in this? Just kidding 😄 trim the first 3 seconds",
    ),
    Row(
        "What is photosynthesis? Make a 30 second explainer and export it",
        "What is photosynthesis? Make a 30 second explainer",
    ),
    same("make a video that answers: how much does a house cost?"),
    same("How much does a house cost? Make a 30 second explainer."),
    same("create a quiz intro: how many credits does a student need?"),
    same("Why do cats purr? 30 seconds, funny"),
    Row("trim 2 s. How many credits did that cost?", "trim 2 s."),
    Row("how many credits do I have left? and trim the first 2 seconds", "trim the first 2 seconds"),
    Row("Trim the first 2 seconds, and how many credits are left?", "Trim the first 2 seconds"),
    only_export("🙏🙏 export 🎉"),
    Row(
        "视频太长了，剪到30秒，配一首轻快的音乐，最后发我720p的mp4，辛苦了！",
        "视频太长了，剪到30秒，配一首轻快的音乐",
        resolution="720p",
    ),
    only_export("Would you kindly export this? Thank you!"),
    only_export("Could you possibly send me the video as a mov, please?", format="mov"),
    Row(
        "if you could trim the first three seconds and then export that'd be great",
        "if you could trim the first three seconds",
    ),
    same("Mind cutting the awkward silence at the start?"),
    Row("Hola! quita los silencios and export in 720p", "Hola! quita los silencios", resolution="720p"),
    Row("yo can u cut the 1st 5 secs n then export it as mov thx", "yo can u cut the 1st 5 secs n", format="mov"),
    Row(
        "Dear editor,\nplease remove the filler words.\nThen export at 480p.\nBest regards,\nDr. Lee",
        "Dear editor,\nplease remove the filler words.",
        resolution="480p",
    ),
    Row(
        "- no music\n- captions in French & English\n- 9:16\n- export",
        "- no music\n- captions in French & English\n- 9:16",
        aspect="9:16",
    ),
    Row("把开头那段 intro 去掉，the rest is fine，导出就行", "把开头那段 intro 去掉，the rest is fine"),
    Row("Use 'Export Me' as the title, 3s, then donwload as webm", "Use 'Export Me' as the title, 3s", format="webm"),
    same('make the title ask "Can I export this?" and fade it in'),
    Row("trim IMG_2034.mov to 10s pls. thx 😘 export 720", "trim IMG_2034.mov to 10s pls.", resolution="720p"),
    Row(
        "Could you cut this to a minute? I also need captions. Can you export it in 720p when you're done?",
        "Could you cut this to a minute? I also need captions.",
        resolution="720p",
    ),
    same("What if the cat talked? Make it talk for 10 seconds."),
    Row("Please, please, please don't export this yet!! just make it louder", "just make it louder", "none"),
    Row("加一个标题“要多少积分？”，然后导出", "加一个标题“要多少积分？”"),
    same("讲解为什么天空是蓝色的，30秒"),
    only_export("下载一下呗，谢谢啦"),
    Row("能不能把背景音乐换成钢琴曲？然后导出720p", "能不能把背景音乐换成钢琴曲？", resolution="720p"),
    Row(
        "mute it, no wait, keep the sound but lower it by 50%, and render at 540p",
        "mute it, no wait, keep the sound but lower it by 50%",
        resolution="540p",
    ),
    Row("Export it without the intro", "make the video without the intro"),
]

BESIDE_QUESTIONS = [
    Row("Would exporting use credits? If not, export it please.", None, "credits"),
    Row("do you charge for exports", None, "credits"),
    Row("exporting it again, does that cost credits?", None, "credits"),
    Row("adding music, is that free?", None, "credits"),
    Row("hi! quick q: does downloading eat credits??", None, "credits"),
    Row("can I get more credits?", None, "credits"),
    Row("积分怎么获得？", None, "credits"),
    Row("导出需要多长时间，大概要多少积分", None, "credits"),
    Row("I have a question: can I export this?", None, "state"),
    Row("can this be exported in 720p?", None, "state"),
    Row("can you tell me how to export", None, "state"),
    Row("Can I see the timeline?", None, "state"),
    Row("导出吗？", None, "state"),
    Row("怎么加字幕？", None, "state"),
    Row("let me know if the export is done", None, "state"),
    only_export("if the video is ready, export it"),
    only_export("may I have it in 720p?", "720p"),
    only_export("export?"),
    only_export("export this? yes please"),
    only_export("you know what? just export it"),
    only_export("export it, how long will it take?"),
    only_export("are you able to export this in 720p?", "720p"),
    only_export("have you finished? if so send me the video"),
    only_export("if it's possible, export in 720p", "720p"),
    only_export("my video is ready, export it"),
    only_export("可以导出了"),
    same("can i have credits at the end?"),
    same("What a day! add upbeat music"),
    same("Is this love? make a music video of it"),
    same("does it need music? add some"),
    same("how to bake bread: 30s tutorial"),
    same("this clip has a price tag, blur it"),
    same("the export has no sound, fix the audio"),
    same("could it be shorter?"),
    same("thanks, stabilise"),
    same("if the export is too dark, brighten it"),
    same("What does freedom cost? a short film"),
    same("I'm selling a bike, price 50€. make an ad"),
    same("Who is the president? Add his name as a title."),
    same('Create an ad: "How much? Only 5 credits!"'),
    same("为什么天空是蓝色的？做一个30秒的视频"),
    same("这个视频是不是太长了？剪到30秒"),
    same("怎么做蛋糕的教程视频"),
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
    *QUESTIONS_OF_COST,
    *QUESTIONS_OF_THE_FILE,
    *AS_PEOPLE_WRITE,
    *BESIDE_QUESTIONS,
]


def read(prompt: str) -> Reading:
    return read_prompt(
        prompt,
        asked=RequestedOutput(),
        profile=PROFILES["ai-video-pro-online"],
        media_formats=["mp4"],
        continues_session=False,
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.prompt)
def test_a_prompt_is_read_by_what_it_means(row: Row) -> None:
    reading = read(row.prompt)
    output = reading.output

    assert (reading.plan.message, reading.plan.action) == (row.message, row.action)
    assert (output.resolution, output.format, output.aspect_ratio) == (row.resolution, row.format, row.aspect)
    assert output.export == (row.action == "export")

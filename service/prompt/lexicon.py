"""Lexicon: the words, English and Chinese, that requests around an edit are made of, each with its word class.

Everything that is not here counts as content, and a clause with content is an edit: so a word is listed only where
it can stand in a request for an export, for credits, for the state or for an upload without meaning an edit.
Phrases are written with spaces; the longest one that fits wins. Other languages: `languages`.
"""

import re
from collections.abc import Iterator
from enum import StrEnum

from core.media.formats import FORMATS


class WordClass(StrEnum):
    """What a lexeme can do in a clause: a word class, as far as requests are told from edits by it."""

    SENTENCE_END = "sentence_end"  # ends a sentence or a line
    COMMA = "comma"
    CONJUNCTION = "conjunction"  # and, then
    PUNCTUATION = "punctuation"  # other punctuation, counts for nothing
    TAG = "tag"  # [[story:…]], counts for nothing
    QUOTATION = "quotation"
    FILE_NAME = "file_name"  # a link or a file's name
    EXPORT = "export"  # asks for a file by itself
    DELIVER = "deliver"  # asks for a file if it names one
    CONVERT = "convert"  # asks for a file if it names a format or a resolution
    NEGATION = "negation"
    LATER = "later"
    WHEN = "when"
    DONE = "done"
    OBJECT = "object"  # the whole video
    RESOLUTION = "resolution"
    FORMAT = "format"
    QUALITY = "quality"
    SPEC = "spec"  # names a property, or says nothing new about it
    ASPECT = "aspect"
    PLACE = "place"
    CREDIT = "credit"
    STATE = "state"
    UPLOAD = "upload"
    HERE = "here"
    ASK = "ask"
    ACCOUNT = "account"
    POLITE = "polite"
    PREPOSITION = "preposition"  # in, as, at, to: leads to a property or a place
    WHOLE = "whole"  # says that it is all of it, or the end of it
    FUNCTION = "function"
    CONTENT = "content"


_WORDS: dict[WordClass, str] = {
    WordClass.CONJUNCTION: """
        and|or|then|but|plus|also|finally|lastly|afterwards|after that|when that is done|&|+|然后|接着|并且|并|再|
        firstly|secondly|thirdly|首先|其次|而后|随后|之后再|以及|和|及|同时|最后|但是|但|不过|还有|另外|完了|完成后""",
    WordClass.EXPORT: """
        export|exports|exported|exporting|dl|re-export|reexport|re export|rerender|re-render|re render|download|downloads|downloading|downloaded|
        downloadable|render|rendered|rendering|ready to export|ready for export|ready to download|
        ready for download|retry the export|retry exporting|retry the render|redo the export|redo the render|repeat the export|try exporting|try to export|try the export|quick export|fast export|quick render|time to export|
        forgot to export|export failed|export didn't work|export did not work|didn't export|did not export|wasn't exported|
        was not exported|nothing was exported|not exported|导出|一键导出|汇出|下载|渲染|发给我|发我|发送给我|传给我|寄给我|导出来|出片""",
    WordClass.DELIVER: """
        send|sends|sending|give|gimme|giving|get|getting|return|share|save|saved|saving|deliver|delivered|email|output|
        outputs|hand|post|publish|receive|provide|输出|保存|储存|另存为|给我|存|发|发送|发布|分享|发到|传到|要""",
    WordClass.CONVERT: """
        convert|transcode|encode|encoded|set|change|use|make it|make that|make the export|转|转换|转成|转为|转码|
        换成|改成|改为|设为|设成|设置为|用""",
    WordClass.NEGATION: """
        don't|dont|don’t|do not|does not|doesn't|no|not|never|without|skip|no need|no need to|not need to|
        don't need|don't need to|don't want|don't want to|do not want to|do not need to|won't|hold off|
        hold off on|hold|postpone|cancel|stop|never mind|nevermind|wait with|no need for|false|none|instead of|rather than|而不是|不要|不|别|先不|先别|先不要|先不用|暂不|暂时不|暂时不要|暂时别|无需|
        无须|不用|不必|不需要|勿|请勿|还不|没必要|不想|不想要|免""",
    WordClass.LATER: """
        later|later on|myself|tomorrow|next time|another time|以后|稍后|稍后再|晚点|回头|下次|改天|以后再|晚点再|等等|等一下|等会|等会儿|等一等|稍等|待会|待会儿|过会儿|等下|等下再|一会儿|过一会儿|明天|明天再|后天""",
    WordClass.WHEN: "when|once|after|before|as soon as|if|prior to|until|till|unless|之前|以前|当|等|等到|如果",
    WordClass.DONE: """
        done|finished|ready|complete|completed|over|edited|完成|好|好了|做完|做好|弄好|剪完|剪好|搞定|完|完毕|
        以后|之后|后|就""",
    WordClass.OBJECT: """
        it|this|that|them|these|those|everything|all|both|one|video|videos|vid|vids|vidoe|viedo|vidio|clip|clips|file|files|result|results|movie|
        film|footage|recording|version|copy|link|url|project|final cut|final edit|the edit|the cut|finished cut|
        finished product|thing|photo|photos|image|images|picture|pictures|material|media|the same|same|my work|our work|my edit|our edit|this edit|sequence|composition|draft version|rough cut|rough draft|first draft|a draft|a rough cut|a rough draft|a first draft|视频|成片|文件|影片|片子|
        结果|作品|成品|链接|素材|图片|照片|它|这个|这些|这|那个|全部|所有|片段|档案|一份|一个|一段|一版|片|版本|项目|录像|短片""",
    WordClass.RESOLUTION: """
        full hd|fhd|uhd|ultra hd|1080 p|720 p|480 p|540 p|360 p|1080 x 1920|1920 x 1080|1280 x 720|1080|720|480|
        全高清|超清""",
    WordClass.FORMAT: "|".join((*FORMATS, "jpeg")),
    WordClass.QUALITY: """
        low res|low-res|lowres|high res|high-res|highres|hi res|hi-res|hires|
        high quality|high-quality|best quality|highest quality|top quality|max quality|maximum quality|
        good quality|full quality|original quality|best possible quality|highest possible quality|hq|high|highest|
        best|lossless|without quality loss|without losing quality|low quality|low-quality|lowest quality|
        draft quality|low|medium quality|medium-quality|standard quality|normal quality|medium|standard|高质量|
        高画质|最高质量|最高画质|最佳质量|最好的质量|最好的画质|高品质|最高品质|最高|原画质|低质量|低画质|
        中等质量|中等画质|标准质量|标准画质|标清""",
    WordClass.SPEC: """
        resolution|format|quality|definition|hd|high definition|high-definition|h264|h.264|codec|container|
        with no watermark|no watermark|without watermark|without watermarks|without a watermark|
        without any watermark|w/o watermark|w/o watermarks|w/o a watermark|no watermarks|watermark-free|mode|fps|frame rate|framerate|frames per second|bitrate|
        bit rate|mbps|kbps|hevc|h265|h.265|av1|prores|hdr|sdr|small file|a small file|smaller file|small size|small file size|file size|
        as small as possible|mb|gb|aac audio|帧|帧率|码率|比特率|解析度|格式|分辨率|画质|清晰度|质量|高清|编码|无水印|不带水印|
        不要水印""",
    WordClass.ASPECT: """
        vertical|portrait|square|landscape|widescreen|horizontal|aspect ratio|aspect|ratio|orientation|竖屏|竖版|
        横屏|横版|宽屏|方形|正方形|方屏|比例|画幅|宽高比""",
    WordClass.CONTENT: "on how|on how to|好看|好听|好玩|好多|合并|并排|饱和|饱和度|柔和|温和|和谐|和弦|及时|再见|普及|后期|前后|上下|片头|片尾|图片集|照片集",
    WordClass.PLACE: """
        youtube|tiktok|instagram|reels|shorts|facebook|twitter|linkedin|whatsapp|snapchat|my phone|my computer|
        my device|my desktop|my laptop|my email|my inbox|my drive|google drive|dropbox|icloud|cloud|disk|downloads|folder|downloads folder|camera roll|web|website|ig|insta|vimeo|
        bilibili|telegram|discord|slack|phone|computer|device|desktop|social media|
        instagram reels|youtube shorts|抖音|小红书|b站|快手|微信|朋友圈|视频号|电脑|手机|本地|邮箱|桌面|相册|油管""",
    WordClass.CREDIT: "credit|credits|balance|balence|ballance|积分|余额|点数",
    WordClass.STATE: """
        status|state|tracks|timeline|progress|preview|the draft|my draft|this draft|current draft|what's on the timeline|
        状态|现在的效果|看看效果|看一下效果|好了没|好了没有|好没好|轨道|时间线|时间轴|进度|预览|草稿""",
    WordClass.UPLOAD: "upload|uploads|uploading|uploaded|attach|attached|上传|传上去|传一下",
    WordClass.HERE: """
        here is|here are|here's|here’s|this is|these are|here you go|这是|这里是|这儿是|附件是|附上|attached is""",
    WordClass.ASK: """
        how|how many|how much|what|what's|what’s|whats|which|show|list|check|tell|see|view|display|look up|query|
        do|does|did|is|are|have|has|on|let me know|let us know|i'd like to know|i would like to know|i want to know|查|查询|查看|查下|看|看看|看一下|显示|列出|告诉|多少|几|几个|吗|呢|怎么样|
        如何|什么|还有多少|还剩多少|还有|还剩|剩|有|是|是多少|里|上""",
    WordClass.ACCOUNT: """
        left|remaining|remain|account|available|still|current|currently|my|i|剩余|剩下|账户|账号|可用|当前|现在|
        目前|我""",
    WordClass.POLITE: """
        please|pls|plz|thanks|thank you|thank you very much|thx|hi|hello|hey|ok|okay|cheers|for free|kindly|now|
        right now|asap|as soon as possible|as soon as you can|
        as quickly as possible|as fast as possible|at your earliest convenience|note|nb|ps|p.s.|fyi|important|reminder|
        heads up|btw|by the way|good morning|good afternoon|good evening|good day|hi there|hey there|hello there|hi all|
        hi everyone|hey everyone|hi guys|hey guys|hi team|hey team|hello team|dear team|kind regards|best regards|
        warm regards|regards|best wishes|many thanks|thanks a lot|thanks so much|thanks a million|thank you so much|
        thanks in advance|thank you in advance|much appreciated|have a nice day|have a great day|if you don't mind|
        if that's ok|if that's okay|if it's not too much trouble|if it is not too much trouble|
        when you get a chance|when you get a minute|when you get a moment|when you have a chance|
        when you have a minute|when you have a moment|when you have time|whenever you can|sorry to bother you|if it's possible|if possible|if that's possible|if that works|if you can|yes please|yes|yep|
        you know what|why not|why don't you|why don’t you|why don't we|that'd be great|that would be great|
        that would be awesome|would be great|would be nice|就行|就好|就可以|就行了|就好了|就可以了|即可|
        请|谢谢|谢了|多谢|谢谢你|谢谢您|谢谢啦|感谢|非常感谢|你好|您好|好的|早上好|下午好|晚上好|麻烦|麻烦你|
        麻烦您|辛苦|辛苦了|打扰了|不好意思|免费|拜托|拜托了|尽快|注意|备注|可以的话|可能的话|方便的话|行的话|没问题的话""",
    WordClass.PREPOSITION: """
        in|as|at|to|into|onto|as a|as an|with|for|through|via|by|under|below|less than|smaller than|at most|up to|no more than|using|named|called|titled|w/|=|为|成|以|按照|到|
        至""",
    WordClass.WHOLE: """
        final|finished|final version of|clean|free|new|full|whole|entire|polished|edited|raw|nice|at the end|
        in the end|完整|整个|最终|剪辑好的|做好的|完成的|一次|一遍|再次|重新""",
    WordClass.FUNCTION: """
        a|an|the|teh|how about|i'd appreciate|i’d appreciate|your|our|its|it's|it’s|you|u|ya|ur|you're|you’re|we|they|me to|of|off|out|over to|back to|just|
        only|can|could|would|will|shall|should|must|may|might|want|wants|wanted|want you to|need|needs|needed|let|
        let's|lets|let me|go|ahead|go ahead|i'd|i’d|id like|i'd like|i’d like|would like|wanna|gonna|gotta|lemme|true|rather|i'd rather|i’d rather|would rather|i would like|i'll|
        i’ll|i'm|i’m|am|be|been|was|were|able|make sure|make sure to|make sure you|remember to|remember|
        don't forget|don't forget to|don’t forget to|do not forget to|prepare|prepared|me|us|yet|directly|
        straight|simply|immediately|so|that|so that|so i can|so that i can|so you can|so we can|here|there|am done with|
        again|once more|one more time|too|as well|already|so far|as is|as-is|unchanged|possibly|perhaps|呗|哈|would you mind|do you mind|do you think you could|
        do you think you can|i was wondering if you could|i was wondering if you can|i'm wondering if you could|
        i wonder if you could|any chance you could|any chance you can|is there any chance you could|
        is there any way you could|would it be possible to|would it be possible for you to|would you be able to|
        are you able to|would you be so kind as to|i'd appreciate it if you could|i'd appreciate if you could|
        i would appreciate it if you could|it would be great if you could|it'd be great if you could|帮我|帮|帮忙|一下|可以|能|能不能|能否|可不可以|想|想要|需要|直接|把|
        将|的|了|吧|啊|呀|哦|给|你|您|我的|该|已|已经|来|请帮我|请把|请将|我要|我想|在|去|先|就|下|版|也|都|让|急着|着急|急用|着急用|等着用|赶时间|很急|就这样|就这么|is fine|is ok|is okay|is enough|is good enough|would be fine""",
}

_WORDS[WordClass.SPEC] += "".join(
    f"|{kept} {what}"
    for kept in ("original", "same", "native", "source", "the original", "the same", "its original")
    for what in ("resolution", "format", "size", "quality", "aspect ratio", "frame rate", "framerate", "codec", "fps")
)
_NUMBERS = ("two", "three", "four", "five", "six", "2", "3", "4", "5", "6")
_WORDS[WordClass.OBJECT] += "".join(f"|all {number}" for number in _NUMBERS) + "".join(
    f"|{which} {number} {what}"
    for which in ("the", "all the", "these", "those", "my")
    for number in _NUMBERS
    for what in ("clips", "videos", "files")
)
_MISSPELT_PARTS = (WordClass.EXPORT, WordClass.CREDIT, WordClass.UPLOAD, WordClass.STATE)
#: Words of their own, though a slip of the hand would make them too.
_REAL_WORDS = frozenset({"stats", "track", "tacks", "racks", "sate", "stat", "upland", "attach", "attache"})

_HAN = r"\u3400-\u9fff"
_WORD = rf"[^\W{_HAN}]+"
#: A line's end; one Chinese sign; a word, number or time (``don't``, ``30-second``, ``9:16``); any other sign.
ATOM = re.compile(rf"[\r\n]+|[{_HAN}]|{_WORD}(?:(?:['’-]|(?<=[0-9])[.:,](?=[0-9])|(?<=h)\.(?=26[45])){_WORD})*|[^\s]")


def words_in(text: str) -> frozenset[str]:
    """Read a list of words, parted by blanks, as a set."""
    return frozenset(text.split())


#: who waits is the caller
FIRST_PERSON = words_in("i we 我 我们")


def _phrases() -> dict[tuple[str, ...], WordClass]:
    """Key each phrase by its atoms, as a prompt is cut; the first part that claims a phrase keeps it."""
    table: dict[tuple[str, ...], WordClass] = {}
    for part, words in _WORDS.items():
        for phrase in words.split("|"):
            table.setdefault(tuple(ATOM.findall(phrase.strip())), part)
    for word, part in _misspellings():
        table.setdefault((word,), part)
    return table


def _misspellings() -> Iterator[tuple[str, WordClass]]:
    """Spell the words that requests hang on as hasty hands do: ``exprot``, ``dowload``, ``expoort``.

    One sign swapped, left out or doubled, never exchanged for another: ``expert`` is no export.
    """
    for part in _MISSPELT_PARTS:
        for word in _WORDS[part].split("|"):
            if re.fullmatch("[a-z]{6,}", word.strip()):
                yield from ((wrong, part) for wrong in _misspelt(word.strip()) if wrong not in _REAL_WORDS)


def _misspelt(word: str) -> Iterator[str]:
    for at in range(1, len(word)):
        yield word[:at] + word[at + 1 :]
        yield word[:at] + word[at] + word[at:]
        yield word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]


_ALL = _phrases()
#: those of one atom
WORDS: dict[str, WordClass] = {atoms[0]: part for atoms, part in _ALL.items() if len(atoms) == 1}
#: those of several
PHRASES: dict[tuple[str, ...], WordClass] = {atoms: part for atoms, part in _ALL.items() if len(atoms) > 1}
#: How many atoms the longest phrase has that begins with these two.
LONGEST_FROM: dict[tuple[str, ...], int] = {}
for _atoms in PHRASES:
    LONGEST_FROM[_atoms[:2]] = max(len(_atoms), LONGEST_FROM.get(_atoms[:2], 0))

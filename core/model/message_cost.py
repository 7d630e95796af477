"""What a message will probably cost, so that credits can be reserved before it is sent. Pure."""

import re
from functools import lru_cache

from core.media.formats import MEDIUM_OF, format_of_name
from core.model.generation_words import ASCII_PARTS, MAKES_A_FILM
from core.model.job import Job
from core.traditional_chinese import simplified

#: the vendor's figures, about
EDIT_CREDITS = 50
GENERATION_CREDITS = 100

#: "a 30-second promotional video", and not "a title for the video": nothing but adjectives stands before the noun; nor "each
#: clip louder", "a video title" or "video brighter", which speak of what is there
_ARE_THERE = "each|every|all|both|these|those|rest|whole|entire"
_PART_OF_VIDEO = r"titles?|captions?|subtitles?|thumbnails?|covers?|transitions?|effects?|looks?|grain|backgrounds?|overlays?|loops?|fades?"
_HOW_IT_SHALL_BE = (
    r"(?:bright|dark|loud|quiet|short|long|slow|fast|quick|small|larg|bigg|warm|cool|sharp|smooth|soft|clear|crisp)e?r(?!\s+than)|"
    r"better|black\s+and\s+white|vertical|horizontal|muted?|silent|blurry"
)
_A_VIDEO = (
    rf"(?:(?!(?:of|for|in|on|with|to|from|at|after|before|between|and|my|the|this|that|it|{_ARE_THERE})\b)[\w'-]+\s+){{0,6}}"
    r"(?:videos?|films?|movies?|clips?|ads?|commercials?|trailers?|promos?|reels?|teasers?|intros?|slideshows?)\b"
    rf"(?!\s+(?:{_PART_OF_VIDEO}|{_HOW_IT_SHALL_BE})\b)"
)
_TURNS = ("turn", "convert", "transform")
_VERBS = ("generate", "produce", "create", "make", "build", "compose", "design")
#: what a film can be made from where there is none yet
_SOURCE = r"(?:texts?|scripts?|words|copy|articles?|(?:blog )?posts?|stor(?:y|ies)|poems?|images?|photos?|pictures?)"
_GENERATES = re.compile(
    rf"\b(?:{'|'.join(_VERBS)})\s+(?:me\s+|us\s+)?{_A_VIDEO}"
    rf"|\b(?:generate|produce)\s+(?:(?:something|it)\s+)?(?:from\s+)?(?:my|our|the|this|these)\s+(?:\w+\s+)?{_SOURCE}\b"
    rf"|\b(?:turn|convert|transform|make)\s+(?:[\w'-]+\s+){{0,4}}{_SOURCE}\s+(?:[\w'-]+\s+){{0,3}}?(?:in)?to\s+{_A_VIDEO}"
    r"|(?:生成|制作|创建|做)(?!成|为)[^,，。.\n]{0,30}(?:视频|短片|宣传片|广告|影片)(?!的?(?:字幕|封面|标题|片头|片尾))",
    re.IGNORECASE,
)
_PARTS = _VERBS + _TURNS + ASCII_PARTS
#: what a video is made from where no pictures are given: a text, a subject, or words in quotes or behind a colon
_GIVES_TEXT = re.compile(r"\b(?:text|script|words|copy|about)\b|文字|文案|脚本|[\"“”「『«:：]", re.IGNORECASE)


def is_generation(job: Job) -> bool:
    """Guess whether the backend will make a video rather than edit one: generation has two stages and costs more.

    Whatever the skill. Who brings footage and no text wants it edited, however it is called.
    """
    message = job.plan.message
    if message is None or not _generates(message):
        return False
    made_to_generate = job.profile == "free-video-generation-automatic"
    return made_to_generate or not _brings_footage(job) or _GIVES_TEXT.search(message) is not None


@lru_cache(maxsize=256)  # asked a dozen times of each job, on its way through the API and its worker
def _generates(message: str) -> bool:
    """Tell whether a video is asked for. That no verb of making is there, as in most edits, is far sooner said than the rest."""
    lower = message.lower()
    may = not message.isascii() or any(part in lower for part in _PARTS)
    return may and bool(_GENERATES.search(simplified(message)) or MAKES_A_FILM.search(message))


def _brings_footage(job: Job) -> bool:
    return any(MEDIUM_OF.get(format_of_name(media.name) or "") == "video" for media in job.media)


def exceeds_limit(job: Job) -> bool:
    """Whether a job's message will probably cost more than its caller allows."""
    return job.max_credits is not None and cost_to_reserve(job) > job.max_credits


def message_kind(job: Job) -> str:
    """Name the kind of message whose cost is learned: ``maker-free:edit``, ``maker-free:generation``."""
    return f"{job.profile}:{'generation' if is_generation(job) else 'edit'}"


def usual_cost(job: Job) -> int:
    """Credits that the job's message costs as a rule: what one of its kind does, 0 where none is sent.

    More where the job's own estimate says so, by jobs like it that ended here: its caller was told that, and caps it by that.
    """
    return 0 if job.plan.message is None else max(cost_of_kind(job), _measured_cost(job))


def cost_of_kind(job: Job) -> int:
    """Credits that a message of the job's kind costs as a rule: 50 for an edit, 100 for a generation."""
    return GENERATION_CREDITS if is_generation(job) else EDIT_CREDITS


def _measured_cost(job: Job) -> int:
    estimate = job.estimate
    return estimate.credits_typical if estimate and estimate.credits_basis == "measured" else 0


def cost_to_reserve(job: Job) -> int:
    """Credits to reserve: the usual, or what a refusal has taught."""
    return max(usual_cost(job), job.cost_at_least)

"""What a message will probably cost, so that credits can be reserved before it is sent. Pure."""

import re

from core.job import Job

#: the vendor's figures, about
EDIT_CREDITS = 50
GENERATION_CREDITS = 100

_GENERATES = re.compile(
    r"\b(?:generate|produce|create|make|build)\b[^.\n]{0,80}\bvideo\b|生成|制作.{0,40}视频", re.IGNORECASE
)


def is_generation(job: Job) -> bool:
    """Guess whether the backend will make a video rather than edit one: generation has two stages and costs more."""
    if job.plan.message is None:
        return False
    return job.profile == "free-video-generation-automatic" and _GENERATES.search(job.plan.message) is not None


def usual_cost(job: Job) -> int:
    """Credits that such a message costs as a rule: 50 for an edit, 100 for a generation, 0 where none is sent."""
    if job.plan.message is None:
        return 0
    return GENERATION_CREDITS if is_generation(job) else EDIT_CREDITS


def estimate(job: Job) -> int:
    """Credits to reserve: the usual, or what a refusal has taught."""
    return max(usual_cost(job), job.cost_at_least)

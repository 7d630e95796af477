"""What makes a job that was asked for a good one, and what it takes from what it names."""

import msgspec
import pytest
from pydantic import SecretStr

from core.model.job import Job
from core.model.session import Session
from core.model.upload import Upload
from core.profiles import PROFILES
from core.settings import Settings
from core.store.redis.codec import pack, unpack
from service.jobs.validation import JobFacts, JobInputs, validate
from service.problems import ApiError
from service.prompt import clear_cache, read_cached
from service.schemas.requests import JobRequest

SETTINGS = Settings.model_validate({"secret_keys": (SecretStr("k" * 40),)})
NOW_MS = 1_795_000_000_000
NOTHING = JobInputs(uploads={})
SESSION = Session(id="ses_1", tenant="acme", profile="maker-free", language="ja", created_at_ms=NOW_MS)


def validated(inputs: JobInputs = NOTHING, **fields: object) -> Job:
    ask = msgspec.convert({"prompt": "trim the first 2 seconds", **fields}, JobRequest)
    return validate(ask, inputs, SETTINGS, JobFacts("acme", NOW_MS)).job


def refused(inputs: JobInputs = NOTHING, **fields: object) -> list[tuple[str, str]]:
    with pytest.raises(ApiError) as caught:
        validated(inputs, **fields)
    return [(e.pointer, e.code) for e in caught.value.errors]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://x.example/a/my%20clip.mp4?x=1#y", "my clip.mp4"),
        ("https://x.example/", "media"),
        ("https://x.example", "media"),
        ("https://x.example/a/clip.mov/", "clip.mov"),
        ("https://x.example/a%2Fb%00.png", "b.png"),
    ],
)
def test_a_file_is_named_by_its_url(url: str, name: str) -> None:
    assert validated(media=[{"url": url}]).media[0].name == name


@pytest.mark.parametrize(
    "path",
    [
        *("file.php?f=clip.mp4", "clip.mp4;v=2", "clip.mp4:large", "v1.2", "IMG_2024.10.30", "clip.mp4.download", ""),
        *("dl?id=7", "get.aspx", "watch.html", "clip.m4v", "clip.jfif", "clip.3gp", "@user.name", "clip.mp4%20(1)"),
    ],
)
def test_a_url_whose_path_says_nothing_of_its_file_is_accepted(path: str) -> None:
    assert validated(media=[{"url": f"https://x.example/{path}"}]).media[0].url == f"https://x.example/{path}"


@pytest.mark.parametrize("suffix", ["pdf", "DOCX", "exe", "zip", "flac", "heic", "mpg", "srt"])
def test_a_url_that_names_another_type_of_file_is_refused_at_once_with_the_formats(suffix: str) -> None:
    with pytest.raises(ApiError) as caught:
        validated(media=[{"url": f"https://x.example/a.{suffix}?x=clip.mp4"}])
    assert [(e.pointer, e.code) for e in caught.value.errors] == [("/media/0/url", "unsupported_media")]
    assert suffix.lower() in caught.value.detail
    assert "webm" in caught.value.detail


def test_a_job_takes_its_sessions_profile_and_language_where_it_names_none() -> None:
    inputs = JobInputs(session=SESSION, continues=True, uploads={})
    job = validated(inputs)
    assert (job.profile, job.language, job.session_id) == ("maker-free", "ja", "ses_1")
    assert validated(inputs, profile="trimmer-exe", language="en").profile == "trimmer-exe"


@pytest.mark.parametrize("profile", PROFILES)
def test_a_new_jobs_record_is_written_again_as_it_was_so_that_a_reader_looks_at_it_once(profile: str) -> None:
    record = pack(validated(profile=profile, media=[{"url": "https://x.example/a.mp4"}], metadata={"order": "7"}))
    assert pack(unpack(record, Job)) == record


def test_words_that_are_known_are_not_read_again_for_another_file() -> None:
    clear_cache()

    for name in ("one.mp4", "two.mp4", "THREE.MP4"):
        validated(media=[{"url": f"https://x.example/{name}"}])

    assert read_cached.cache_info().misses == 1


def test_media_are_needed_only_where_there_is_something_to_edit() -> None:
    assert refused() == [("/media", "media_needed")]
    assert validated(profile="free-video-generation-automatic").media == ()
    assert validated(JobInputs(session=SESSION, continues=True, uploads={})).media == ()
    assert validated(prompt="how many credits are left?").plan.action == "credits"


def test_a_name_without_an_ending_is_left_to_the_worker_and_a_wrong_one_is_refused() -> None:
    assert validated(media=[{"url": "https://x.example/video"}]).media[0].name == "video"
    assert refused(media=[{"url": "https://x.example/a.docx"}]) == [("/media/0/url", "unsupported_media")]


def test_an_uploads_size_is_held_against_its_profile() -> None:
    upload = Upload(
        id="upl_1",
        tenant="acme",
        filename="a.mp4",
        format="mp4",
        size_bytes=200_000_001,
        path="uploads/a.mp4",
        created_at_ms=NOW_MS,
    )
    inputs = JobInputs(uploads={"upl_1": upload})
    media = [{"upload_id": "upl_1"}]
    assert validated(inputs, media=media).media[0].size_bytes == 200_000_001
    wrong = refused(inputs, media=media, profile="free-video-generation-automatic")
    assert wrong == [("/media/0/upload_id", "media_too_large")]


@pytest.mark.parametrize("prompt", [" ", "\n\t", "\u200b", "\ufeff \u2060", "\u202e"])
def test_a_prompt_of_which_nothing_can_be_seen_is_empty(prompt: str) -> None:
    assert refused(prompt=prompt, media=[{"url": "https://x.example/a.mp4"}]) == [("/prompt", "invalid_value")]


@pytest.mark.parametrize(
    ("prompt", "most", "ends"), [("trim 2 s", 49, True), ("trim 2 s", 50, False), ("export", 0, False)]
)
def test_a_job_that_costs_more_than_it_may_is_told_before_its_turn(prompt: str, most: int, *, ends: bool) -> None:
    clip = {"url": "https://x.example/a.mp4"}
    hints = validated(
        JobInputs({}, SESSION, continues=True), prompt=prompt, max_credits=most, media=[clip][:most]
    ).hints
    assert any("budget_exceeded" in hint for hint in hints) is ends

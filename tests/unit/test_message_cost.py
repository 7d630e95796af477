"""What a message will probably cost."""

import re

import pytest

from core.model.job import Estimate, Job, MediaRef
from core.model.message_cost import cost_to_reserve, exceeds_limit, is_generation, usual_cost
from core.model.plan import Plan
from tests.store_fixture import make_job

GENERATES = "free-video-generation-automatic"


def asks(message: str | None, *, profile: str = "free-video-fast", **facts) -> Job:
    return make_job(profile=profile, plan=Plan(message=message, action="none"), **facts)


@pytest.mark.parametrize(
    ("message", "profile", "expected"),
    [
        ("trim the first 2 seconds", "free-video-fast", 50),
        ("generate a 30-second promotional video from my text", GENERATES, 100),
        ("make me a short video about bread", GENERATES, 100),
        ("生成一个关于面包的视频", GENERATES, 100),
        ("add a title", GENERATES, 50),
        ("generate my text or images", GENERATES, 100),
        ("turn my product photos into a 20 second promo video", GENERATES, 100),
        ("turn this blog post into a short video", "maker-free", 100),
        ("製作一段30秒的宣傳影片", "maker-free", 100),
        ("turn my clips into a film with the photos at the end", "maker-free", 50),
        ("turn the text white and make it bigger", GENERATES, 50),
        ("generate captions from the audio", GENERATES, 50),
        ("make the text bigger", GENERATES, 50),
        ("generate a 30-second promotional video", "trimmer-exe", 100),
        ("Create an upbeat 10 second ad about our bread", "maker-free", 100),
        ("制作一段30秒的宣传视频", "maker-free", 100),
        ("make my video brighter", "maker-free", 50),
        ("make it warmer and create a fade between the clips", "maker-free", 50),
        ("create a title for the video", "maker-free", 50),
        ("turn my clips into a finished video with music and transitions", "maker-free", 50),
        ("把视频做成黑白", "maker-free", 50),
        ("make video brighter", "maker-free", 50),
        ("make each clip 5 seconds long", "maker-free", 50),
        ("make all clips black and white", "maker-free", 50),
        ("make first clip louder", "maker-free", 50),
        ("make the first video vertical and make film black and white", "maker-free", 50),
        ("generate video subtitles", "maker-free", 50),
        ("create a clip transition", "maker-free", 50),
        ("生成视频字幕", "maker-free", 50),
        ("make a short video longer than 30 seconds about bread", "maker-free", 100),
        ("create our company video from this text", "maker-free", 100),
        ("make a second video about tea", "maker-free", 100),
        ("create a vertical video about tea", "maker-free", 100),
        (None, GENERATES, 0),
    ],
)
def test_an_edit_a_generation_and_nothing_have_their_usual_cost(message, profile, expected):
    job = asks(message, profile=profile)
    assert (usual_cost(job), cost_to_reserve(job), is_generation(job)) == (expected, expected, expected == 100)


MADE = """\
crea un vídeo promocional de 30 segundos|genera un breve video sobre el pan|hazme un anuncio|CREA UN VIDEO
crie um vídeo curto sobre pão|faça um anúncio de 15 segundos
crée une courte vidéo sur le pain|fais-moi une vidéo|générez un film de 20 secondes|creez une video
erstelle ein kurzes Werbevideo|mach mir einen Film|ein 30 Sekunden langes Video über Brot erstellen
crea un video promozionale|fammi uno spot
создай короткое видео о хлебе|сгенерируй ролик
30秒のプロモーション動画を作成して|パンの動画を作ってください
빵에 대한 영상을 만들어줘|홍보 영상 제작해 주세요
أنشئ فيديو قصير عن الخبز|ब्रेड पर वीडियो बनाओ|bread par ek video banao"""
EDITED = """\
crea un título para el vídeo|haz el vídeo más claro|genera subtítulos|crea una transición entre los vídeos
crie um título para o vídeo|faça o vídeo mais claro|gere legendas
crée un fondu entre les vidéos|fais la vidéo plus claire|crée un titre dans la vidéo
erstelle einen Titel für das Video|mach das Video heller|den Film kürzer machen|erstelle eine Blende im Video
crea un titolo per il video|fai il video più chiaro
создай титры для видео|сделай видео ярче
動画を明るくして|動画を作り直して|영상을 밝게 해줘|اجعل الفيديو أفتح|वीडियो छोटा करो
create a title in the video|make a fade between the clips|change the machine in the video"""


@pytest.mark.parametrize(
    ("message", "expected"),
    [(each, cost) for words, cost in ((MADE, 100), (EDITED, 50)) for each in re.split(r"[|\n]", words)],
)
def test_a_film_that_is_to_be_made_is_known_in_ten_more_languages(message, expected):
    assert usual_cost(asks(message)) == expected


@pytest.mark.parametrize(
    ("message", "names", "expected"),
    [
        ("make a highlight video", ["a.mp4", "b.MOV"], 50),
        ("make a highlight video", ["a.png", "b.jpg"], 100),
        ("make a highlight video", [], 100),
        ('make a highlight video with the text "Paris"', ["a.mp4"], 100),
        ("generate a video: Fresh bread, every morning", ["a.mp4"], 100),
    ],
)
def test_who_brings_footage_and_no_text_wants_it_edited(message, names, expected):
    assert (
        cost_to_reserve(asks(message, media=tuple(MediaRef(name=name, url="https://x") for name in names))) == expected
    )


def test_what_a_refusal_has_taught_is_reserved_from_then_on():
    assert cost_to_reserve(asks("trim", cost_at_least=200)) == 200
    assert cost_to_reserve(asks("trim", cost_at_least=10)) == 50


def estimated(typical: int, basis: str) -> Estimate:
    told = {"credits_basis": basis, "credits_jobs": 30, "time_basis": "contract", "time_jobs": 0}
    return Estimate(credits=(typical, typical), credits_typical=typical, p50_s=None, p90_s=None, **told)


@pytest.mark.parametrize(
    ("typical", "basis", "expected"), [(80, "measured", 80), (20, "measured", 50), (80, "contract", 50)]
)
def test_what_a_job_s_own_estimate_has_measured_is_reserved_and_capped_where_it_is_more_than_the_usual(
    typical, basis, expected
):
    job = asks("trim", estimate=estimated(typical, basis), max_credits=60)
    assert (usual_cost(job), cost_to_reserve(job), exceeds_limit(job)) == (expected, expected, expected > 60)


def test_a_measured_cost_costs_no_job_that_sends_no_message():
    assert usual_cost(asks(None, estimate=estimated(80, "measured"))) == 0

"""Prompts in languages that the parser does not read: a request for the file alone, and what only looks like one."""

from itertools import chain, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.plan import Plan, Reading, RequestedOutput
from core.profiles import PROFILES
from service.prompt import UNCHANGED_MEDIA, read_prompt
from service.prompt.languages import LANGUAGES
from service.prompt.translation import _plain, in_english

REQUESTS = {
    "es": "exporta el vídeo|Exporta el video.|Exportar|expórtalo ya|¿Puedes exportar el vídeo, por favor?|Descarga el vídeo|"
    "Hola, quiero descargar el vídeo. Gracias|guarda el vídeo|envíame el vídeo 🙏|renderiza todo el vídeo|exportar como vídeo",
    "pt": "exporta o vídeo|Exportar o vídeo, por favor|exporte-o|Você pode exportar o vídeo agora?|baixar o vídeo|"
    "faça o download do vídeo|me manda o vídeo|salvar o vídeo|quero exportar o vídeo final|Olá! Me envie o arquivo.",
    "fr": "exporte la vidéo|Exporter|exporte-la s'il te plaît|Peux-tu exporter la vidéo ?|Télécharge la vidéo maintenant|"
    "Exportez la vidéo s’il vous plaît|je voudrais exporter la vidéo|envoie-moi la vidéo, merci|Bonjour, lance l'export",
    "de": "Video exportieren|Exportiere das Video|Bitte das Video exportieren|Kannst du mir das Video schicken?|speichern bitte: das Video|"
    "Ich möchte das Video herunterladen|exportieren|jetzt rendern|Export bitte|Als Video exportieren|Export starten",
    "it": "esporta il video|Esportalo, per favore|Puoi esportare il video?|scarica il video|vorrei scaricare il video adesso|"
    "mandami il video|Esporta|salva il video, grazie",
    "ru": "экспортируй видео|Экспорт|Скачать видео|сохрани видео, пожалуйста|Теперь экспортируй моё видео|пришли мне видео|"
    "Можешь экспортировать ролик?|экспортируй его",
    "ja": "動画を書き出して|動画を書き出してください。|エクスポート|動画のエクスポートをお願いします|今すぐ動画をダウンロードして|"
    "動画を保存して|動画を送ってください|この動画を出力してください！|書き出しお願いします|動画に書き出して",
    "ko": "영상 내보내기 해줘|영상을 내보내 주세요|동영상 다운로드해줘|내보내기|영상 저장해줘|영상 파일을 보내줘|지금 렌더링 해 주세요|"
    "영상을 내보내기 부탁드립니다",
    "ar": "صدّر الفيديو|صدر الفيديو|تصدير الفيديو من فضلك|أريد تصدير الفيديو الآن|نزّل الفيديو|أرسل لي الفيديو|احفظ الفيديو",
    "hi": "वीडियो एक्सपोर्ट करो|कृपया वीडियो एक्सपोर्ट करें|वीडियो डाउनलोड कर दो|मुझे वीडियो भेजो|वीडियो को सेव कर दीजिए|"
    "video export karo|please video download kar do|mujhe video bhejo|इसे एक्सपोर्ट करना",
}
WITH_PROPERTIES = [
    ("exporta en 720p", "720p", "mp4"),
    ("Exporta el vídeo en formato webm con resolución de 720p", "720p", "webm"),
    ("exportar em 720p", "720p", "mp4"),
    ("exporte la vidéo en mov", "1080p", "mov"),
    ("Export en 720p", "720p", "mp4"),
    ("Export als MOV", "1080p", "mov"),
    ("Exportiere das Video bitte als WebM-Datei in 480p.", "480p", "webm"),
    ("720p exportieren", "720p", "mp4"),
    ("esporta in formato webm a 720p", "720p", "webm"),
    ("сохрани видео в формате webm в 720р", "720p", "webm"),
    ("Экспорт в Full HD 1080p, 60 fps", "1080p", "mp4"),
    ("動画を720pで書き出してください", "720p", "mp4"),
    ("ＷＥＢＭ形式、７２０ｐでエクスポート", "720p", "webm"),
    ("영상을 webm으로 내보내 주세요", "1080p", "webm"),
    ("720p로 내보내줘", "720p", "mp4"),
    ("صدّر الفيديو بدقة 720p بصيغة webm", "720p", "webm"),
    ("वीडियो को 720p में webm फ़ॉर्मेट में डाउनलोड करें", "720p", "webm"),
    ("video 720p mein export karo", "720p", "mp4"),
]
BEHIND_EDITS = [
    ("Corta los primeros 2 segundos. Exporta en 720p, por favor.", "720p", "mp4"),
    ("corta el inicio y exporta como mov", "1080p", "mov"),
    ("Schneide die ersten 2 Sekunden weg, dann als webm in 480p exportieren", "480p", "webm"),
    ("coupe le début et exporte la vidéo en 720p", "720p", "mp4"),
    ("corta o começo e exporte em 720p", "720p", "mp4"),
    ("最初の2秒をカットして、720pで書き出してください", "720p", "mp4"),
    ("corta el inicio y exporta", "1080p", "mp4"),
    ("corta el inicio y añade un título que diga 720p", "1080p", "mp4"),
    ('añade el texto "Oferta. Descarga en 720p"', "1080p", "mp4"),
    ("voz en off: compra ya, descarga en 720p", "1080p", "mp4"),
]
EDITS = {
    "es": "exporta solo los primeros 10 segundos|exporta solo el vídeo|exporta el vídeo sin sonido|exporta el final|exporta un vídeo|"
    "exporta el final del vídeo|exporta en blanco y negro|exporta el vídeo en cámara lenta|exporta el vídeo a doble velocidad|"
    "exporta el vídeo con música|exporta el clip 2|exporta los vídeos|exporta de 4:3 a 16:9|exporta el vídeo en 720p y 1080p|"
    "exporta los 720 primeros fotogramas|guarda|guarda solo el audio|dame un vídeo en 9:16|baja el vídeo|sube el vídeo|"
    "no exportes el vídeo|corta el inicio y exporta el vídeo|exporta café|el vídeo en 720p|título: exporta el vídeo|"
    'añade el título "exporta el vídeo"|exporta el vídeo. Añade música|exporta el vídeo de 0:10 a 0:20|exporta video.mp4|'
    "exporta el vídeo -10%|exporta el vídeo 2x|exporta 10s|exporta en 720p el vídeo de la playa|exporta el vídeo exporta",
    "pt": "exporta só os primeiros 10 segundos|exporte o vídeo sem som|exporte o final|abaixa o vídeo|não exporte o vídeo|"
    "exporta um vídeo|baixa o volume do vídeo|corta o início e exporta o vídeo|exporta o vídeo em preto e branco|salva",
    "fr": "exporte seulement les 10 premières secondes|exporte la vidéo sans le son|exporte la fin|n'exporte pas la vidéo|"
    "rends la vidéo en noir et blanc|exporte la vidéo en noir et blanc|enregistre une voix off|exporte une vidéo|"
    "coupe le début et exporte la vidéo|exporte en 720p la scène de fin",
    "de": "Exportiere nur die ersten 10 Sekunden|Exportiere nur das Video|Exportiere das Video ohne Ton|Exportiere das Video nicht|"
    "Video rückwärts exportieren|Exportiere das Ende|Schneide den Anfang und exportiere das Video|Lade das Video hoch|"
    "Gib mir ein Video in 9:16|Exportiere 2 mal|speichern",
    "it": "esporta solo i primi 10 secondi|esporta il video senza audio|esporta il finale|non esportare il video|"
    "esporta il video in bianco e nero|taglia l'inizio ed esporta il video|abbassa il video|esporta un'ora",
    "ru": "экспортируй только первые 10 секунд|экспортируй видео без звука|не экспортируй видео|сделай видео в 720p|"
    "экспортируй конец|обрежь начало и экспортируй видео|экспортируй видео с музыкой|сохрани",
    "ja": "最初の10秒だけ書き出して|動画を書き出さないで|音なしで動画を書き出して|書き出しを変えて|動画の書き出しを明るくして|"
    "動画を逆再生で書き出して|動画を9:16にして|動画を送ってという字幕を入れて|動画をカットして書き出して|保存して|動画.mp4を書き出して",
    "ko": "처음 10초만 내보내줘|영상 내보내지 마|소리 없이 영상을 내보내줘|영상 볼륨 다운해줘|영상을 거꾸로 내보내줘|"
    "영상을 9:16으로 만들어줘|영상을 자르고 내보내줘|저장해줘|내보낸 영상을 밝게 해줘",
    "ar": "صدّر أول 10 ثوان فقط|لا تصدر الفيديو|صدر الفيديو بدون صوت|قص البداية وصدر الفيديو|ارفع الفيديو|احفظ",
    "hi": "सिर्फ पहले 10 सेकंड एक्सपोर्ट करो|वीडियो एक्सपोर्ट मत करो|बिना आवाज़ के वीडियो एक्सपोर्ट करो|"
    "sirf pehle 10 second export karo|video export mat karo|शुरुआत काटो और वीडियो एक्सपोर्ट करो|save karo",
}
CREDITS = (
    "¿Cuántos créditos me quedan?|Hola, ¿cuántos créditos tengo ahora?|créditos restantes|Quantos créditos me restam?|"
    "Qual é o meu saldo?|Combien de crédits me reste-t-il ?|combien il me reste de crédits|Wie viele Credits habe ich noch?|"
    "Quanti crediti mi rimangono?|Сколько у меня осталось кредитов?|クレジットはあといくつ残っていますか？|クレジット残高を教えて|"
    "남은 크레딧 알려줘|크레딧이 얼마나 남았나요?|كم رصيدي؟|मेरे कितने क्रेडिट बचे हैं?|mere paas kitne credits bache hain?"
)
NO_QUESTIONS = (
    "créditos|muestra los créditos|añade créditos al final|créditos finales|saldo|¿cuántos créditos cuesta exportar el vídeo?|"
    "exporta el vídeo, ¿cuántos créditos me quedan?|Abspann mit Credits|générique|クレジット|クレジットを追加して|크레딧|"
    "크레딧 추가해줘|баланс|баланс белого|क्रेडिट दिखाओ|título: ¿cuántos créditos me quedan?"
)


def each(prompts: dict[str, str]) -> list[str]:
    return [prompt for listed in prompts.values() for prompt in listed.split("|")]


def read(prompt: str, *, continues: bool = True) -> Reading:
    return read_prompt(
        prompt,
        asked=RequestedOutput(),
        profile=PROFILES["trimmer-exe"],
        media_formats=[] if continues else ["mp4"],
        continues_session=continues,
    )


@pytest.mark.parametrize("prompt", each(REQUESTS))
def test_a_prompt_that_is_nothing_but_a_request_for_the_file_costs_nothing(prompt: str) -> None:
    assert read(prompt).plan == Plan(None, "export")


@pytest.mark.parametrize(("prompt", "resolution", "container"), WITH_PROPERTIES)
def test_what_it_names_is_what_the_film_shall_be(prompt: str, resolution: str, container: str) -> None:
    reading = read(prompt)

    assert reading.plan == Plan(None, "export")
    assert (reading.output.resolution, reading.output.format) == (resolution, container)


@pytest.mark.parametrize(("prompt", "resolution", "container"), BEHIND_EDITS)
def test_what_a_request_behind_an_edit_names_is_what_the_film_shall_be(
    prompt: str, resolution: str, container: str
) -> None:
    reading = read(prompt)

    assert reading.plan == Plan(prompt, "export"), "the words stay: they may be the film's"
    assert (reading.output.resolution, reading.output.format) == (resolution, container)


@pytest.mark.parametrize("prompt", each(EDITS))
def test_what_says_one_word_more_is_sent_as_it_stands(prompt: str) -> None:
    assert in_english(prompt) is None
    assert read(prompt).plan.message == prompt


@pytest.mark.parametrize("prompt", CREDITS.split("|"))
def test_a_question_for_the_credits_is_answered(prompt: str) -> None:
    assert read(prompt).plan == Plan(None, "credits")


@pytest.mark.parametrize("prompt", NO_QUESTIONS.split("|"))
def test_credits_that_a_film_may_show_are_no_question(prompt: str) -> None:
    assert in_english(prompt) is None


VERBS = ["exporta", "Bitte exportieren:", "экспорт", "動画を書き出して", "영상 내보내기"]
PROPERTIES = [
    ["", "720p", "1080 p", "4k", "8K", "480", "1920x1080", "1080×1920", "9000p"],
    ["", "HD", "Full HD", "UHD", "fhd"],
    ["", "mp4", "MOV", ".webm", "avi", "mkv"],
    ["", "60fps", "24 fps"],
]


@given(st.tuples(*map(st.sampled_from, [VERBS, *PROPERTIES])).map(" ".join))
def test_no_property_of_the_file_is_an_edit(prompt: str) -> None:
    assert read(prompt).plan.message in {None, "Change the aspect ratio to 9:16."}


def test_it_is_read_as_its_like_in_english_is() -> None:
    assert read("exporta en 9:16") == read("export in 9:16")
    assert read("[[story:adk]] exporta el vídeo", continues=False).plan.message == f"{UNCHANGED_MEDIA} [[story:adk]]"
    assert read("“Exporta el vídeo en 4k”").hints == read("export it in 4k").hints


@given(
    st.sampled_from(each(REQUESTS)),
    st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12),
    st.booleans(),
)
def test_a_word_that_is_in_no_table_makes_it_something_else(request: str, word: str, before: bool) -> None:
    known = "".join(
        _plain(phrase) for phrases in LANGUAGES.values() for listed in phrases[:-1] for phrase in listed.split("|")
    )
    if _plain(word) not in known:
        assert in_english(f"{word} {request}" if before else f"{request} {word}") is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_phrase_means_two_things_in_a_language(language: str) -> None:
    phrases = list(chain.from_iterable(listed.split("|") for listed in LANGUAGES[language][:-1]))

    plain = [_plain(phrase) for phrase in phrases]
    assert all(plain)
    assert len(phrases) == len(set(phrases))
    kinds = [{_plain(phrase) for phrase in listed.split("|")} for listed in LANGUAGES[language][:-1]]
    assert sum(len(kind) for kind in kinds) == len(set().union(*kinds))


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_verb_asks_for_each_film_in_each_property(language: str) -> None:
    phrases = LANGUAGES[language]
    for verb, film in product([*phrases.export.split("|"), *phrases.deliver.split("|")], phrases.film.split("|")):
        assert in_english(f"{verb} {film} 720p {phrases.polite.split('|')[0]}") == "export 720p"
        assert in_english(f"{film} {verb}") == "export"
    for word in phrases.beside_property.split("|"):
        assert in_english(f"{phrases.export.split('|')[0]} {word} mov") == "export mov"

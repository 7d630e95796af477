"""Requests to make a film in languages whose prompts are read no further: by them a generation is told from an edit. Pure.

In those with an article it must be the indefinite one: `crea un vídeo` wants one made, `haz el vídeo más claro` edits. One
language a row; where accents are often left out they may be.
"""

import re

#: what may not stand before the noun: then it is something else that is made, *for* a video or *in* it
_SOMETHING_ELSE = (
    "para|por|de|del|da|do|em|en|in|im|pour|dans|du|des|für|zu|zum|mit|con|com|avec|sur|auf|per|su|al|au|entre|zwischen|tra|"
    "fra|el|la|los|las|le|les|der|die|das|dem|den|il|lo|este|esta|mi|mon|ma|mein|meu|mio|ce|cette|dieses"
)


def _with_article(verbs: str, articles: str, nouns: str) -> str:
    """Write `crea un breve vídeo`: at most a pronoun between the verb and the article, and a few adjectives behind that."""
    pronoun = r"(?:[- ](?:me|moi|nous|nos|mir|uns|mi|ci))?"
    adjectives = rf"(?:(?!(?:{_SOMETHING_ELSE})\b)[\w'-]+\s+){{0,4}}"
    return rf"\b(?:{verbs}){pronoun}\s+(?:{articles})\s+{adjectives}(?:{nouns})\b"


#: a language without an article, where `сделай видео ярче` edits
_RUSSIAN = (
    r"\b(?:создай(?:те)?|создать|сгенерируй(?:те)?|сгенерировать)\s+(?:мне\s+|нам\s+)?"
    r"(?:(?!(?:для|из|к|в|на|это|мо[её])\b)[\w-]+\s+){0,3}(?:видео|ролик|видеоролик|фильм|клип|трейлер)\b"
)
_ROWS = (
    _with_article(
        "gen[eé]ra(?:r|me)?|crea|crear|cr[eé]ame|haz|hazme|hacer|produce|producir|elabora",
        "un|una",
        "v[ií]deo|anuncio|corto|cortometraje|clip|reel|spot|tr[aá]iler",
    ),
    _with_article(
        "gere|gera|gerar|crie|cria|criar|fa[cç]a|faz|fazer|produza|produzir",
        "um|uma",
        "v[ií]deo|an[uú]ncio|clipe|reel|trailer",
    ),
    _with_article(
        "g[eé]n[eè]rer?|g[eé]n[eé]rez|cr[eé]er?|cr[eé]ez|fais|faire|faites|r[eé]aliser?|r[eé]alisez|produis|produire",
        "un|une",
        "vid[eé]o|film|clip|pub|spot|bande-annonce|teaser",
    ),
    _with_article(
        "erstellen?|erstell|generieren?|generier|erzeugen?|machen?|mach|produzieren?|drehe?",
        "ein|eine|einen",
        r"\w*video|\w*film|\w*clip|\w*spot|trailer",
    ),
    r"\beinen?\s+(?:[\w'-]+\s+){0,3}\w*(?:film|clip|spot)\s+(?:[\w'-]+\s+){0,8}(?:erstellen|generieren|erzeugen|machen)\b",
    r"\bein\s+(?:[\w'-]+\s+){0,3}\w*video\s+(?:[\w'-]+\s+){0,8}(?:erstellen|generieren|erzeugen|machen)\b",
    _with_article(
        "genera|generare|generami|crea|creare|creami|fai|fammi|realizza|realizzare|produci",
        "un|uno",
        "video|filmato|cortometraggio|film|clip|spot|trailer",
    ),
    _RUSSIAN,
    r"(?:動画|ビデオ|映像|ムービー)を[^。、\n]{0,12}(?:作(?!り直)|制作|生成)",
    r"(?:영상|비디오)(?:을|를)?\s*(?:하나\s*)?(?:만들어|생성해|제작해)",
    r"(?:أنشئ|اصنع|إنشاء|أنتج|توليد)\s+(?:لي\s+)?(?:مقطع\s+)?فيديو(?!\w)",
    r"(?:वीडियो|विडियो)\s+(?:बनाओ|बनाएं|बनाइए|बना\s+दो)|\bvideo\s+(?:banao|banaye|bana\s+do)\b",
)
MAKES_A_FILM = re.compile("|".join(_ROWS), re.IGNORECASE)
#: one of these stands in each of those that are written in ASCII alone
ASCII_PARTS = (
    *("crea", "cree", "crie", "cria", "gener", "gera", "gere", "produ", "elabora", "realis", "realiz"),
    *("haz", "hacer", "faz", "fais", "fait", "fai ", "fammi", "mach", "erstell", "erzeug", "dreh", "bana"),
)

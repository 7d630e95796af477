"""The demo's page, `demo-output/index.html`: each film with its prompt, before and after. Pure; no scripts, no network."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from sandbox.world.demo.table import Row

_STYLE = """
:root { color-scheme: light dark; --back: #f6f4ef; --card: #fff; --ink: #1f2328; --soft: #5d6670; --line: #dcd8cf; --mark: #0f6b62 }
@media (prefers-color-scheme: dark) {
  :root { --back: #15171b; --card: #1e2126; --ink: #e8e6e1; --soft: #a2a9b1; --line: #343942; --mark: #6fd0c2 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main, header, footer { max-width: 70rem; margin: auto; padding: 1rem }
header { padding-top: 2.5rem }
h1 { margin: 0; font-size: 2rem; line-height: 1.2 }
h2 { margin: 0; font-size: 1.05rem; overflow-wrap: anywhere }
h3 { margin: 0 0 .35rem; font-size: .8rem; color: var(--soft); font-weight: 600 }
p { margin: .4rem 0 }
a { color: var(--mark) }
.soft { color: var(--soft) }
article { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.25rem; margin: 0 0 1.5rem }
blockquote { margin: .5rem 0 1rem; font-size: 1.3rem; line-height: 1.35 }
.film { display: grid; grid-template-columns: 3fr 2fr; gap: 1.25rem; margin-bottom: 1rem }
video { width: 100%; aspect-ratio: 16 / 9; background: #000; border-radius: 8px; display: block }
ul { margin: 0; padding-left: 1.1rem }
dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem .8rem; margin: .8rem 0 0; font-size: .9rem }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
figure { margin: .8rem 0 0 }
figure img { display: block; width: 100%; height: auto; border-radius: 6px }
figure img.sound { height: 2rem; margin-top: .25rem }
figure.few img { width: 50% }
@media (max-width: 45rem) {
  .film { grid-template-columns: 1fr }
  article { padding: 1rem }
  blockquote { font-size: 1.1rem }
  figure.few img { width: 100% }
}
"""

#: so few stills are shown at the size of all others
HALF_A_ROW = 3


class Shown(NamedTuple):
    """One film on the page; `given` names the files in ``input/``, and `stills` counts those of their contact sheet."""

    prompt: str
    row: Row
    given: tuple[str, ...]
    stills: int


def page_of(films: Sequence[Shown], credits_: Sequence[str]) -> str:
    """Write the page. What was said to and by the backend is text here, never markup."""
    articles = "\n".join(_article(film) for film in films)
    credit = "".join(f"<p>{escape(words)}</p>" for words in credits_)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Reelgate: five films from one sentence each</title>
<style>{_STYLE}</style>
<header>
<h1>Five films from one sentence each</h1>
<p class="soft">Each was uploaded, edited, rendered and called back by Reelgate on this machine, with the sandbox as its backend.</p>
</header>
<main>
{articles}
</main>
<footer class="soft">
{credit}<p>All other scenes, voices and music are made by code.</p>
</footer>
</html>
"""


def _article(film: Shown) -> str:
    row = film.row
    name = escape(row.skill)
    changes = "".join(f"<li>{escape(change)}</li>" for change in row.changes)
    return f"""<article id="{name}">
<h2 class="soft">{name}</h2>
<blockquote>“{escape(film.prompt)}”</blockquote>
<div class="film">
<video controls preload="none" poster="pictures/{name}-poster.jpg" src="{name}.mp4"></video>
<div>
<h3>What changed</h3>
<ul>{changes}</ul>
<dl>{_facts(row)}</dl>
</div>
</div>
{_sheet(f"{name}-before", _before(film), few=film.stills <= HALF_A_ROW, sound=row.before_s > 0)}
{_sheet(f"{name}-after", f"After: {row.duration_s:.1f} s")}
</article>"""


def _facts(row: Row) -> str:
    facts = (
        ("Length", f"{row.duration_s:.1f} s" + (f", from {row.before_s:.1f} s" if row.before_s else "")),
        ("Picture", row.resolution),
        ("Made in", f"{row.took_s:.1f} s"),
        ("Callback", row.callback),
        ("Job", row.job_id),
    )
    return "".join(f"<dt>{name}</dt><dd>{escape(words)}</dd>" for name, words in facts)


def _before(film: Shown) -> str:
    links = ", ".join(f'<a href="input/{escape(name)}">{escape(name)}</a>' for name in film.given)
    return f"Before: {links}" + (f", {film.row.before_s:.1f} s" if film.row.before_s else "")


def _sheet(name: str, caption: str, *, few: bool = False, sound: bool = True) -> str:
    wave = f'\n<img class="sound" src="pictures/{name}-sound.png" alt="Its sound">' if sound else ""
    return f"""<figure{' class="few"' if few else ""}>
<h3>{caption}</h3>
<picture><source media="(max-width: 45rem)" srcset="pictures/{name}-narrow.jpg"><img src="pictures/{name}.jpg" alt="Stills"></picture>{wave}
</figure>"""

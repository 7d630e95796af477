"""API reference page at `/docs`, drawn in the reader's browser by Scalar: search, samples, keys, calls from the page.

Scalar is one script, which came with this distribution and is served by this process, under its digest. The page holds no
script of its own, and all that would ask another host is off; its policy would forbid it, too.
https://scalar.com/products/api-references/configuration
"""

from html import escape
from importlib.metadata import PackageNotFoundError, files
from json import dumps
from pathlib import Path
from typing import Any

#: Styles are written into the page by the script: of six on its first view, three are attributes, two are elements
#: without a nonce, and one alone takes it. No style can tell anybody anything: whatever is fetched is fetched here.
SCALAR_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_NOWHERE = ""
#: https://github.com/scalar/scalar/blob/main/documentation/configuration.md
_CONFIGURATION: dict[str, Any] = {
    "featuredClients": ["shell/curl", "python/requests", "node/fetch", "go/native"],
    "documentDownloadType": "direct",
    "modelsSectionLabel": "Schemas",
    "orderSchemaPropertiesBy": "preserve",
    # What was to be read until the script had come.
    "customCss": "#until-drawn { display: none }",
    # A key lives as long as the page.
    "persistAuth": False,
    # What asks, or leads to, another host.
    "telemetry": False,
    "withDefaultFonts": False,
    "hideClientButton": True,
    "showDeveloperTools": "never",
    "agent": {"disabled": True},
    "mcp": {"disabled": True},
    "externalUrls": dict.fromkeys(("dashboardUrl", "registryUrl", "proxyUrl", "apiBaseUrl"), _NOWHERE),
}


def find_script() -> Path | None:
    """Find Scalar's script among the files of this distribution; None: it was installed in a way that has none.

    Beside ``scalar.<digest>.js`` stands the same as gzip, ``scalar.<digest>.js.gz`` (`hatch_build.py`).
    """
    try:
        ours = files("reelgate") or ()
    except PackageNotFoundError:
        return None
    scripts = [Path(str(each.locate())).resolve() for each in ours if each.match("share/reelgate/scalar.*.js")]
    return next((script for script in scripts if script.is_file()), None)


def scalar_page(title: str, script_name: str, *, public_path: str = "") -> str:
    """Write the page; `public_path` is before all that it asks for, ``/reelgate``.

    Who runs no scripts is led to the plain one; who waits for the script can go there, too.
    """
    root = escape(public_path)
    plain = f'<a href="{root}/docs/plain">without scripts</a>'
    configuration = dumps({"url": f"{public_path}/openapi.json", **_CONFIGURATION})
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,">'
        f'<noscript><meta http-equiv="refresh" content="0; url={root}/docs/plain"></noscript></head>'
        f'<body><p id="until-drawn">This page is drawn by a script. It is also there {plain}.</p>'
        f'<script id="api-reference" data-configuration="{escape(configuration)}"></script>'
        f'<script src="{root}/docs/{escape(script_name)}"></script></body></html>'
    )

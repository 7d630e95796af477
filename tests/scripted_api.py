"""A server that answers as a test says, however wrongly: for what no real API does, and networks and proxies do."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: answers one request, by its handler
Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class ScriptedApi:
    """What was asked, as (method, path, headers, body), and what is answered to each path."""

    url: str = ""
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    replies: dict[str, list[Reply]] = field(default_factory=dict)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Play the next reply of this path; the last one of each stays."""
        length = int(handler.headers.get("content-length") or 0)
        body = handler.rfile.read(length)
        path = handler.path.partition("?")[0]
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.asked.append((handler.command, path, headers, body))
        coming = self.replies.get(path)
        if not coming:
            gives(404, {"code": "not_found", "status": 404, "detail": "Nothing is there."})(handler)
            return
        (coming.pop(0) if len(coming) > 1 else coming[0])(handler)


def gives(status: int, body: Any, **headers: str) -> Reply:
    """Answer with a body; what is not bytes is written as JSON. Underscores in header names are dashes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def reply(handler: BaseHTTPRequestHandler) -> None:
        told = {"content-type": "application/json", "content-length": str(len(data))}
        handler.send_response(status)
        for name, value in (told | {name.replace("_", "-"): value for name, value in headers.items()}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    return reply


def breaks(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection without a word, although the request came."""
    handler.close_connection = True


@contextmanager
def scripted_api() -> Iterator[ScriptedApi]:
    """Run one on a free port of this machine."""
    api = ScriptedApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        api.answer(handler)

    for method in ("GET", "POST", "PUT", "DELETE"):
        setattr(Handler, f"do_{method}", answer)

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Say nothing of callers that went away."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A small HTTP server whose faults can be chosen."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class RangeServer:
    """What it serves, how it fails, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: int | None = None  # bytes after which each answer breaks off
    cuts_left: int = 10**6  # how many answers break off
    ignores_ranges: bool = False
    busy_answers: int = 0  # how many times it answers 503 first
    url: str = ""
    ranges: list[str | None] = field(default_factory=list)
    agents: list[str | None] = field(default_factory=list)


@contextmanager
def serve() -> Iterator[RangeServer]:
    """Serve on a free port of 127.0.0.1."""
    state = RangeServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.ranges.append(self.headers.get("Range"))
            state.agents.append(self.headers.get("User-Agent"))
            if state.busy_answers > 0:
                state.busy_answers -= 1
                self.send_error(503)
                return
            content = state.files.get(self.path.lstrip("/"))
            if content is None:
                self.send_error(404)
                return
            first = 0
            asked = self.headers.get("Range")
            if asked and not state.ignores_ranges:
                first = int(asked.removeprefix("bytes=").removesuffix("-"))
                if first >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content) - first))
            self.end_headers()
            body = content[first:]
            if state.cut_after is not None and state.cuts_left > 0:
                state.cuts_left -= 1
                body = body[: state.cut_after]
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()

"""Something for the exporters to talk to: takes OTLP over HTTP and counts it, so telemetry is on while we measure."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class OtlpSink:
    """A collector that forgets. `requests` counts what was exported to it."""

    def __init__(self) -> None:
        self.requests = 0
        sink = self

        class Handler(BaseHTTPRequestHandler):
            """Accepts everything."""

            def do_POST(self) -> None:  # the base class's name
                """Read and forget."""
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                sink.requests += 1
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The OTLP endpoint."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

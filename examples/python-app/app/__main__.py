"""Serves a greeting on port 8000."""

from http.server import BaseHTTPRequestHandler, HTTPServer

from greeting import greeting


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(greeting().encode())


HTTPServer(("", 8000), Handler).serve_forever()

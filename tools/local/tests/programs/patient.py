"""A service for the supervisor's tests: ready at once, or what its environment asks of it."""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

if os.environ.get("PATIENT_EXIT"):
    print("a setting is wrong", file=sys.stderr)
    sys.exit(int(os.environ["PATIENT_EXIT"]))

if os.environ.get("PATIENT_STUBBORN"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        ready = not os.environ.get("PATIENT_WAITS")
        body = (
            b'{"ready": true}' if ready else b'{"components": {"consumer": {"ok": false, "detail": "no partitions"}}}'
        )
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(os.environ["CONVOBOSS_HTTP_PORT"])), Answer).serve_forever()

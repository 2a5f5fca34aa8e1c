"""Receives webhooks and verifies them with the reference implementation of Standard Webhooks.

webhook_receiver.py HOST PORT SECRET INTO
Takes two of three, and answers the others with an error or not at all. Appends "STATUS ID TYPE SHA256_OF_BODY" to INTO for each
request that is signed well, "FORGED" for one that is not; a taken one is on disk before it is answered.
"""

import hashlib
import http.server
import json
import os
import random
import sys

from standardwebhooks.webhooks import Webhook

host, port, secret, into = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
known = Webhook(secret)
lines = open(into, "a", encoding="utf-8")


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            known.verify(body, dict(self.headers))
        except Exception:
            self.note("FORGED")
            return self.answer(400)
        status = random.choice([200, 204, 202, 202, 500, 0])
        digest = hashlib.sha256(body).hexdigest()
        self.note(f"{status} {self.headers['webhook-id']} {json.loads(body)['type']} {digest}")
        if status:
            self.answer(status)

    def note(self, line):
        lines.write(line + "\n")
        lines.flush()
        os.fsync(lines.fileno())

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.HTTPServer.allow_reuse_address = True
http.server.HTTPServer((host, port), Receiver).serve_forever()

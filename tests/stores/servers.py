"""Servers on loopback: moto's S3 in a process of its own, a proxy that fails on purpose, plain HTTP."""

import http.client
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

SIGNED = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request"
"""moto wants to see a signature, and does not check it."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Moto:
    """An S3 server."""

    def __enter__(self):
        self.port = free_port()
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                assert self._process.poll() is None, "moto's server did not start"
                assert time.monotonic() < until
                time.sleep(0.02)
            else:
                break
        self.address = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def make_bucket(self, name):
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        asked.request("PUT", f"/{name}", headers={"Authorization": SIGNED})
        assert asked.getresponse().status == 200
        asked.close()


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Server:
    """A server in a thread of this process."""

    def __init__(self, handler):
        self._server = _Listening(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Proxy(Server):
    """Hands requests on to a server, unless `fail` says otherwise.

    ``fail(number, method, path)`` gives None, a status to answer with, ``"drop"`` to hang up without an
    answer, or ``"lose"`` to hang up after the server has done what was asked.
    """

    def __init__(self, port, fail):
        self.fail = fail
        self.count = 0
        self.failed = 0
        self._lock = threading.Lock()
        super().__init__(partial(_Handing, self, port))

    def decide(self, method, path):
        with self._lock:
            self.count += 1
            what = self.fail(self.count, method, path)
            self.failed += what is not None
            return what


class _Handing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, proxy, port, *words):
        self.proxy, self.port = proxy, port
        super().__init__(*words)

    def _hand_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        what = self.proxy.decide(self.command, self.path)
        if what == "drop":
            self.close_connection = True
            return
        if isinstance(what, int):
            self._answer(what, {}, b"<Error><Code>Trouble</Code><Message>on purpose</Message></Error>")
            return
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            asked.request(self.command, self.path, body, {"Authorization": SIGNED, **self.headers})
            answer = asked.getresponse()
            content = answer.read()
        finally:
            asked.close()
        if what == "lose":
            self.close_connection = True
            return
        kept = {k: v for k, v in answer.getheaders() if k.lower() not in ("connection", "content-length")}
        size = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self._answer(answer.status, kept, content, size)

    def _answer(self, status, headers, content, size=None):
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", size or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _hand_on

    def log_message(self, *_):
        pass


class Plain(Server):
    """What ``python -m http.server`` is, for one folder."""

    def __init__(self, folder):
        super().__init__(partial(_Silent, directory=str(folder)))


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

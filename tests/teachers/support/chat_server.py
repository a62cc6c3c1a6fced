"""A server that speaks OpenAI's chat completions on loopback, well or badly, as it is told.

Each request is answered by the next behaviour, and when there are no more, by the last one again.
A behaviour is a function of the handler of a request; the functions below make them.
"""

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = b"x" * 65_536


class Server:
    """Listens until it is closed.

    Attributes:
        url: what clients take as base_url.
        requests: what was asked, as (headers, JSON of the body).
        sent: bytes of bodies that could be sent.
    """

    def __init__(self, behaviours):
        self.behaviours = list(behaviours)
        self.requests = []
        self.sent = 0
        self.closing = threading.Event()
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.http.daemon_threads = True
        self.http.block_on_close = False
        self.http.owner = self
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        self.thread = threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self.thread.start()

    def close(self):
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    @property
    def asked(self):
        """The JSON of each request."""
        return [body for _, body in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        owner = self.server.owner
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with owner.lock:
            number = len(owner.requests)
            owner.requests.append((self.headers, json.loads(body)))
            behaviour = owner.behaviours[min(number, len(owner.behaviours) - 1)]
        self.close_connection = True
        with contextlib.suppress(ConnectionError):
            behaviour(self)

    def log_message(self, format, *args):
        pass

    def head(self, status=200, length=None, headers=()):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()

    def write(self, data):
        self.wfile.write(data)
        self.server.owner.sent += len(data)


def completion(text, *, usage=(11, 7), **message):
    """The JSON of a good answer."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, **message},
        "finish_reason": "stop",
    }
    answer = {"id": "1", "object": "chat.completion", "created": 0, "choices": [choice]}
    if usage is not None:
        answer["usage"] = dict(zip(("prompt_tokens", "completion_tokens"), usage, strict=True))
    return answer


def body(data, status=200, **headers):
    """Sends JSON, or bytes as they are."""
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def behave(handler):
        handler.head(status, len(data), named)
        handler.write(data)

    return behave


def says(text, **settings):
    """Answers well, with this text."""
    return body(completion(text, **settings))


def error(status, message="", **headers):
    """Answers with an error, as OpenAI words them."""
    return body({"error": {"message": message, "type": "error"}}, status, **headers)


def echoes(status):
    """Answers with all that it was sent, keys among it."""

    def behave(handler):
        data = json.dumps({"error": {"message": f"bad request: {dict(handler.headers)}"}}).encode()
        handler.head(status, len(data), {"X-Echo": handler.headers["Authorization"]})
        handler.write(data)

    return behave


def long(size, status=200):
    """Sends so many bytes."""

    def behave(handler):
        handler.head(status, size)
        for _ in range(0, size, len(PIECE)):
            handler.write(PIECE)

    return behave


def endless(status=200):
    """Sends without end, as fast as it can."""

    def behave(handler):
        handler.head(status)
        while not handler.server.owner.closing.is_set():
            handler.write(PIECE)

    return behave


def trickles(pause=0.02):
    """Sends a good answer's first bytes, and then one space now and then, for ever."""

    def behave(handler):
        handler.head()
        handler.write(b'{"choices": ')
        while not handler.server.owner.closing.wait(pause):
            handler.write(b" ")

    return behave


def trickles_headers(pause=0.02):
    """Never comes to the end of its headers."""

    def behave(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not handler.server.owner.closing.wait(pause):
            handler.wfile.write(b"x")

    return behave


def silent():
    """Takes the request and says nothing."""

    def behave(handler):
        handler.server.owner.closing.wait(60)

    return behave


def drops(after=0):
    """Ends the connection after so many bytes of a good answer; 0 is before its first header."""
    data = json.dumps(completion("never whole")).encode()

    def behave(handler):
        if after:
            handler.head(length=len(data))
            handler.write(data[:after])

    return behave


def refuses_formats(*formats):
    """Answers well unless the format of the answer is one of these."""

    def behave(handler):
        asked = handler.server.owner.requests[-1][1]
        wanted = asked.get("response_format", {}).get("type", "text")
        if wanted in formats:
            error(400, f"response_format {wanted} is not supported")(handler)
        else:
            says(f"as {wanted}")(handler)

    return behave


def slowly(seconds, behaviour):
    """Behaves so after a while."""

    def behave(handler):
        time.sleep(seconds)
        behaviour(handler)

    return behave

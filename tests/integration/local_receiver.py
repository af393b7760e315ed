"""A receiver whose every answer the test decides: HTTPS or plain, in the test's own process, with a list of what came.

    receiver = ScriptedReceiver(world.certificate(), lambda request: 500 if request.number == 1 else 200)

An answer is a status; or (status, headers); or (status, headers, body); or HANG, which keeps the request open until release() or the end. `number`
counts from 1 over the whole receiver. Signatures are not its business: foreign receivers check those.
"""
import http.server
import socketserver
import ssl
import threading
import time
from collections import namedtuple

HANG = object()

Request = namedtuple('Request', 'number path headers body at port')


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def handle_error(self, request, client_address):
        pass  # a sender that hangs up is an ordinary thing here


class ScriptedReceiver:
    def __init__(self, certificate=None, answer=lambda request: 200):
        self.answer = answer
        self.requests = []
        self.connections = 0
        self.lock = threading.Lock()
        self.released = threading.Event()
        context = None
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
        self.server = _Server(('127.0.0.1', 0), self._handler(context))
        self.port = self.server.server_address[1]
        self.scheme = 'https' if certificate else 'http'
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True)
        self.thread.start()

    def _handler(receiver, context):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            timeout = 120
            disable_nagle_algorithm = True

            def setup(self):
                with receiver.lock:
                    receiver.connections += 1
                if context:  # the handshake, in this connection's own thread
                    self.request.settimeout(30)
                    self.request = context.wrap_socket(self.request, server_side=True)
                super().setup()

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
                with receiver.lock:
                    number = len(receiver.requests) + 1
                    request = Request(number, self.path, self.headers, body, time.monotonic(), receiver.port)
                    receiver.requests.append(request)
                answer = receiver.answer(request)
                if answer is HANG:
                    receiver.released.wait(timeout=120)
                    self.close_connection = True
                    return
                status, headers, text = (*answer, b'')[:3] if isinstance(answer, tuple) else (answer, {}, b'')
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header('Content-Length', str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        return Handler

    def url(self, host='localhost', path='/hook'):
        return f'{self.scheme}://{host}:{self.port}{path}'

    def count(self):
        with self.lock:
            return len(self.requests)

    def bodies(self):
        with self.lock:
            return [request.body for request in self.requests]

    def release(self):
        """What hangs is dropped."""
        self.released.set()

    def close(self):
        self.release()
        self.server.shutdown()
        self.server.server_close()

"""A proxy that knows CONNECT, on a free port of loopback, with a ledger of what it was asked.

    proxy = ConnectProxy()                        # opens every tunnel
    proxy = ConnectProxy(answer=lambda ask: 502)  # refuses with a status; or HANG; or CLOSE
    proxy = ConnectProxy(credentials='user:password')
"""
import base64
import select
import socket
import threading
from collections import namedtuple

HANG, CLOSE = object(), object()

Ask = namedtuple('Ask', 'number line headers')


class ConnectProxy:
    def __init__(self, answer=lambda ask: 200, credentials=None):
        self.answer, self.credentials = answer, credentials
        self.asks = []              # each CONNECT
        self.connections = 0
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.tunnels = []
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            head = b''
            while b'\r\n\r\n' not in head:
                data = client.recv(4096)
                if not data:
                    return
                head += data
            lines = head.decode('latin-1').split('\r\n\r\n')[0].split('\r\n')
            headers = {name.lower(): value.strip() for name, value in (line.split(':', 1) for line in lines[1:])}
            with self.lock:
                ask = Ask(len(self.asks) + 1, lines[0], headers)
                self.asks.append(ask)
            answer = self.answer(ask)
            if self.credentials and headers.get('proxy-authorization') != 'Basic ' + base64.b64encode(self.credentials.encode()).decode():
                answer = 407
            if answer is HANG:
                self.ending.wait(timeout=120)
            elif answer is not CLOSE:
                self._answer(client, lines[0].split()[1], answer)

    def _answer(self, client, place, status):
        if status != 200:
            client.sendall(f'HTTP/1.1 {status} No\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'.encode())
            return
        host, port = place.rsplit(':', 1)
        with socket.create_connection((host.strip('[]'), int(port)), timeout=30) as server:
            client.sendall(b'HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n')
            with self.lock:
                self.tunnels.append((client, server))
            while True:
                ready, _, _ = select.select([client, server], [], [], 120)
                for one in ready:
                    try:
                        data = one.recv(65536)
                        (server if one is client else client).sendall(data)
                    except OSError:
                        return
                    if not data:
                        return
                if not ready:
                    return

    def cut(self):
        """Every open tunnel ends, at both ends."""
        with self.lock:
            for pair in self.tunnels:
                for one in pair:
                    try:
                        one.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
            self.tunnels.clear()

    def url(self, credentials=''):
        return f'http://{credentials + "@" if credentials else ""}127.0.0.1:{self.port}'

    def places(self):
        with self.lock:
            return [ask.line.split()[1] for ask in self.asks]

    def close(self):
        self.ending.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # an accept() that waits would keep it open
        except OSError:
            pass
        self.listener.close()
        self.cut()

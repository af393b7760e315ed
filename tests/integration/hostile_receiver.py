"""A receiver on a raw socket that does what its script says, byte for byte, plain or in TLS, and keeps a ledger.

    receiver = HostileReceiver(lambda peer: (peer.read_request(), peer.send(OK)), context)

A script is called once for each connection, in a thread of its own, with a Peer. TLS is done over memory, so that the
script can also do what no TLS library offers: stall in a handshake, reset in a record, close without saying so.

The ledger is the oracle of every case: the id of each POST whose head arrived, and the number of connections.
"""
import ctypes
import fcntl
import select
import socket
import ssl
import struct
import threading
import time
from collections import Counter

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
LIMIT_S = 120
_UNACKNOWLEDGED = 0x5411  # SIOCOUTQ


class Gone(Exception):
    """The other side has closed, reset, or will not take any more."""


class Peer:
    """One connection. `number` is its place in the order of arrival, from 1."""

    def __init__(self, receiver, sock, number):
        self.receiver, self.sock, self.number = receiver, sock, number
        self.buffer = b''
        self.tls = None
        sock.settimeout(LIMIT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # --- bytes ------------------------------------------------------------------------------------

    def receive_raw(self, size=65536):
        try:
            data = self.sock.recv(size)
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        return data

    def send_raw(self, data):
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Gone from error

    def begin_tls(self, context):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def flush(self):
        self.send_raw(self.outgoing.read())

    def handshake(self):
        while True:
            try:
                self.tls.do_handshake()
                self.flush()
                return
            except ssl.SSLWantReadError:
                self.flush()
                self.incoming.write(self.receive_raw())
            except ssl.SSLError as error:
                self.flush()  # the alert
                raise Gone from error

    def receive(self, size=65536):
        if not self.tls:
            return self.receive_raw(size)
        while True:
            try:
                data = self.tls.read(size)
                if not data:
                    raise Gone
                return data
            except ssl.SSLWantReadError:
                self.incoming.write(self.receive_raw(size))
            except ssl.SSLError as error:
                raise Gone from error

    def send(self, data):
        if not self.tls:
            self.send_raw(data)
            return
        self.tls.write(data)
        self.flush()

    # --- requests ---------------------------------------------------------------------------------

    def read_head(self, size=65536):
        """Up to the empty line, not further than the last read went; the POST is in the ledger."""
        while b'\r\n\r\n' not in self.buffer:
            self.buffer += self.receive(size)
        head, self.buffer = self.buffer.split(b'\r\n\r\n', 1)
        fields = dict(line.lower().split(b': ', 1) for line in head.split(b'\r\n')[1:])
        self.receiver.note(fields[b'webhook-id'].decode())
        return fields

    def read_request(self):
        """All of the next request; its body."""
        length = int(self.read_head()[b'content-length'])
        while len(self.buffer) < length:
            self.buffer += self.receive()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return body

    # --- ends -------------------------------------------------------------------------------------

    def reset(self):
        """RST, now. What was sent before is in the other side's kernel already: this is loopback."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.sock.close()

    def close_notify(self):
        if self.tls:
            try:
                self.tls.unwrap()
            except ssl.SSLError:
                pass  # the other side's close_notify has not come; ours is written
            self.flush()

    def half_close(self, politely=True):
        if politely:
            self.close_notify()
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise Gone from error

    def wait_for_close(self):
        while True:
            self.receive_raw()

    def wait_without_reading(self):
        poll = select.poll()
        poll.register(self.sock, select.POLLRDHUP)
        if not self.receiver.closing.is_set():
            poll.poll(LIMIT_S * 1000)

    def pause(self, seconds):
        """A drop's distance from the next one; over at once when the other side is gone."""
        poll = select.poll()
        poll.register(self.sock, select.POLLRDHUP)
        if poll.poll(seconds * 1000):
            raise Gone

    def wait_until_taken(self):
        """All that was sent is in the other side's kernel."""
        end = time.monotonic() + LIMIT_S
        while struct.unpack('i', fcntl.ioctl(self.sock, _UNACKNOWLEDGED, b'\0\0\0\0'))[0]:
            assert time.monotonic() < end, 'what was sent is not taken'
            time.sleep(0.001)

    def flood(self, first, again, pause_s=0):
        """`again` after `first` for ever: until the other side is gone."""
        self.send(first)
        while True:
            self.send(again)
            if pause_s:
                self.pause(pause_s)


class HostileReceiver:
    """`prepare` says what to do before the script, which for TLS is the handshake."""

    def __init__(self, script, context=None, receive_buffer=0, handshake=True):
        self.script, self.context, self.handshake = script, context, handshake
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.judged = threading.Event()  # set by the test: the engine has its verdict
        self.ledger = Counter()
        self.connections = 0
        self.open = set()
        self.faults = []
        self.listener = socket.socket()
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind(('127.0.0.1', 0))
        self.listener.listen(512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept_all, daemon=True).start()

    def note(self, ident):
        with self.lock:
            self.ledger[ident] += 1

    def posts(self, ident=None):
        with self.lock:
            return self.ledger[ident] if ident else sum(self.ledger.values())

    def accept_all(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                peer = Peer(self, sock, self.connections)
                self.open.add(peer)
            threading.Thread(target=self.run, args=(peer,), daemon=True).start()

    def run(self, peer):
        try:
            if self.context:
                peer.begin_tls(self.context)
                if self.handshake:
                    peer.handshake()
            self.script(peer)
        except Gone:
            pass
        except Exception as error:  # pylint: disable=broad-except
            if not self.closing.is_set():
                self.faults.append(error)
        finally:
            peer.sock.close()
            with self.lock:
                self.open.discard(peer)

    def close(self):
        self.closing.set()
        self.judged.set()
        for sock in [self.listener, *(peer.sock for peer in tuple(self.open))]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.listener.close()


class Refusing:
    """A port that nobody listens at, and nobody else can take."""
    connections, faults = 0, ()

    def __init__(self):
        self.judged = threading.Event()
        self.listener = socket.socket()
        self.listener.bind(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]

    def posts(self, _=None):
        return 0

    def close(self):
        self.listener.close()


class BlackHole(Refusing):
    """A port whose queue of connections is full: what comes next gets no answer at all, as from a black hole."""

    def __init__(self):
        super().__init__()
        self.listener.listen(0)
        self.fillers = []
        for _ in range(3):
            self.fillers.append(socket.socket())
            self.fillers[-1].setblocking(False)
            self.fillers[-1].connect_ex(('127.0.0.1', self.port))

    def close(self):
        super().close()
        for filler in self.fillers:
            filler.close()


def server_context(certificate, version=None, client_authority=None, alpn=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if version:
        context.minimum_version = context.maximum_version = version
    if client_authority:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_authority)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


_SELECT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_char_p),
                           ctypes.POINTER(ctypes.c_ubyte), ctypes.c_char_p, ctypes.c_uint, ctypes.c_void_p)


@_SELECT
def _select_h2(_ssl, out, out_length, _offered, _size, _argument):
    out[0] = b'h2'
    out_length[0] = 2
    return 0


def choose_h2_unasked(context):
    """The context answers ALPN with h2 whatever was offered. Python's own interface never would, so OpenSSL is told
    directly; its SSL_CTX is the first field of Python's object, behind the two of every object."""
    native = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    libssl = ctypes.CDLL('libssl.so.3')
    libssl.SSL_CTX_set_alpn_select_cb.argtypes = [ctypes.c_void_p, _SELECT, ctypes.c_void_p]
    libssl.SSL_CTX_set_alpn_select_cb(native, _select_h2, None)
    return context

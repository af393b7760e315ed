"""The 36 ways to misbehave (some in several forms): what each receiver does, and what must come of it.

`verdict`: `delivered`; or `retried`: every attempt fails with `error`, and the last one ends the delivery; or `gone`:
the endpoint is switched off at once. `words`: what the attempt's record says. `posts`: POSTs in the receiver's ledger
for each attempt; where it does not read, it is one connection for each attempt instead (None).

23, 24 and 29 are stories of several requests, told in hostile_test.py.
"""
import gzip
import ssl
from collections import namedtuple

from hostile_receiver import OK
from world import LIMIT_S

Case = namedtuple('Case', 'number name script verdict error words posts transports large tls handshake',
                  defaults=[1, ('http', 'https'), False, 'good', True])

STRAY = b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray'
STATUS = b'HTTP/1.1 200 OK\r\n'
CHUNKED = STATUS + b'Transfer-Encoding: chunked\r\n\r\n'
CHUNK = b'4000\r\n' + bytes(0x4000) + b'\r\n'
LINE = b'X-Filler: ' + b'x' * 1000 + b'\r\n'
TLS = ('https',)
PLAIN = ('http',)
BOMB = gzip.compress(bytes(20_000_000))

MAYBE_PROCESSED = 'died without an answer; the request may have been processed'
IN_THE_MIDDLE = 'died in the middle of the answer'


def answering(data, keep=True):
    """Reads each request and answers; keeps the connection, or ends it with the first answer."""
    def script(peer):
        while True:
            peer.read_request()
            peer.send(data)
            if not keep:
                fin(peer)
    return script


def then(data, end):
    """Reads the request, says `data`, and ends so."""
    def script(peer):
        peer.read_request()
        if data:
            peer.send(data)
        end(peer)
    return script


def reset(peer):
    peer.reset()


def fin(peer):
    peer.half_close()
    peer.wait_for_close()


def truncate(peer):
    """As one who cuts the wire would: no close_notify."""
    peer.half_close(politely=False)
    peer.wait_for_close()


def hold(peer):
    peer.wait_for_close()


def read_once_judged(peer):
    """Who reads it all before the engine gets to look cannot be told from one who read first."""
    peer.receiver.judged.wait(LIMIT_S)
    peer.wait_for_close()


def flooding(first, again, pause_s=0):
    return then(b'', lambda peer: peer.flood(first, again, pause_s))


def head_only(end):
    """Reads the head and leaves the body where it is."""
    def script(peer):
        peer.read_head(1024)
        end(peer)
    return script


def part_of_the_body(peer):
    peer.read_head(1024)
    for _ in range(20):
        peer.receive(1024)
    peer.reset()


def early(answer, end):
    return head_only(lambda peer: (peer.send(answer), end(peer)))


def without_reading(peer):
    peer.wait_without_reading()


def half_a_server_hello(peer):
    try:
        peer.incoming.write(peer.receive_raw())
        peer.tls.do_handshake()
    except ssl.SSLWantReadError:
        flight = peer.outgoing.read()
        peer.send_raw(flight[:len(flight) // 2])
    peer.wait_for_close()


def broken_record(peer):
    peer.read_request()
    peer.send(STATUS + b'Content-Length: 2\r\n\r\n')
    peer.send_raw(b'\x17\x03\x03\x00\x20' + bytes(32))
    peer.wait_for_close()


def flapping(peer):
    while True:
        peer.read_request()
        good = peer.receiver.posts() % 2 == 0
        peer.send(OK if good else b'HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n')


def redirect(status, location):
    return answering(b'HTTP/1.1 %d Elsewhere\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n' % (status, location))


def challenge(scheme):
    return answering(b'HTTP/1.1 401 Who\r\nWWW-Authenticate: %s\r\nContent-Length: 0\r\n\r\n' % scheme)


def plain_http_in_tls(peer):
    peer.receive_raw()
    peer.send_raw(b'HTTP/1.1 400 Plain\r\nContent-Length: 0\r\n\r\n')
    peer.wait_for_close()


def _answers():
    """Case and answer, where the receiver reads the request, answers and closes."""
    yield 8, 'answer and half-close', OK, 'delivered', 'none', ''
    yield 8, 'half an answer and half-close', OK[:-1], 'retried', 'reset', IN_THE_MIDDLE
    yield 17, 'announces less than it sends', OK + STRAY, 'delivered', 'none', ''
    yield 18, 'announces more than it sends', STATUS + b'Content-Length: 9\r\n\r\nabc', 'retried', 'reset', IN_THE_MIDDLE
    yield 19, 'chunk size that is none', CHUNKED + b'zz\r\nabc\r\n0\r\n\r\n', 'retried', 'protocol', 'chunks'
    yield 19, 'chunk longer than its size', CHUNKED + b'3\r\nabcdef\r\n0\r\n\r\n', 'retried', 'protocol', 'chunks'
    yield 19, 'chunk size beyond 64 bits', CHUNKED + b'f' * 17 + b'\r\nabc\r\n', 'retried', 'protocol', 'chunks'
    yield 19, 'negative chunk size', CHUNKED + b'-3\r\nabc\r\n0\r\n\r\n', 'retried', 'protocol', 'chunks'
    yield 19, 'no last chunk', CHUNKED + b'3\r\nabc\r\n', 'retried', 'reset', IN_THE_MIDDLE
    yield 19, 'no end after the last chunk', CHUNKED + b'3\r\nabc\r\n0\r\n', 'retried', 'reset', IN_THE_MIDDLE
    both = b'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
    yield 20, 'length and chunks', STATUS + both, 'retried', 'protocol', 'both Content-Length and Transfer-Encoding'
    swapped = b'Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
    yield 20, 'chunks and length', STATUS + swapped, 'retried', 'protocol', 'both Content-Length and Transfer-Encoding'
    yield 20, 'two lengths', STATUS + b'Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc', 'retried', 'protocol', 'two'
    yield 21, 'HTTP/0.9', b'<html>200 OK</html>\n', 'retried', 'protocol', 'not HTTP'
    yield 21, 'noise', bytes(range(128, 256)) * 4, 'retried', 'protocol', 'not HTTP'
    yield 21, 'another protocol', b'220 mail.example ESMTP\r\n', 'retried', 'protocol', 'not HTTP'
    yield 21, 'status that is none', b'HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n', 'retried', 'protocol', '999'
    yield 31, '410', b'HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n', 'gone', 'status', '410'
    bomb = b'Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n' % len(BOMB)
    yield 32, 'gzip bomb', STATUS + bomb + BOMB, 'delivered', 'none', ''
    switch = b'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'
    yield 36, '101', switch, 'retried', 'protocol', 'switched protocols'
    yield 36, '101 and then 200', switch + OK, 'retried', 'protocol', 'switched protocols'
    yield 36, '204 with a body', b'HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nstray', 'delivered', 'none', ''
    yield 15, 'one interim answer', b'HTTP/1.1 103 Early\r\nLink: x\r\n\r\n' + OK, 'delivered', 'none', ''
    yield 15, 'interim answer only', b'HTTP/1.1 100 Continue\r\n\r\n', 'retried', 'reset', IN_THE_MIDDLE


def _floods():
    # What is already on its way keeps coming until the sender hangs up, which it does at once.
    yield 12, 'endless chunks', CHUNKED, CHUNK, 'body is over 1 MiB'
    yield 12, 'endless small chunks', CHUNKED, b'1\r\nx\r\n' * 5000, 'body is over 1 MiB'
    yield 12, 'endless body without a length', STATUS + b'\r\n', CHUNK, 'body is over 1 MiB'
    yield 12, 'giant length', STATUS + b'Content-Length: 99999999999\r\n\r\n', CHUNK, 'body is over 1 MiB'
    yield 13, 'endless headers', STATUS, LINE, 'headers of the answer are over 64 KiB'
    yield 13, 'endless small headers', STATUS, b'A:\r\n' * 5000, 'over 500 header lines'
    yield 14, 'giant header', STATUS + b'X: ', b'x' * 10_000, 'header line of the answer is over'
    yield 14, 'header over 16 KiB', STATUS + b'X: ' + b'x' * 20_000 + b'\r\n', LINE, 'header line of the answer is over'
    yield 14, 'giant status line', b'HTTP/1.1 200 ', b'x' * 10_000, 'header line of the answer is over'
    yield 15, 'endless 100', b'', b'HTTP/1.1 100 Continue\r\n\r\n' * 100, 'too many interim'
    yield 15, 'endless 103', b'', b'HTTP/1.1 103 Early\r\nLink: x\r\n\r\n' * 100, 'too many interim'
    yield 15, 'one endless 103', b'HTTP/1.1 103 Early\r\n', LINE, 'headers of the answer are over 64 KiB'
    yield 16, 'endless trailers', CHUNKED + b'0\r\n', LINE, 'headers of the answer are over 64 KiB'
    yield 32, 'endless gzip', STATUS + b'Content-Encoding: gzip\r\n\r\n', BOMB, 'body is over 1 MiB'


def _timeouts():
    yield 3, 'silence', then(b'', hold), 'no answer within'
    yield 8, 'half a head, and then nothing', then(OK[:20], hold), 'not complete within'
    yield 10, 'dripped head', flooding(STATUS + b'X-Slow: ', b'x', 0.05), 'not complete within'
    yield 11, 'dripped body', flooding(STATUS + b'Content-Length: 100000\r\n\r\n', b'x', 0.05), 'not complete within'
    yield 11, 'dripped chunks', flooding(CHUNKED, b'1\r\nx\r\n', 0.05), 'not complete within'
    yield 12, 'dripped chunk size', flooding(CHUNKED + b'1;', b'x' * 500, 0.05), 'not complete within'
    yield 18, 'announces more and waits', then(STATUS + b'Content-Length: 9\r\n\r\nabc', hold), 'not complete within'


def _ends():
    """Case and script, where the connection dies: always a reset, but not always after a POST was read."""
    yield 4, 'RST after the head', head_only(reset), 'the connection died', 1, True
    yield 5, 'RST in the body', part_of_the_body, 'the connection died', 1, True
    yield 6, 'RST after the body', then(b'', reset), MAYBE_PROCESSED, 1, False
    yield 6, 'RST in the status line', then(OK[:12], reset), 'the connection died', 1, False
    yield 6, 'RST in the head', then(STATUS, reset), IN_THE_MIDDLE, 1, False
    yield 6, 'RST in the answer', then(OK[:-1], reset), IN_THE_MIDDLE, 1, False
    yield 6, 'RST in a body without a length', then(STATUS + b'\r\nabc', reset), IN_THE_MIDDLE, 1, False
    yield 7, 'FIN without reading', fin, 'the connection died', None, False
    yield 7, 'FIN after the body', then(b'', fin), MAYBE_PROCESSED, 1, False
    yield 7, 'FIN in the status line', then(OK[:12], fin), 'the connection died', 1, False
    yield 7, 'FIN after the status line', then(STATUS, fin), IN_THE_MIDDLE, 1, False
    yield 7, 'FIN in the head', then(STATUS + b'Content-Length: 0\r\n', fin), IN_THE_MIDDLE, 1, False
    yield 7, 'FIN in a header line', then(STATUS + b'Content-Le', fin), IN_THE_MIDDLE, 1, False
    yield 25, 'processes and dies', then(b'', lambda peer: None), MAYBE_PROCESSED, 1, False


def cases(trap):
    """`trap`: where the redirects lead."""
    for number, name, answer, verdict, error, words in _answers():
        yield Case(number, name, answering(answer, keep=verdict != 'retried' and number != 8), verdict, error, words)
    for number, name, first, again, words in _floods():
        yield Case(number, name, flooding(first, again), 'retried', 'too_large', words)
    for number, name, script, words in _timeouts():
        yield Case(number, name, script, 'retried', 'timeout', words)
    for number, name, script, words, posts, large in _ends():
        yield Case(number, name, script, 'retried', 'reset', words, posts, large=large)
    # It may come before the sender has noticed that it is connected.
    yield Case(4, 'RST before the body', reset, 'retried', 'reset|connect', 'connect', None)
    yield Case(6, 'RST after the answer', then(OK, reset), 'delivered', 'none', '')
    yield Case(6, 'RST after an answer without a body', then(b'HTTP/1.1 204 No\r\n\r\n', reset), 'delivered', 'none', '')
    yield Case(8, 'body that ends with the connection', then(STATUS + b'\r\nok', fin), 'delivered', 'none', '')
    # Its head came whole and authentic; whether the body did is not what a delivery hangs on.
    yield Case(8, 'body that ends with the wire cut', then(STATUS + b'\r\nok', truncate), 'delivered', 'none', '',
               transports=TLS)
    yield Case(9, 'zero window', without_reading, 'retried', 'timeout', 'the request was not taken within', None,
               large=True)
    yield Case(21, 'a record that cannot be read', broken_record, 'retried', 'tls|reset', '', transports=TLS)
    yield from _early()
    yield from _statuses(trap)
    yield from _handshakes()


def _early():
    words = 'answered before the request was sent'
    yield Case(22, '200 before the body', early(OK, without_reading), 'retried', 'protocol', words, large=True)
    yield Case(22, '200 before the body, then a reset', early(OK, reset), 'retried',
               'protocol|reset', f'{words}|the connection died', large=True)  # the reset may be seen first
    yield Case(22, '200 before the body, which is read later', early(OK, read_once_judged), 'retried', 'protocol', words,
               large=True)
    yield Case(22, '302 before the body', early(b'HTTP/1.1 302 No\r\nContent-Length: 0\r\n\r\n', without_reading),
               'retried', 'protocol', words, large=True)
    yield Case(22, '413 before the body', early(b'HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n', without_reading),
               'retried', 'status', '413', large=True)


def _statuses(trap):
    metadata = b'http://169.254.169.254/latest/meta-data/'
    for status in (301, 302, 303, 307, 308):
        yield Case(26, f'{status} to a metadata address', redirect(status, metadata), 'retried', 'redirect', str(status))
        yield Case(26, f'{status} to another port', redirect(status, trap), 'retried', 'redirect', 'not followed')
    yield Case(27, 'redirect to itself', redirect(307, b'/hook'), 'retried', 'redirect', 'not followed')
    yield Case(27, 'refresh to itself', answering(b'HTTP/1.1 503 No\r\nRefresh: 0; url=/\r\nContent-Length: 0\r\n\r\n'),
               'retried', 'status', '503')
    for scheme in (b'Basic realm="x"', b'Digest realm="x", nonce="y", algorithm=MD5, qop="auth"', b'Negotiate', b'NTLM'):
        yield Case(28, '401 ' + scheme.split()[0].decode(), challenge(scheme), 'retried', 'status', '401')
    yield Case(28, '407', answering(b'HTTP/1.1 407 P\r\nProxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'),
               'retried', 'status', '407')
    yield Case(30, '503 every other time', flapping, 'delivered', 'status', '503')


def _handshakes():
    nothing = {'posts': 0, 'transports': TLS}
    for tls, words in (('expired', 'expired'), ('wrong-host', 'no alternative certificate subject name'),
                       ('self-signed', 'self'), ('unknown-authority', 'certificate refused')):
        yield Case(33, f'certificate: {tls}', hold, 'retried', 'tls', words, tls=tls, **nothing)
    for name, script in (('TLS stalls', hold), ('TLS stalls in the first flight', half_a_server_hello)):
        yield Case(34, name, script, 'retried', 'timeout', 'TLS handshake was not finished', handshake=False, **nothing)
    for version in ('1.2', '1.3'):
        yield Case(34, f'demands a client certificate, TLS {version}', hold, 'retried', 'tls', 'certificate required'
                   if version == '1.3' else 'alert', tls='demands-' + version, **nothing)
    yield Case(34, 'plain HTTP where TLS should be', plain_http_in_tls, 'retried', 'tls', 'TLS handshake failed',
               handshake=False, **nothing)
    yield Case(34, 'only TLS 1.1', hold, 'retried', 'tls', 'TLS handshake failed', tls='old', **nothing)
    yield Case(35, 'ALPN: none of what is offered', answering(OK), 'delivered', 'none', '', transports=TLS, tls='alpn-other')
    yield Case(35, 'ALPN: h2, unasked', hold, 'retried', 'tls', 'TLS handshake failed', tls='alpn-h2', **nothing)


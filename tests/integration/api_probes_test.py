#!/usr/bin/env python3
"""Malformed and smuggling requests at the built binary: every line of http_probes.txt over TCP, the Unix socket and TLS, with a
request behind it that must never be taken for one, beside a client that means well; and the limits that need no waiting."""
import json
import os
import re
import socket
import ssl
import sys
import threading

try:
    from api_client import LIMIT_S, Api
except ImportError as missing:
    print(f'cannot run here: {missing}', file=sys.stderr)
    sys.exit(77)

from api_scenario import ApiScenario, line
from world import HERE, run_scenarios, wait_until

EVENT = line('smuggled').encode()
NAMED = {b'\\r': b'\r', b'\\n': b'\n', b'\\t': b'\t', b'\\\\': b'\\'}


def probe_bytes(text, fields):
    text = text.replace(b'$POST', b'POST /v1/events HTTP/1.1\\r\\nHost: a\\r\\n' + fields).replace(b'$PATH', b'/v1/events')
    text = re.sub(rb'<(\d+)\*(.*?)>', lambda found: found[2] * int(found[1]), text)
    return re.sub(rb'\\(?:x..|.)', lambda found: NAMED.get(found[0]) or bytes([int(found[0][2:], 16)]), text)


def probes(fields=b''):
    """(name, status, bytes) of each; `fields` are added where a body is, with \\r\\n as in the file."""
    with open(os.path.join(HERE, 'http_probes.txt'), 'rb') as file:
        for row in file:
            if not row.startswith(b'#'):
                name, status, text = row.rstrip(b'\n').split(b' ', 2)
                yield name.decode(), status, probe_bytes(text, fields)


class Probes(ApiScenario):
    def connect(self, kind):
        if kind == 'unix':
            return self.raw()
        client = socket.create_connection(self.tcp, timeout=LIMIT_S)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if kind == 'tls':
            client = ssl.create_default_context(cafile=self.world.authority()[0]).wrap_socket(client, server_hostname='localhost')
        return client

    def answer_to(self, kind, request):
        """All that comes back until the server closes."""
        with self.connect(kind) as client:
            try:
                client.sendall(request)
            except OSError:
                pass  # it has answered and closed already; what it said is still there
            return self.all_of(client)

    def refuses_all(self, kind, fields=b''):
        authorization = fields.replace(b'\\r\\n', b'\r\n')
        behind = b'POST /v1/events HTTP/1.1\r\nHost: a\r\n%bContent-Length: %d\r\n\r\n%b' % (authorization, len(EVENT), EVENT)
        seen = 0
        for name, status, request in probes(fields):
            with self.subTest(f'{kind}: {name}'):
                answer = self.answer_to(kind, request + behind)
                head, _, body = answer.partition(b'\r\n\r\n')
                self.assertEqual(head.split(b' ', 2)[1:2], [status], answer[:200])
                self.assertIn(b'\r\nConnection: close', head)
                self.assertIn(b'\r\nContent-Type: application/problem+json', head)
                self.assertEqual(len(body), int(re.search(rb'Content-Length: (\d+)', head)[1]), 'one answer and nothing behind it')
                self.assertEqual(json.loads(body)['type'], 'urn:outrider:problem:http')
            seen += 1
        self.assertGreaterEqual(seen, 118)

    def all_refused_beside_a_good_client(self, kind, fields=b'', client=None):
        """Meanwhile a client that means well publishes on one connection that lasts."""
        good = client or self.api
        done, published = threading.Event(), []

        def publish():
            connection = good.connect()
            while not done.is_set() or not published:
                published.append(good.post('/v1/events', json.loads(line('good')), connection=connection).status)
        thread = threading.Thread(target=publish)
        thread.start()
        try:
            self.refuses_all(kind, fields)
        finally:
            done.set()
            thread.join()
        self.assertEqual(set(published), {202})
        self.assertEqual(self.world.sql('SELECT count(*) FROM outrider_event'), [(len(published),)])

    def test_every_probe_over_the_unix_socket_gets_one_error_and_a_close(self):
        self.serve()
        self.all_refused_beside_a_good_client('unix')

    def test_every_probe_over_tcp_gets_one_error_and_a_close(self):
        token = self.token('publish')
        self.serve()
        self.all_refused_beside_a_good_client('tcp', f'Authorization: Bearer {token}\\r\\n'.encode(), Api(self.tcp, token))

    def test_every_probe_over_tls_gets_one_error_and_a_close(self):
        token = self.token('publish')
        certificate, key = self.world.certificate()
        self.world.serve('--listen', f'0.0.0.0:{self.port}', '--tls-cert', certificate, '--tls-key', key)
        client = Api(self.tcp, token, self.world.authority()[0])
        self.all_refused_beside_a_good_client('tls', f'Authorization: Bearer {token}\\r\\n'.encode(), client)

    def test_a_head_that_is_refused_is_refused_before_its_body_whatever_that_is(self):
        self.serve()
        answer = self.answer_to('tcp', b'POST /v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz')
        self.assertEqual(answer.split(b' ', 2)[1], b'401')
        answer = self.answer_to('unix', b'POST /v1/nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n')
        self.assertEqual((answer.split(b' ', 2)[1], answer.count(b'HTTP/1.1')), (b'404', 1))

    def test_an_upgrade_is_not_followed(self):
        self.serve()
        fields = b'Connection: Upgrade, close\r\nUpgrade: websocket\r\n'
        answer = self.answer_to('unix', b'GET /healthz HTTP/1.1\r\nHost: a\r\n' + fields + b'\r\n')
        self.assertEqual(answer.split(b' ', 2)[1], b'200')
        self.assertNotIn(b'Upgrade', answer)

    def test_what_fits_a_limit_exactly_is_read_and_one_more_is_not(self):
        self.serve()

        def status(head):
            answer = self.answer_to('unix', head + b'Connection: close\r\n\r\n')
            return int(answer.split(b' ', 2)[1])
        start = b'GET /healthz HTTP/1.1\r\nHost: a\r\n'
        self.assertEqual((status(start + b'X: a\r\n' * 62), status(start + b'X: a\r\n' * 63)), (200, 431))
        used = len(start) + len(b'X: \r\nConnection: close\r\n\r\n')
        most = 16 * 1024 - used
        self.assertEqual((status(start + b'X: %b\r\n' % (b'a' * most)), status(start + b'X: %b\r\n' % (b'a' * (most + 1)))), (200, 431))

    def test_1024_connections_are_served_one_more_is_told_so_and_a_place_is_free_again(self):
        self.serve()
        clients = [self.connect('tcp') for _ in range(1024)]
        wait_until(lambda: self.answer_to('tcp', b'').startswith(b'HTTP/1.1 503 '), 'the last of them is counted')
        clients[500].sendall(b'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
        self.assertTrue(clients[500].recv(100).startswith(b'HTTP/1.1 200 '))
        for client in clients:
            client.close()
        wait_until(lambda: self.answer_to('tcp', b'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
                   .startswith(b'HTTP/1.1 200 '), 'there is room again')

    def test_probes_by_the_thousand_leave_no_memory_behind(self):
        server = self.serve()

        def resident():
            with open(f'/proc/{server.pid}/status', encoding='ascii') as status:
                return int(next(row for row in status if row.startswith('VmRSS')).split()[1]) / 1024
        small = [request for _, _, request in probes() if len(request) < 30_000]
        for request in small:
            self.answer_to('unix', request)
        before = resident()
        for _ in range(10):
            for request in small:
                self.answer_to('unix', request)
        self.assertLess(resident() - before, 16)


if __name__ == '__main__':
    run_scenarios()

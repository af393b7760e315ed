#!/usr/bin/env python3
"""The foreign receivers themselves: each accepts its provider's published vectors and fresh signatures, refuses every
change, answers as it is told, and keeps its ledger. A receiver that accepted anything would prove nothing of a sender.

usage: receivers_test.py [TEST]...
"""
import base64
import hashlib
import hmac
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(HERE, '..', '..', 'vectors')
LIMIT_S = 60
PROGRAMS = {
    'node': ['node', os.path.join(HERE, 'node_receiver.js')],
    'php': ['php', os.path.join(HERE, 'php_receiver.php')],
    'python': [sys.executable, os.path.join(HERE, 'python_receiver.py')],
}
OFFERS = {
    'node': ['lossexpress', 'credit-app', 'standard-webhooks', 'stripe', 'github'],
    'php': ['lender-spender', 'credit-app'],
    'python': ['lossexpress', 'credit-app', 'lender-spender', 'standard-webhooks', 'stripe', 'github'],
}


def read_vectors():
    with open(os.path.join(VECTORS, 'signatures.json'), encoding='utf-8') as file:
        return json.load(file)


def read_body(name):
    with open(os.path.join(VECTORS, name), 'rb') as file:
        return file.read()


def digest(key, message):
    return hmac.new(key, message, hashlib.sha256)


def fresh_stripe(secret, body, at):
    return {'Stripe-Signature': f't={at},v1={digest(secret.encode(), f"{at}.".encode() + body).hexdigest()}'}


def fresh_standard_webhooks(secret, body, at):
    key = base64.b64decode(secret.removeprefix('whsec_'))
    signature = base64.b64encode(digest(key, f'msg_1.{at}.'.encode() + body).digest()).decode()
    return {'webhook-id': 'msg_1', 'webhook-timestamp': str(at), 'webhook-signature': f'v1,{signature}'}


def samples(provider):
    """(secret, headers, body) that a receiver of this provider must accept now."""
    vectors, now = read_vectors(), int(time.time())
    if provider == 'lossexpress':
        return [(v['key'], {'X-LossExpress-Signature': v['X-LossExpress-Signature']}, v['body'].encode())
                for v in vectors['lossexpress']]
    if provider == 'credit-app':
        return [(v['key'], {'X-CREDIT-APP-SIGNATURE': v['hmac_sha256_hex']}, read_body(v['body_file']))
                for v in vectors['appexport']]
    if provider == 'lender-spender':
        return [(v['key'], {'Signature': v['Signature']}, v['body'].encode()) for v in vectors['spatie']]
    if provider == 'github':  # the receiver reads JSON; one of the vectors is a plain text
        return [(v['secret'], {'X-Hub-Signature-256': v['X-Hub-Signature-256']}, v['body'].encode())
                for v in vectors['github'] if v['body'].startswith('{')]
    sign = fresh_stripe if provider == 'stripe' else fresh_standard_webhooks
    known = vectors['stripe'] if provider == 'stripe' else vectors['standardwebhooks'][:2]
    return [(v['secret'], sign(v['secret'], v['body'].encode(), now), v['body'].encode()) for v in known]


class Receivers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='outrider-receivers-')
        cls.certificate, cls.key = os.path.join(cls.folder, 'cert.pem'), os.path.join(cls.folder, 'key.pem')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                        '-keyout', cls.key, '-out', cls.certificate, '-subj', '/CN=receiver', '-days', '2',
                        '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
                       check=True, capture_output=True, timeout=LIMIT_S)
        cls.trust = ssl.create_default_context(cafile=cls.certificate)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def start(self, kind, provider, secret, *options):
        """A running receiver: (port, path of its ledger)."""
        secret_file, ledger = (os.path.join(self.folder, f'{name}-{time.monotonic_ns()}') for name in ('secret', 'ledger'))
        with open(secret_file, 'w', encoding='utf-8') as file:
            file.write(secret + '\n')
        process = subprocess.Popen(
            [*PROGRAMS[kind], '--provider', provider, '--secret-file', secret_file, '--ledger', ledger, *options],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        line = process.stdout.readline()
        self.assertTrue(line.strip().isdigit(), f'{kind} did not start: {line!r}')
        return int(line), ledger

    def start_tls(self, kind, provider, secret, *options):
        return self.start(kind, provider, secret, '--cert', self.certificate, '--key', self.key, *options)

    def post(self, port, headers, body, tls=True, limit_s=LIMIT_S):
        connection = (http.client.HTTPSConnection('127.0.0.1', port, timeout=limit_s, context=self.trust) if tls
                      else http.client.HTTPConnection('127.0.0.1', port, timeout=limit_s))
        try:
            connection.request('POST', '/hook?x=1', body, {'Content-Type': 'application/json', **headers})
            return connection.getresponse().status
        finally:
            connection.close()

    def lines(self, ledger):
        with open(ledger, encoding='utf-8') as file:
            return [json.loads(line) for line in file]

    def each(self):
        for kind, providers in OFFERS.items():
            for provider in providers:
                yield kind, provider

    def test_each_accepts_what_is_signed_right_over_https(self):
        for kind, provider in self.each():
            for secret, headers, body in samples(provider):
                with self.subTest(kind=kind, provider=provider):
                    port, ledger = self.start_tls(kind, provider, secret)
                    self.assertEqual(self.post(port, {'webhook-id': 'evt_1', **headers}, body), 200)
                    line, = self.lines(ledger)
                    self.assertEqual((line['verified'], line['reason'], line['status']), (True, None, 200))
                    self.assertEqual((line['sequence'], line['path']), (1, '/hook?x=1'))
                    self.assertEqual(line['webhook_id'], headers.get('webhook-id', 'evt_1'))
                    self.assertEqual(line['sha256'], hashlib.sha256(body).hexdigest())
                    self.assertLess(abs(line['time'] - time.time()), 300)

    def test_each_refuses_a_changed_body_header_or_secret(self):
        for kind, provider in self.each():
            secret, headers, body = samples(provider)[0]
            with self.subTest(kind=kind, provider=provider):
                port, ledger = self.start(kind, provider, secret)
                at = body.index(b':') + 2
                for changed in (body[:at] + bytes([body[at] ^ 1]) + body[at + 1:], body[:-1], b''):
                    self.assertEqual(self.post(port, headers, changed, tls=False), 401)
                for name, value in headers.items():
                    last = value.rstrip('=')[-1]
                    changed = value.replace(last, 'A' if last != 'A' else 'B')
                    self.assertEqual(self.post(port, {**headers, name: changed}, body, tls=False), 401, name)
                    without = {key: text for key, text in headers.items() if key != name}
                    self.assertEqual(self.post(port, without, body, tls=False), 401, name)
                lines = self.lines(ledger)
                self.assertEqual([line['sequence'] for line in lines], list(range(1, len(lines) + 1)))
                self.assertTrue(all(not line['verified'] and line['reason'] and line['status'] == 401 for line in lines))
                other = secret[:-2] + ('AA' if not secret.endswith('AA') else 'BB')
                port, _ = self.start(kind, provider, other)
                self.assertEqual(self.post(port, headers, body, tls=False), 401)

    def test_those_with_timestamps_refuse_old_ones(self):
        for kind, sign in (('node', fresh_stripe), ('node', fresh_standard_webhooks),
                           ('python', fresh_stripe), ('python', fresh_standard_webhooks)):
            provider = 'stripe' if sign is fresh_stripe else 'standard-webhooks'
            with self.subTest(kind=kind, provider=provider):
                secret, _, body = samples(provider)[0]
                port, _ = self.start(kind, provider, secret)
                now = int(time.time())
                self.assertEqual(self.post(port, sign(secret, body, now - 3600), body, tls=False), 401)
                self.assertEqual(self.post(port, sign(secret, body, now), body, tls=False), 200)

    def test_a_receiver_that_stringifies_again_refuses_a_body_with_blanks(self):
        key, body = 'abc', b'{"payoffId": "p1"}'
        headers = {'X-LossExpress-Signature': digest(key.encode(), body + b':p1').hexdigest()}
        port, _ = self.start('node', 'lossexpress', key)
        self.assertEqual(self.post(port, headers, body, tls=False), 401)
        port, _ = self.start('python', 'lossexpress', key)
        self.assertEqual(self.post(port, headers, body, tls=False), 200)

    def test_each_answers_as_it_is_told(self):
        for kind in PROGRAMS:
            with self.subTest(kind=kind):
                secret, headers, body = samples('credit-app')[0]
                port, ledger = self.start(kind, 'credit-app', secret, '--status', '418', '--fail-first', '2')
                statuses = [self.post(port, headers, body, tls=False), self.post(port, {}, body, tls=False),
                            *(self.post(port, headers, body, tls=False) for _ in range(2))]
                self.assertEqual(statuses, [500, 401, 500, 418])
                self.assertEqual([line['status'] for line in self.lines(ledger)], statuses)

    def test_one_that_hangs_keeps_the_request_and_goes_on_receiving(self):
        for kind in PROGRAMS:
            with self.subTest(kind=kind):
                secret, headers, body = samples('credit-app')[0]
                port, ledger = self.start_tls(kind, 'credit-app', secret, '--hang')
                for _ in range(2):
                    with self.assertRaises(TimeoutError):
                        self.post(port, headers, body, limit_s=1)
                deadline = time.monotonic() + LIMIT_S
                while len(self.lines(ledger)) < 2 and time.monotonic() < deadline:
                    time.sleep(0.01)
                self.assertEqual([(line['verified'], line['status']) for line in self.lines(ledger)], [(True, 0)] * 2)

    def test_each_survives_clients_that_say_nothing_or_nonsense(self):
        for kind in PROGRAMS:
            with self.subTest(kind=kind):
                secret, headers, body = samples('credit-app')[0]
                port, ledger = self.start_tls(kind, 'credit-app', secret)
                for nonsense in (b'', b'GET / HTTP/1.1\r\n\r\n', b'\x16\x03\x01\x00\x05hello'):
                    with self.connect(port) as client:
                        client.sendall(nonsense)
                self.assertEqual(self.post(port, headers, body), 200)
                self.assertEqual(len(self.lines(ledger)), 1)

    def test_wrong_arguments_are_refused(self):
        for kind, program in PROGRAMS.items():
            with self.subTest(kind=kind):
                done = subprocess.run([*program, '--provider', 'no-such'], capture_output=True, timeout=LIMIT_S)
                self.assertEqual((done.returncode, done.stdout), (2, b''))
                self.assertIn(b'usage', done.stderr)

    @staticmethod
    def connect(port):
        return socket.create_connection(('127.0.0.1', port), timeout=LIMIT_S)


if __name__ == '__main__':
    unittest.main(verbosity=2)

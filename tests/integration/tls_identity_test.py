#!/usr/bin/env python3
"""TLS identities from the command line to the wire: which certificate a receiver sees, whom the engine trusts, what is shown."""
import hashlib
import http.server
import json
import ssl
import threading

from world import Scenario, run_scenarios, wait_until

EVENT = {'loan': 7}


class AskingReceiver:
    """Asks its clients for a certificate; notes the digest of what they gave (None: nothing) and each body."""

    def __init__(self, certificate, clients, required, newest=None):
        self.seen = []
        self.status = 200
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        if newest:
            context.maximum_version = newest
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def setup(self):
                self.request.settimeout(30)
                self.request = context.wrap_socket(self.request, server_side=True)
                super().setup()

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
                given = self.request.getpeercert(binary_form=True)
                receiver.seen.append((hashlib.sha256(given).hexdigest() if given else None, body))
                self.send_response(receiver.status)
                self.send_header('Content-Length', '0')
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_):
                pass  # a handshake that fails is an ordinary thing here

        self.server = Server(('127.0.0.1', 0), Handler)
        self.url = f'https://localhost:{self.server.server_address[1]}/hook'
        threading.Thread(target=self.server.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class TlsIdentity(Scenario):
    def setUp(self):
        super().setUp()
        self.world.add_provider(retry={'delays_s': [1000], 'max_attempts': 2})

    def receiver(self, required=True, **options):
        made = AskingReceiver(self.world.certificate(), self.world.authority('clients')[0], required, **options)
        self.world.on_end.append(made.close)
        return made

    def client(self, name):
        """Options that give an endpoint this client's certificate."""
        certificate, key = self.world.certificate(name, authority='clients')
        return ['--tls-cert', certificate, '--tls-key', key]

    def add(self, url, *options):
        return self.world.add_endpoint('quick', url, 'a shared secret', *options)

    def attempt(self, endpoint):
        event = self.world.send('quick', 'loan.paid', EVENT, '--endpoint', endpoint)
        return wait_until(lambda: self.world.delivery(event)['log'], 'an attempt is recorded')[0]

    def shown(self, endpoint):
        return self.world.json('endpoint', 'show', endpoint)['tls']

    def test_each_endpoint_of_one_receiver_is_met_under_its_own_certificate(self):
        receiver = self.receiver(required=False)
        self.world.serve()
        endpoints = [self.add(receiver.url, *self.client('acme')), self.add(receiver.url, *self.client('globex')),
                     self.add(receiver.url)]
        expected = {}
        for endpoint in endpoints:
            chain = self.shown(endpoint)['certificate']
            expected[endpoint] = chain[0]['sha256'] if chain else None
        self.assertEqual(len(set(expected.values())), 3)
        for number in range(60):
            endpoint = endpoints[number % 3]
            self.world.send('quick', 'loan.paid', {'to': endpoint, 'number': number}, '--endpoint', endpoint)
        wait_until(lambda: len(receiver.seen) >= 60, 'all have come')
        self.assertEqual(sorted(body['number'] for _, body in receiver.seen), list(range(60)))
        for digest, body in receiver.seen:
            self.assertEqual(digest, expected[body['to']])

    def test_a_receiver_that_demands_a_certificate_refuses_who_has_none(self):
        receiver = self.receiver()
        self.world.serve()
        attempt = self.attempt(self.add(receiver.url))
        # With TLS 1.3 the receiver refuses after our side has finished the handshake; its reset may overtake its alert.
        said = {'tls': 'certificate required', 'reset': 'the connection died before the request was sent'}
        self.assertIn(attempt['error'], said, attempt)
        self.assertIn(said[attempt['error']], attempt['detail'])
        self.assertEqual(self.attempt(self.add(receiver.url, *self.client('acme')))['status'], 200)
        self.assertEqual(len(receiver.seen), 1)

    def test_an_endpoints_authority_is_trusted_instead_of_all_others(self):
        receiver = self.receiver(required=False)
        self.world.serve(ca=None)
        right, wrong = self.world.authority('test')[0], self.world.authority('other')[0]
        self.assertEqual(self.attempt(self.add(receiver.url))['error'], 'tls')
        self.assertEqual(self.attempt(self.add(receiver.url, '--tls-ca', right))['status'], 200)
        self.assertEqual(self.attempt(self.add(receiver.url, '--tls-ca', wrong))['error'], 'tls')

    def test_a_receiver_without_tls_1_3_is_refused_by_who_demands_it(self):
        receiver = self.receiver(required=False, newest=ssl.TLSVersion.TLSv1_2)
        self.world.serve()
        self.assertEqual(self.attempt(self.add(receiver.url))['status'], 200)
        attempt = self.attempt(self.add(receiver.url, '--tls-min', '1.3'))
        self.assertEqual(attempt['error'], 'tls', attempt)

    def test_what_is_shown_says_whose_and_until_when_and_never_the_key(self):
        self.world.serve()  # makes the database
        authority = self.world.authority('test')[0]
        options = [*self.client('acme'), '--tls-ca', authority, '--tls-min', '1.3']
        with open(options[3], encoding='ascii') as file:
            key_line = file.read().split('\n')[1]
        endpoint = self.add('https://acme.example/hook', *options)
        text = self.world.run('endpoint', 'show', endpoint)
        self.assertIn('CN=receiver, ends in', text)
        self.assertIn('CN=Outrider test authority test, ends in', text)
        self.assertRegex(text, r'TLS, oldest +1\.3')
        document = self.world.run('--json', 'endpoint', 'show', endpoint)
        tls = json.loads(document)['tls']
        self.assertEqual(tls['minimum'], '1.3')
        self.assertEqual(tls['certificate'][0]['issuer'], 'CN=Outrider test authority clients')
        self.assertEqual(tls['ca'][0]['subject'], 'CN=Outrider test authority test')
        for shown in (text, document):
            self.assertNotIn('PRIVATE KEY', shown)
            self.assertNotIn(key_line, shown)
        self.assertEqual(self.shown(self.add('https://acme.example/hook')), {'minimum': '1.2', 'certificate': [], 'ca': []})

    def test_what_cannot_work_is_refused_and_its_option_named(self):
        certificate, key = self.world.certificate('acme', authority='clients')
        other_key = self.world.certificate('globex', authority='clients')[1]
        expired = self.world.certificate('expired', authority='clients', days=-1)
        empty = self.world.write('empty.pem', '')
        for options, code, option in [
                (['--tls-cert', certificate], 2, '--tls-key'),
                (['--tls-key', key], 2, '--tls-key'),
                (['--tls-cert', certificate, '--tls-key', other_key], 2, f'--tls-key {other_key}'),
                (['--tls-cert', key, '--tls-key', key], 2, f'--tls-cert {key}'),
                (['--tls-cert', expired[0], '--tls-key', expired[1]], 2, 'expired'),
                (['--tls-cert', self.world.path('none.pem'), '--tls-key', key], 3, 'none.pem'),
                (['--tls-ca', key], 2, f'--tls-ca {key}'),
                (['--tls-ca', empty], 2, '--tls-ca'),
                (['--tls-ca', ''], 2, '--tls-ca'),
                (['--tls-min', '1.1'], 2, '--tls-min')]:
            with self.subTest(options=options):
                done = self.world.cli('endpoint', 'add', '--account', 'acme', '--provider', 'quick',
                                      '--url', 'https://acme.example/hook', *options)
                self.assertEqual(done.code, code, done.err)
                self.assertIn(option, done.err)
        done = self.world.cli('endpoint', 'add', '--account', 'acme', '--provider', 'quick',
                              '--url', 'http://acme.example/hook', '--tls-min', '1.3')
        self.assertEqual(done.code, 2)
        self.assertIn('without TLS', done.err)

    def test_a_certificate_that_is_replaced_is_used_by_what_is_sent_from_then_on(self):
        receiver = self.receiver(required=False)
        self.world.serve()
        endpoint = self.add(receiver.url, *self.client('acme'), '--tls-ca', self.world.authority('test')[0])
        before = self.shown(endpoint)
        self.assertEqual(self.attempt(endpoint)['status'], 200)
        after = self.world.json('endpoint', 'set-tls', endpoint, *self.client('renewed'))['tls']
        self.assertNotEqual(after['certificate'], before['certificate'])
        self.assertEqual(after['ca'], before['ca'])  # what is not given stays
        self.assertEqual(self.attempt(endpoint)['status'], 200)
        authority = self.world.json('endpoint', 'set-tls', endpoint, '--tls-ca', self.world.authority('other')[0])['tls']['ca']
        self.assertNotEqual(authority, before['ca'])
        self.assertEqual(self.attempt(endpoint)['error'], 'tls')  # the connection of before is not used again
        self.world.run('endpoint', 'set-tls', endpoint, '--no-tls-ca')
        self.world.run('endpoint', 'set-tls', endpoint, '--no-tls-cert')
        self.assertEqual(self.attempt(endpoint)['status'], 200)
        self.assertEqual([digest for digest, _ in receiver.seen],
                         [before['certificate'][0]['sha256'], after['certificate'][0]['sha256'], None])
        trail = [(row['action'], row['detail']) for row in self.world.json('audit', 'list')['audit']]
        self.assertEqual(trail, [('endpoint.set-tls', detail) for detail in (
            'no certificate', 'no authorities', 'authorities', 'certificate')] + [('endpoint.add', 'quick')])

    def test_what_waits_for_another_attempt_is_sent_under_the_new_certificate(self):
        receiver = self.receiver(required=False)
        receiver.status = 500
        self.world.serve()
        endpoint = self.add(receiver.url, *self.client('acme'))
        event = self.world.send('quick', 'loan.paid', EVENT, '--endpoint', endpoint)
        wait_until(lambda: self.world.delivery(event)['log'], 'an attempt is recorded')
        receiver.status = 200
        new = self.world.json('endpoint', 'set-tls', endpoint, *self.client('renewed'))['tls']['certificate'][0]['sha256']
        for number in range(20):
            self.world.send('quick', 'loan.paid', {'number': number}, '--endpoint', endpoint)
        self.world.run('event', 'retry', event)
        self.world.wait_for_state(event, 'delivered')
        wait_until(lambda: len(receiver.seen) >= 22, 'all have come')
        self.assertEqual({digest for digest, _ in receiver.seen[1:]}, {new})
        self.assertNotEqual(receiver.seen[0][0], new)

    def test_a_certificate_renewed_for_the_same_key_needs_no_key(self):
        receiver = self.receiver()
        self.world.serve()
        options = self.client('acme')
        endpoint = self.add(receiver.url, *options)
        before = self.shown(endpoint)['certificate'][0]['sha256']
        authority = self.world.authority('clients')
        renewed = self.world.path('acme-renewed.pem')
        self.world.openssl('x509', '-req', '-in', self.world.path('acme.csr'), '-CA', authority[0], '-CAkey', authority[1],
                           '-CAcreateserial', '-days', '2', '-out', renewed)
        after = self.world.json('endpoint', 'set-tls', endpoint, '--tls-cert', renewed)['tls']['certificate'][0]['sha256']
        self.assertNotEqual(after, before)
        self.assertEqual(self.attempt(endpoint)['status'], 200)
        self.assertEqual([digest for digest, _ in receiver.seen], [after])

    def test_settings_that_cannot_work_are_refused_and_change_nothing(self):
        self.world.serve()  # makes the database
        endpoint = self.add('https://acme.example/hook', *self.client('acme'))
        plain = self.add('http://acme.example/hook')
        before = self.shown(endpoint)
        other = self.client('globex')
        expired = self.world.certificate('expired', authority='clients', days=-1)
        for target, options, code, word in [
                (endpoint, [], 2, 'set-tls'),
                (endpoint, other[:2], 2, '--tls-key'),
                (endpoint, other[2:], 2, '--tls-cert'),
                (endpoint, [*other[:2], '--no-tls-cert'], 2, '--no-tls-cert'),
                (endpoint, ['--tls-cert', expired[0], '--tls-key', expired[1]], 2, 'expired'),
                (endpoint, ['--tls-ca', other[3]], 2, f'--tls-ca {other[3]}'),
                (endpoint, ['--tls-cert', self.world.path('none.pem'), *other[2:]], 3, 'none.pem'),
                (endpoint, ['--tls-min', '1.4'], 2, '--tls-min'),
                (plain, ['--tls-min', '1.3'], 2, 'without TLS'),
                ('ep_nonsense', ['--tls-min', '1.3'], 3, 'ep_nonsense')]:
            with self.subTest(options=options):
                done = self.world.cli('endpoint', 'set-tls', target, *options)
                self.assertEqual(done.code, code, done.err)
                self.assertIn(word, done.err)
        self.assertEqual(self.shown(endpoint), before)
        self.assertEqual(self.world.json('audit', 'list', '--action', 'endpoint.set-tls')['audit'], [])

    def test_the_key_is_nowhere_in_the_database_or_the_logs(self):
        receiver = self.receiver()
        serve = self.world.serve()
        options = self.client('acme')
        with open(options[3], encoding='ascii') as file:
            key_lines = [line.encode() for line in file.read().split('\n')[1:-2]]
        endpoint = self.add(receiver.url, *options)
        self.assertEqual(self.attempt(endpoint)['status'], 200)
        self.world.run('endpoint', 'set-tls', endpoint, *self.client('globex'))
        self.world.run('endpoint', 'set-tls', endpoint, *options)
        self.assertEqual(self.attempt(endpoint)['status'], 200)
        for name in (self.world.database, self.world.database + '-wal', serve.out_path, serve.err_path):
            with open(name, 'rb') as file:
                content = file.read()
            for line in key_lines:
                self.assertNotIn(line, content, name)


if __name__ == '__main__':
    run_scenarios()

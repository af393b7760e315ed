#!/usr/bin/env python3
"""`listen` and `verify`, with which developers of receivers look at what they get, against what `serve` really sends."""
import json

from local_receiver import ScriptedReceiver
from world import LOCAL, Scenario, example, run_scenarios, wait_until

STANDARD = 'whsec_AAfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS'
SEED = 'whsk_' + 'A' * 43 + '='  # 32 bytes of Ed25519 seed
EVENTS = [
    ('lossexpress', 'an API key', 'payoff', 'lossexpress/payoff.json'),
    ('credit-app', 'a secret', 'application_export', 'credit-app/application_export.json'),
    ('lender-spender', 'a signing secret', 'loan_application_status_update',
     'lender-spender/loan_application_status_update.json'),
    ('standard-webhooks', STANDARD, 'loan.paid', None),
    ('standard-webhooks', SEED, 'loan.paid', None),
    ('stripe', 'whsec_Astripe', 'loan.paid', None),
    ('github', 'a secret', 'push', None),
]


def payload_of(path):
    return example(path) if path else '{"loan": 7, "note": "caf\u00e9"}'


class ReceiverTools(Scenario):
    def listen(self, provider, secret, *options, name='listen'):
        """`outrider listen`: (its process, its URL)."""
        process = self.world.start(name, self.world.command('--json', 'listen', '--provider', provider, '--secret-file',
                                                            self.world.secret_file(secret), *options))
        return process, json.loads(process.ready_line())['listening']

    @staticmethod
    def receptions(process):
        return [json.loads(line) for line in process.out().splitlines()[1:]]

    def test_listen_verifies_what_serve_sends_for_every_provider(self):
        authorities = []
        listeners = []
        for number, (provider, secret, event_type, path) in enumerate(EVENTS):
            authority = self.world.path(f'listen-{number}.pem')
            process, url = self.listen(provider, secret, '--tls', '--ca-out', authority, '--count', '1', name=f'listen-{number}')
            self.assertTrue(url.startswith('https://'), url)
            with open(authority, encoding='ascii') as file:
                authorities.append(file.read())
            endpoint = self.world.add_endpoint(provider, url, secret)
            listeners.append((process, self.world.send(provider, event_type, payload_of(path), '--endpoint', endpoint)))
        self.world.start('serve', self.world.command(
            'serve', *LOCAL, '--ca-file', self.world.write('all.pem', ''.join(authorities)))).ready_line()
        for process, event in listeners:
            self.world.wait_for_state(event, 'delivered')
            self.assertEqual(process.wait(), 0)  # --count
            reception, = self.receptions(process)
            self.assertEqual((reception['verified'], reception['fault'], reception['answered']), (True, None, 200))
            self.assertEqual((reception['method'], reception['body']), ('POST', self.world.body(event)))

    def test_listen_says_what_is_wrong_with_a_signature_and_answers_401(self):
        process, url = self.listen('github', 'one secret')
        self.world.add_endpoint('github', url, 'another secret')
        self.world.serve('--allow-http')
        event = self.world.send('github', 'push', '{}')
        attempt = wait_until(lambda: self.world.delivery(event)['log'], 'an attempt is recorded')[0]
        self.assertEqual(attempt['status'], 401)
        reception, = self.receptions(process)
        self.assertFalse(reception['verified'])
        self.assertTrue(reception['fault'])
        self.assertNotIn('one secret', process.out())
        self.assertEqual(process.stop(), 0)

    def test_listen_fails_as_told(self):
        self.world.add_provider(retry={'delays_s': [1], 'max_attempts': 9}, deactivate={'consecutive': 0})
        process, url = self.listen('quick', 'a secret', '--fail-first', '2', '--status', '204')
        self.world.add_endpoint('quick', url, 'a secret')
        self.world.serve('--allow-http')
        event = self.world.send('quick', 'loan.paid', '{}')
        delivery = self.world.wait_for_state(event, 'delivered')
        self.assertEqual([attempt['status'] for attempt in delivery['log']], [500, 500, 204])
        self.assertEqual([reception['answered'] for reception in self.receptions(process)], [500, 500, 204])

    def test_verify_judges_saved_requests_of_every_provider(self):
        for number, (provider, secret, event_type, path) in enumerate(EVENTS):
            receiver = ScriptedReceiver(self.world.certificate())
            self.world.on_end.append(receiver.close)
            endpoint = self.world.add_endpoint(provider, receiver.url(), secret)
            event = self.world.send(provider, event_type, payload_of(path), '--endpoint', endpoint)
            if number == 0:
                self.world.serve()
            self.world.wait_for_state(event, 'delivered')
            request, = receiver.requests
            headers = [word for name, value in request.headers.items() for word in ('--header', f'{name}: {value}')]
            with self.subTest(provider=provider, secret=secret):
                self.judge(provider, secret, headers, request.body)

    def judge(self, provider, secret, headers, body):
        def verify(secret, body, *options):
            return self.world.cli('verify', '--provider', provider, '--secret-stdin', '--body-file',
                                  self.world.write('body', body), *headers, *options, stdin=secret)
        other_secret = secret.replace('A', 'B', 1) if secret.startswith('whs') else secret + 'x'
        right = verify(secret, body)
        self.assertEqual((right.code, right.err), (0, ''))
        self.assertEqual(verify(secret, body, '--tolerance', '5m').code, 0)
        others = [verify(secret, body + b' '), verify(secret, body.replace(b'a', b'b', 1)),
                  verify(other_secret, body)]
        if provider in ('standard-webhooks', 'stripe'):  # they sign the time
            others += [verify(secret, body, '--tolerance', '5m', '--at', '+1h'),
                       verify(secret, body, '--tolerance', '5m', '--at', '2024-05-01T09:30:00Z')]
        for other in others:
            self.assertEqual((other.code, other.out, other.err.count('\n')), (4, '', 1), other.err)


if __name__ == '__main__':
    run_scenarios()

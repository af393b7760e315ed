#!/usr/bin/env python3
"""From `outrider send` over real HTTPS to receivers that are not ours, in three languages, each of which verifies what it gets.

The customers' events are the example payloads of their documents, sent as published: with blanks and line ends.
"""
import base64
import hashlib
import json
import os
import re
import sys

from local_receiver import ScriptedReceiver
from world import HERE, Scenario, example, run_scenarios, wait_until

RECEIVERS = os.path.join(HERE, 'receivers')
LANGUAGES = {
    'node': ['node', os.path.join(RECEIVERS, 'node_receiver.js')],
    'php': ['php', os.path.join(RECEIVERS, 'php_receiver.php')],
    'python': [sys.executable, os.path.join(RECEIVERS, 'python_receiver.py')],
}
API_KEY = 'api-key-7f3a "with" \u00e9 and blanks inside'  # a key is text: no byte of it is special
STANDARD = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
STANDARD_NEW = 'whsec_' + base64.b64encode(bytes(range(40))).decode()
EVENTS = {
    'lossexpress': [('payoff', 'lossexpress/payoff.json')],
    'credit-app': [('application_export', 'credit-app/application_export.json')],
    'lender-spender': [('loan_application_status_update', 'lender-spender/loan_application_status_update.json'),
                       ('loan_application_attention_required', 'lender-spender/loan_application_attention_required.json'),
                       ('webhook_test', 'lender-spender/webhook_test.json')],
}
# What any provider without a schema of its own must carry unharmed.
DIFFICULT = ['{"text":"\\u00e9\\u2028\\ud83d\\ude00 \\/ \\" \\\\ \\b\\f\\n\\r\\t\\u0001","empty":"","nested":{"list":[[],{},null,true]}}',
             '{ "number" : [0, -1, 1.5, 1e-7, 123456789012345, 0.1] }',
             '{"long":"' + 'x' * 200_000 + '"}']


class ForeignReceiver:
    """One of the processes in receivers/, with its port and its ledger."""

    def __init__(self, world, language, provider, secret, *options):
        name = f'{language}-{provider}-{len(world.processes)}'
        certificate, key = world.certificate()
        secret_file = world.write(name + '.secret', secret)
        self.ledger = world.path(name + '.ledger')
        self.process = world.start(name, [*LANGUAGES[language], '--provider', provider, '--secret-file', secret_file,
                                          '--ledger', self.ledger, '--cert', certificate, '--key', key, *options])
        self.port = int(self.process.ready_line())

    def url(self, path='/hook?tenant=7'):
        return f'https://localhost:{self.port}{path}'

    def lines(self):
        if not os.path.exists(self.ledger):
            return []
        with open(self.ledger, encoding='utf-8') as file:
            return [json.loads(line) for line in file if line.endswith('\n')]


class Deliveries(Scenario):
    def assert_verified(self, language, provider, secret, events):
        """Each event ends delivered; the receiver has each once, verified; its body is what was recorded."""
        receiver = ForeignReceiver(self.world, language, provider, secret)
        endpoint = self.world.add_endpoint(provider, receiver.url(), secret)
        self.world.serve()
        for event_type, payload in events:
            before = len(receiver.lines())
            # A test event goes to a named endpoint only.
            only = ['--endpoint', endpoint] if event_type == 'webhook_test' else []
            event = self.world.send(provider, event_type, payload, *only)
            delivery = self.world.wait_for_state(event, 'delivered')
            self.assertEqual((delivery['endpoint'], delivery['attempts']), (endpoint, 1))
            line, = receiver.lines()[before:]
            self.assertEqual((line['verified'], line['reason'], line['status']), (True, None, 200))
            self.assertEqual((line['path'], line['webhook_id']), ('/hook?tenant=7', event))
            body = self.world.body(event)
            self.assertEqual(line['sha256'], hashlib.sha256(body.encode()).hexdigest())
            self.assertEqual(json.loads(body), json.loads(payload))
        return receiver

    def customer(self, language, provider):
        events = [(event_type, example(path)) for event_type, path in EVENTS[provider]]
        return self.assert_verified(language, provider, API_KEY, events)

    def public(self, language, provider, secret):
        return self.assert_verified(language, provider, secret, [('loan.paid', text) for text in DIFFICULT])

    def test_lossexpress_verified_by_node_over_the_stringified_body_and_payoff_id(self):
        self.customer('node', 'lossexpress')

    def test_lossexpress_verified_by_python(self):
        self.customer('python', 'lossexpress')

    def test_application_export_verified_by_node(self):
        self.customer('node', 'credit-app')

    def test_application_export_verified_by_php(self):
        self.customer('php', 'credit-app')

    def test_lender_and_spender_verified_by_php(self):
        self.customer('php', 'lender-spender')

    def test_lender_and_spender_verified_by_python(self):
        self.customer('python', 'lender-spender')

    def test_standard_webhooks_verified_by_its_own_library(self):
        self.public('node', 'standard-webhooks', STANDARD)

    def test_standard_webhooks_verified_by_python(self):
        self.public('python', 'standard-webhooks', STANDARD)

    def test_stripe_verified_by_stripes_own_library(self):
        self.public('node', 'stripe', 'whsec_a-secret-of-stripes-form')

    def test_github_verified_by_githubs_own_library(self):
        self.public('node', 'github', API_KEY)

    def test_a_wrong_secret_is_noticed_by_every_receiver(self):
        """The proof that the other tests can fail."""
        cases = [('node', 'lossexpress', 'payoff', example('lossexpress/payoff.json')),
                 ('node', 'credit-app', 'application_export', example('credit-app/application_export.json')),
                 ('php', 'lender-spender', 'webhook_test', example('lender-spender/webhook_test.json')),
                 ('python', 'lender-spender', 'webhook_test', example('lender-spender/webhook_test.json')),
                 ('node', 'standard-webhooks', 'loan.paid', '{}'), ('node', 'stripe', 'loan.paid', '{}'),
                 ('node', 'github', 'loan.paid', '{}')]
        self.world.serve()
        for language, provider, event_type, payload in cases:
            with self.subTest(language=language, provider=provider):
                wrong = STANDARD_NEW if provider == 'standard-webhooks' else 'another secret'
                receiver = ForeignReceiver(self.world, language, provider, wrong)
                endpoint = self.world.add_endpoint(provider, receiver.url(), STANDARD)
                event = self.world.send(provider, event_type, payload, '--endpoint', endpoint)
                attempt = wait_until(lambda event=event: self.world.delivery(event)['log'], 'an attempt is recorded')[0]
                self.assertEqual((attempt['error'], attempt['status']), ('status', 401))
                self.assertEqual([line['verified'] for line in receiver.lines()], [False])
                self.world.run('endpoint', 'remove', endpoint)

    def rotation(self, provider, old, new):
        """During the overlap old and new receivers verify; after it only the new one."""
        def receivers():
            return ForeignReceiver(self.world, 'node', provider, old), ForeignReceiver(self.world, 'node', provider, new)
        self.world.serve()
        for overlap, expected in (('1h', (True, True)), ('0s', (False, True))):
            with self.subTest(overlap=overlap):
                seen = []
                for receiver in receivers():
                    endpoint = self.world.add_endpoint(provider, receiver.url(), old)
                    self.world.run('endpoint', 'rotate-secret', endpoint, '--overlap', overlap, '--secret-file',
                                   self.world.secret_file(new))
                    self.assertEqual(self.world.json('endpoint', 'show', endpoint)['live_secrets'], 2 if overlap == '1h' else 1)
                    event = self.world.send(provider, 'loan.paid', {'loan': 7}, '--endpoint', endpoint)
                    wait_until(lambda event=event: self.world.delivery(event)['log'], 'an attempt is recorded')
                    seen.append(receiver.lines()[0]['verified'])
                self.assertEqual(tuple(seen), expected)

    def test_standard_webhooks_rotation_satisfies_old_and_new_receivers_while_both_secrets_live(self):
        self.rotation('standard-webhooks', STANDARD, STANDARD_NEW)

    def test_stripe_rotation_satisfies_old_and_new_receivers_while_both_secrets_live(self):
        self.rotation('stripe', 'whsec_old', 'whsec_new')

    def test_an_overlap_ends_by_itself(self):
        old_receiver = ForeignReceiver(self.world, 'node', 'standard-webhooks', STANDARD)
        endpoint = self.world.add_endpoint('standard-webhooks', old_receiver.url(), STANDARD)
        self.world.serve()
        self.world.run('endpoint', 'rotate-secret', endpoint, '--overlap', '3s', '--secret-file',
                       self.world.secret_file(STANDARD_NEW))
        shown = wait_until(lambda: (lambda view: view if view['live_secrets'] == 1 else None)(
            self.world.json('endpoint', 'show', endpoint)), 'the old secret has ended')
        self.assertEqual([secret['expires_at'] for secret in shown['secrets']], [None])
        self.world.send('standard-webhooks', 'loan.paid', {'loan': 7})
        wait_until(old_receiver.lines, 'it arrives')
        self.assertFalse(old_receiver.lines()[0]['verified'])

    def test_one_signature_only_where_the_format_carries_one_and_it_is_the_newest(self):
        new_receiver = ForeignReceiver(self.world, 'node', 'github', 'new secret')
        endpoint = self.world.add_endpoint('github', new_receiver.url(), 'old secret')
        self.world.serve()
        self.world.run('endpoint', 'rotate-secret', endpoint, '--overlap', '1h', '--secret-file',
                       self.world.secret_file('new secret'))
        self.world.wait_for_state(self.world.send('github', 'push', {'ref': 'main'}), 'delivered')

    def test_standard_webhooks_v1a_verified_by_openssl(self):
        self.world.openssl('genpkey', '-algorithm', 'ed25519', '-out', 'private.pem')
        self.world.openssl('pkey', '-in', 'private.pem', '-pubout', '-out', 'public.pem')
        self.world.openssl('pkey', '-in', 'private.pem', '-outform', 'DER', '-out', 'private.der')
        with open(self.world.path('private.der'), 'rb') as file:
            seed = file.read()[-32:]
        receiver = ScriptedReceiver(self.world.certificate())
        self.world.on_end.append(receiver.close)
        endpoint = self.world.add_endpoint('standard-webhooks', receiver.url(), 'whsk_' + base64.b64encode(seed).decode())
        self.world.serve()
        event = self.world.send('standard-webhooks', 'loan.paid', DIFFICULT[0])
        self.world.wait_for_state(event, 'delivered')
        request, = receiver.requests
        kind, signature = request.headers['webhook-signature'].split(',')
        self.assertEqual(kind, 'v1a')
        self.world.write('signature', base64.b64decode(signature))
        self.world.write('message', f'{event}.{request.headers["webhook-timestamp"]}.'.encode() + request.body)
        verify = ('pkeyutl', '-verify', '-pubin', '-inkey', 'public.pem', '-rawin', '-in', 'message', '-sigfile', 'signature')
        self.world.openssl(*verify)
        # v1 and v1a beside each other, while a receiver moves from one to the other.
        self.world.run('endpoint', 'rotate-secret', endpoint, '--overlap', '1h', '--secret-file', self.world.secret_file(STANDARD))
        self.world.wait_for_state(self.world.send('standard-webhooks', 'loan.paid', '{}'), 'delivered')
        kinds = [part.split(',')[0] for part in receiver.requests[1].headers['webhook-signature'].split(' ')]
        self.assertEqual(sorted(kinds), ['v1', 'v1a'])

    def test_a_generated_secret_is_shown_once_and_signs(self):
        receiver = ScriptedReceiver(self.world.certificate())
        self.world.on_end.append(receiver.close)
        added = self.world.json('endpoint', 'add', '--account', 'acme', '--provider', 'standard-webhooks', '--url',
                                receiver.url())
        secret = added['generated_secret']
        self.assertRegex(secret, r'^whsec_[A-Za-z0-9+/]{32,}=*$')
        self.assertNotIn(secret, self.world.run('endpoint', 'show', added['endpoint']['id']))
        foreign = ForeignReceiver(self.world, 'node', 'standard-webhooks', secret)
        self.world.add_endpoint('standard-webhooks', foreign.url(), secret, account='other')
        self.world.serve()
        event = self.world.send('standard-webhooks', 'loan.paid', '{}', account='other')
        self.world.wait_for_state(event, 'delivered')

    def test_headers_of_the_endpoint_and_of_the_engine_are_what_they_should_be(self):
        receiver = ScriptedReceiver(self.world.certificate())
        self.world.on_end.append(receiver.close)
        self.world.add_endpoint('lossexpress', receiver.url(path='/hook?tenant=7'), API_KEY, '--header', 'X-Tenant: 7',
                                '--header', 'Authorization: Bearer of-a-token')
        self.world.serve()
        event = self.world.send('lossexpress', 'payoff', example('lossexpress/payoff.json'))
        self.world.wait_for_state(event, 'delivered')
        request, = receiver.requests
        names = [name.lower() for name in request.headers.keys()]
        self.assertEqual(len(names), len(set(names)), names)
        self.assertEqual(request.path, '/hook?tenant=7')
        self.assertEqual(request.headers['Content-Type'], 'application/json')
        self.assertEqual(request.headers['Host'], f'localhost:{receiver.port}')
        self.assertEqual((request.headers['X-Tenant'], request.headers['Authorization']), ('7', 'Bearer of-a-token'))
        self.assertEqual(request.headers['webhook-id'], event)
        self.assertRegex(request.headers['X-LossExpress-Signature'], '^[0-9a-f]{64}$')
        self.assertTrue(re.match(r'^outrider/\d+\.\d+\.\d+$', request.headers['User-Agent']))
        self.assertNotIn('expect', names)
        self.assertNotIn(b'\n', request.body)

    def test_two_endpoints_of_one_account_each_get_the_event_by_their_own_secret_and_types(self):
        all_types = ForeignReceiver(self.world, 'python', 'lender-spender', 'secret of the first')
        one_type = ForeignReceiver(self.world, 'php', 'lender-spender', 'secret of the second')
        self.world.add_endpoint('lender-spender', all_types.url(), 'secret of the first')
        self.world.add_endpoint('lender-spender', one_type.url(), 'secret of the second', '--type',
                                'loan_application_attention_required')
        self.world.serve()
        for event_type, path in EVENTS['lender-spender'][:2]:
            event = self.world.send('lender-spender', event_type, example(path))
            wait_until(lambda event=event: all(delivery['state'] == 'delivered' for delivery in
                                               self.world.event(event)['deliveries']), 'delivered')
        self.assertEqual([line['verified'] for line in all_types.lines()], [True, True])
        self.assertEqual([line['verified'] for line in one_type.lines()], [True])

    def test_thousands_of_events_each_arrive_once(self):
        receiver = ForeignReceiver(self.world, 'node', 'standard-webhooks', STANDARD)
        self.world.add_endpoint('standard-webhooks', receiver.url(), STANDARD)
        self.world.serve()
        for start in range(0, 3000, 500):
            self.world.sql(*[("INSERT INTO outrider_outbox (account, provider, type, payload) "
                              "VALUES ('acme', 'standard-webhooks', 'loan.paid', ?)", (json.dumps({'n': n}),))
                             for n in range(start, start + 500)])
        wait_until(lambda: self.world.json('queue')['delivered'] == 3000, 'all are delivered')
        lines = receiver.lines()
        self.assertEqual(len(lines), 3000)
        self.assertTrue(all(line['verified'] for line in lines))
        self.assertEqual(len({line['webhook_id'] for line in lines}), 3000)


if __name__ == '__main__':
    run_scenarios()

#!/usr/bin/env python3
"""Every command with wrong arguments, on purpose.

Whatever is wrong: the documented exit code, exactly one line on standard error that begins with "outrider: " and says
what was wrong and where, nothing on standard output, and a database that is the same as before, row for row.
"""
import socket
import sqlite3
import subprocess

from world import Scenario, run_scenarios

USAGE, NOT_FOUND, REFUSED, BUSY, STORAGE = 2, 3, 4, 5, 6
ANY_NAME = 'ep_000000000000000000'


class BadArguments(Scenario):
    def setUp(self):
        super().setUp()
        self.endpoint = self.world.add_endpoint('standard-webhooks', 'https://example.com/hook',
                                                'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
        self.event = self.world.send('standard-webhooks', 'loan.paid', {'loan': 7})
        self.before = self.dump()

    def dump(self):
        db = sqlite3.connect(self.world.database)
        try:
            return list(db.iterdump())
        finally:
            db.close()

    def refuses(self, words, code, *fragments, stdin='', env=None, database=None):
        """One wrong call; `fragments` are what its one line must name."""
        with self.subTest(words=' '.join(words)):
            try:
                done = self.world.cli(*words, stdin=stdin, env=env, database=database, limit_s=30)
            except subprocess.TimeoutExpired:
                self.fail('it was not refused: it runs')
            said = f'exit {done.code}, stderr {done.err!r}, stdout {done.out!r}'
            self.assertEqual(done.code, code, said)
            self.assertEqual(done.out, '', said)
            self.assertTrue(done.err.startswith('outrider: ') and done.err.endswith('\n'), said)
            self.assertEqual(done.err.count('\n'), 1, said)
            self.assertGreater(len(done.err), len('outrider: \n'), said)
            for fragment in fragments:
                self.assertIn(fragment, done.err)

    def refuses_the_usual(self, *command, required=()):
        """What is wrong in any command: a misspelt option, a word too many, a required option that is missing."""
        self.refuses([*command, '--no-such-option'], USAGE, '--no-such-option')
        self.refuses([*command, '--jsn'], USAGE, '--jsn', '--json')
        for option in required:
            words = list(command)
            at = words.index(option)
            self.refuses(words[:at] + words[at + 2:], USAGE, option)
            self.refuses(words[:at] + words[at + 2:] + [option], USAGE, option)  # without its value

    def tearDown(self):
        self.assertEqual(self.dump(), self.before)
        super().tearDown()

    # --- the whole --------------------------------------------------------------------------------

    def test_outrider_without_a_command_or_with_one_that_does_not_exist(self):
        self.refuses([], USAGE, '--help')
        self.refuses(['sned'], USAGE, 'sned', 'send')
        self.refuses(['frobnicate'], USAGE, 'frobnicate')
        self.refuses(['endpoint'], USAGE, '--help')
        self.refuses(['endpoint', 'ad'], USAGE, 'ad', 'add')
        self.refuses(['event', 'shwo', self.event], USAGE, 'shwo', 'show')
        self.refuses(['provider', 'frobnicate'], USAGE, 'frobnicate')
        self.refuses(['--db'], USAGE, '--db')
        self.refuses(['queue', 'event'], USAGE, 'event')

    def test_options_of_all_commands(self):
        nowhere = self.world.path('nowhere.db')
        for words in (['queue'], ['endpoint', 'list'], ['endpoint', 'show', ANY_NAME], ['event', 'list'],
                      ['event', 'show', self.event], ['event', 'retry', self.event], ['endpoint', 'pause', ANY_NAME]):
            self.refuses(words, NOT_FOUND, nowhere, database=nowhere)
        self.refuses(['--db', nowhere, 'queue'], USAGE, '--db')  # given twice
        self.refuses(['queue'], NOT_FOUND, database='')
        for words in (['provider', 'list'], ['queue'], ['serve']):
            self.refuses(['--providers', nowhere, *words], NOT_FOUND, nowhere)

    def test_version(self):
        self.refuses_the_usual('version')
        self.refuses(['version', 'extra'], USAGE, 'extra')

    # --- serve ------------------------------------------------------------------------------------

    def test_serve(self):
        self.refuses_the_usual('serve')
        self.refuses(['serve', 'extra'], USAGE, 'extra')
        for net in ('nonsense', '127.0.0.1/33', '127.0.0.1/-1', '127.0.0.1/', '300.0.0.0/8', '::1/129', '127.0.0.1/8', ''):
            self.refuses(['serve', '--allow-net', net], USAGE, net or 'allow-net')
        for port in ('65536', '-1', 'https', '', '08', '0x10'):
            self.refuses(['serve', '--allow-port', port], USAGE, '--allow-port')
        for option in ('--allow-net', '--allow-port', '--ca-file', '--max-in-flight', '--dns-server'):
            self.refuses(['serve', option], USAGE, option)
        for number in ('0', '4097', '-1', 'many', '1.5', '', '99999999999999999999'):
            self.refuses(['serve', '--max-in-flight', number], USAGE, '--max-in-flight')
        for number in ('0', '1023', '16777217', '1k'):
            self.refuses(['serve', '--max-payload-bytes', number], USAGE, '--max-payload-bytes')
        self.refuses(['serve', '--retain-payload-days', '-1'], USAGE, '--retain-payload-days')
        self.refuses(['serve', '--retain-attempt-days', 'ever'], USAGE, '--retain-attempt-days')
        for server in ('nonsense', '127.0.0.1:0', '127.0.0.1:99999', '127.0.0.1:x', ''):
            self.refuses(['serve', '--dns-server', server], USAGE, 'DNS', server)

    def test_serve_with_certificates_that_are_none(self):
        self.refuses(['serve', '--ca-file', self.world.path('no.pem')], NOT_FOUND, 'no.pem')
        for content in ('not a certificate', '', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'):
            self.refuses(['serve', '--ca-file', self.world.write('bad.pem', content)], USAGE, 'bad.pem')
        self.refuses(['serve', '--ca-file', self.world.folder], USAGE, self.world.folder)

    # --- send -------------------------------------------------------------------------------------

    def send(self, *options, provider='standard-webhooks', event_type='loan.paid', account='acme'):
        return ['send', '--account', account, '--provider', provider, '--type', event_type, *options]

    def test_send(self):
        self.refuses_the_usual(*self.send(), required=('--account', '--provider', '--type'))
        self.refuses(self.send('extra'), USAGE, 'extra', stdin='{}')
        self.refuses(self.send(provider='nobody'), NOT_FOUND, 'nobody', 'standard-webhooks', stdin='{}')
        self.refuses(self.send(provider='lossexpress', event_type='payof'), USAGE, 'payof', 'payoff', stdin='{}')
        for account in ('', 'a' * 256, 'a\nb', 'a\x7fb'):
            self.refuses(self.send(account=account), USAGE, 'account', stdin='{}')
        for option in ('--idempotency-key', '--ordering-key'):
            for key in ('', 'k' * 256, 'a\tb'):
                self.refuses(self.send(option, key), USAGE, option.strip('-').replace('-', '_'), stdin='{}')
        for at in ('tomorrow', '2024-13-01T00:00:00Z', '2024-05-01', '2024-05-01T09:30:00', '+', '+5', '-5m', '', '1714555800'):
            self.refuses(self.send('--expires-at', at), USAGE, '--expires-at', stdin='{}')
        for endpoint in ('ep_nope', self.event, '', ANY_NAME):
            self.refuses(self.send('--endpoint', endpoint), NOT_FOUND, endpoint, stdin='{}')
        self.refuses(self.send('--max-payload-bytes', '10'), USAGE, '--max-payload-bytes', stdin='{}')

    def test_send_with_a_payload_that_is_none(self):
        self.refuses(self.send('--file', self.world.path('no.json')), NOT_FOUND, 'no.json')
        self.refuses(self.send('--file', self.world.folder), STORAGE, self.world.folder)
        for payload in ('', ' ', '{', '{"a":1,}', "{'a':1}", '{"a":01}', 'NaN', '{"a":1}{"b":2}', '\ufeff{}', b'{"a":"\xff"}'):
            self.refuses(self.send(), REFUSED, stdin=payload)
        self.refuses(self.send(), REFUSED, '/a/b', stdin='{"a":{"b":1,"b":2}}')
        self.refuses(self.send(), REFUSED, 'deep', stdin='[' * 65 + ']' * 65)
        self.refuses(self.send(), REFUSED, '262144', stdin='"' + 'x' * 262144 + '"')
        self.refuses(self.send('--max-payload-bytes', '1024'), REFUSED, '1024', stdin='"' + 'x' * 1024 + '"')

    def test_send_with_a_payload_against_the_providers_schema(self):
        wrong = {
            '{"success":true}': 'payoffId',
            '{"payoffId":"f94bbd89-e9e0-45ac-a02b-e4d4afad6a8f","success":"true"}': '/success',
            '[]': '',
        }
        self.world.add_endpoint('lossexpress', 'https://example.com/')
        self.before = self.dump()
        for payload, fragment in wrong.items():
            self.refuses(self.send(provider='lossexpress', event_type='payoff'), REFUSED, fragment, stdin=payload)
        self.refuses(self.send(provider='lender-spender', event_type='loan_application_attention_required'), REFUSED,
                     'message', stdin='{"type":"loan_application_attention_required","data":{"id":"1"}}')

    # --- endpoint ---------------------------------------------------------------------------------

    def add(self, *options, url='https://example.com/', provider='standard-webhooks', account='acme'):
        return ['endpoint', 'add', '--account', account, '--provider', provider, '--url', url, *options]

    def test_endpoint_add(self):
        self.refuses_the_usual(*self.add(), required=('--account', '--provider', '--url'))
        self.refuses(self.add('extra'), USAGE, 'extra')
        self.refuses(self.add(provider='nobody'), NOT_FOUND, 'nobody')
        for account in ('', 'a' * 256, 'a\nb'):
            self.refuses(self.add(account=account), USAGE, 'account')
        self.refuses(self.add('--type', 'payof', provider='lossexpress'), USAGE, 'payof')
        for rate in ('-1', 'fast', 'nan', 'inf', '', '1e3'):
            self.refuses(self.add('--rate', rate), USAGE, '--rate')
        for number in ('0', '1025', '-1', 'many'):
            self.refuses(self.add('--max-in-flight', number), USAGE, '--max-in-flight')
        self.refuses(self.add('--description', 'x' * 1025), USAGE, 'description')

    def test_endpoint_add_with_a_url_that_is_none(self):
        for url in ('', 'example.com', 'ftp://example.com/', 'https://', 'https:///path', 'https://user:pw@example.com/',
                    'https://example.com/#part', 'https://127.1/', 'https://0x7f000001/', 'https://2130706433/',
                    'https://%31%32%37.0.0.1/', 'https://example.com:0/', 'https://example.com:65536/', 'https://example.com:x/',
                    'https://exa mple.com/', 'https://example.com\\@evil.example/', 'https://bücher.example/', 'https://[::1/',
                    'https://a..b/', 'javascript:alert(1)', 'file:///etc/passwd', 'https://example.com/' + 'x' * 2048,
                    'https://example.com/\n'):
            self.refuses(self.add(url=url), USAGE, 'url')

    def test_endpoint_add_with_a_header_that_is_none(self):
        for header in ('no colon', ': value', 'bad name: x', 'X-\u00e9: x', ''):
            self.refuses(self.add('--header', header), USAGE, 'header')
        for header in ('X-A: a\nX-B: b', 'X-A: a\rb', 'X-A: \x7f', 'X-A: ' + 'x' * 4097):
            self.refuses(self.add('--header', header), USAGE, 'X-A')
        for name in ('Host', 'content-length', 'Transfer-Encoding', 'Connection', 'webhook-id', 'webhook-signature',
                     'Content-Type', 'User-Agent', 'Expect', 'Upgrade', 'TE', 'Keep-Alive'):
            self.refuses(self.add('--header', f'{name}: x'), USAGE, name)
        self.refuses(self.add('--header', 'x-lossexpress-signature: x', provider='lossexpress'), USAGE,
                     'x-lossexpress-signature')

    def test_endpoint_add_with_a_secret_that_is_none(self):
        self.refuses_wrong_secrets(lambda *options: self.add(*options))
        self.refuses(self.add('--secret-stdin'), USAGE, 'secret', stdin='not base64!')
        self.refuses(self.add('--secret-stdin'), USAGE, 'secret', stdin='whsec_not base64!')

    def refuses_wrong_secrets(self, command):
        canary = 'c4n4ry-of-a-secret'
        for words in (['--secret', canary], [f'--secret={canary}'], ['--secret-file', canary, '--secret', canary]):
            done = self.world.cli(*command(*words))
            self.assertEqual(done.code, USAGE)
            self.assertIn('--secret', done.err)
            self.assertNotIn(canary, done.err.replace(f'({canary})', ''))
        self.refuses(command('--secret-file', self.world.path('none')), NOT_FOUND, 'none')
        self.refuses(command('--secret-file', self.world.folder), STORAGE, self.world.folder)
        self.refuses(command('--secret-file', ''), USAGE, '--secret-file')
        self.refuses(command('--secret-env', ''), USAGE, '--secret-env')
        self.refuses(command('--secret-file'), USAGE, '--secret-file')
        self.refuses(command('--secret-env', 'NOT_THERE'), NOT_FOUND, 'NOT_THERE')
        self.refuses(command('--secret-env', 'EMPTY'), USAGE, 'secret', env={'EMPTY': ''})
        self.refuses(command('--secret-stdin'), USAGE, 'secret', stdin='')
        self.refuses(command('--secret-stdin'), USAGE, 'secret', stdin='\n')
        self.refuses(command('--secret-stdin'), USAGE, 'secret', stdin='one\ntwo\n')
        self.refuses(command('--secret-stdin'), USAGE, '4096', stdin='x' * 5000)
        self.refuses(command('--secret-stdin', '--secret-env', 'HOME'), USAGE, '--secret')

    def test_endpoint_list(self):
        self.refuses_the_usual('endpoint', 'list')
        self.refuses(['endpoint', 'list', 'extra'], USAGE, 'extra')

    def refuses_wrong_ids(self, *command, known):
        self.refuses_the_usual(*command, known)
        self.refuses(list(command), USAGE, 'id')
        self.refuses([*command, known, 'extra'], USAGE, 'extra')
        other = self.event if known.startswith('ep_') else self.endpoint
        # Near misses: another kind's id, one letter more, one less, one changed, another case, what is no id at all.
        changed = known[:-1] + ('0' if known[-1] != '0' else '1')
        for wrong in (other, known + 'a', known[:-1], changed, known.upper(), ANY_NAME, '7', '../x', 'a\nb'):
            self.refuses([*command, wrong], NOT_FOUND)
        self.refuses([*command, ''], NOT_FOUND)

    def test_endpoint_show(self):
        self.refuses_wrong_ids('endpoint', 'show', known=self.endpoint)

    def test_endpoint_pause(self):
        self.refuses_wrong_ids('endpoint', 'pause', known=self.endpoint)

    def test_endpoint_activate(self):
        self.refuses_wrong_ids('endpoint', 'activate', known=self.endpoint)

    def test_endpoint_remove(self):
        self.refuses_wrong_ids('endpoint', 'remove', known=self.endpoint)

    def test_endpoint_test(self):
        self.refuses_wrong_ids('endpoint', 'test', known=self.endpoint)
        without = self.world.add_endpoint('lossexpress', 'https://example.com/')
        paused = self.world.add_endpoint('lender-spender', 'https://example.com/')
        self.world.run('endpoint', 'pause', paused)
        self.before = self.dump()
        self.refuses(['endpoint', 'test', without], REFUSED, 'lossexpress')
        self.refuses(['endpoint', 'test', paused], REFUSED, 'paused')

    def test_endpoint_rotate_secret(self):
        command = ('endpoint', 'rotate-secret')
        self.refuses_wrong_ids(*command, known=self.endpoint)
        for overlap in ('', 'long', '-1s', '5', '1 h', '99999999999d', '366d'):
            self.refuses([*command, self.endpoint, '--overlap', overlap], USAGE, 'overlap')
        self.refuses_wrong_secrets(lambda *options: [*command, self.endpoint, *options])
        self.refuses([*command, self.endpoint, '--secret-stdin'], USAGE, 'secret', stdin='whsec_not base64!')

    # --- queue, event -----------------------------------------------------------------------------

    def test_queue(self):
        self.refuses_the_usual('queue')
        self.refuses(['queue', 'extra'], USAGE, 'extra')
        for number in ('-1', '1001', 'all'):
            self.refuses(['queue', '--rejected', number], USAGE, '--rejected')

    def test_event_list(self):
        self.refuses_the_usual('event', 'list')
        self.refuses(['event', 'list', 'extra'], USAGE, 'extra')
        for number in ('0', '1001', '-1', 'all'):
            self.refuses(['event', 'list', '--limit', number], USAGE, '--limit')
        self.refuses(['event', 'list', '--state', 'deliverd'], USAGE, 'deliverd', 'delivered')
        self.refuses(['event', 'list', '--before', 'nonsense'], NOT_FOUND, 'nonsense')
        self.refuses(['event', 'list', '--endpoint', 'nonsense'], NOT_FOUND, 'nonsense')

    def test_event_show(self):
        self.refuses_wrong_ids('event', 'show', known=self.event)

    def test_event_retry(self):
        self.refuses_wrong_ids('event', 'retry', known=self.event)

    def test_event_cancel(self):
        self.refuses_wrong_ids('event', 'cancel', known=self.event)

    # --- provider, verify, listen -------------------------------------------------------------------

    def test_provider_list(self):
        self.refuses_the_usual('provider', 'list')
        self.refuses(['provider', 'list', 'extra'], USAGE, 'extra')

    def test_provider_show(self):
        self.refuses_the_usual('provider', 'show', 'github')
        self.refuses(['provider', 'show'], USAGE, 'name')
        self.refuses(['provider', 'show', 'githb'], NOT_FOUND, 'githb')
        self.refuses(['provider', 'show', ''], NOT_FOUND)
        self.refuses(['provider', 'show', 'github', 'extra'], USAGE, 'extra')

    def test_provider_check(self):
        self.refuses_the_usual('provider', 'check', self.world.write('ok.json', '{}'))
        self.refuses(['provider', 'check'], USAGE, 'file')
        self.refuses(['provider', 'check', self.world.path('no.json')], NOT_FOUND, 'no.json')
        self.refuses(['provider', 'check', self.world.folder], STORAGE, self.world.folder)

    def test_verify(self):
        body, secret = self.world.write('body', '{}'), self.world.write('secret', 'text')
        verify = ['verify', '--provider', 'github', '--secret-file', secret, '--body-file', body, '--header',
                  'X-Hub-Signature-256: sha256=' + '0' * 64]
        self.refuses_the_usual(*verify, required=('--provider',))
        self.refuses([*verify, 'extra'], USAGE, 'extra')
        self.refuses(verify, REFUSED)
        self.refuses(verify[:-2], USAGE, '--header')
        self.refuses([*verify[:-1], 'X-Other: none'], REFUSED, 'X-Hub-Signature-256')
        self.refuses([*verify[:-1], 'X-Hub-Signature-256: none'], REFUSED)
        self.refuses([*verify[:-1], 'no colon'], USAGE, 'header')
        self.refuses(['verify', '--provider', 'githb', *verify[3:]], NOT_FOUND, 'githb')
        self.refuses(verify[:3] + verify[5:], USAGE, '--secret')
        self.refuses([*verify[:4], self.world.path('none'), *verify[5:]], NOT_FOUND, 'none')
        self.refuses([*verify[:6], self.world.path('none'), *verify[7:]], NOT_FOUND, 'none')
        for tolerance in ('long', '-1s', '5'):
            self.refuses([*verify, '--tolerance', tolerance], USAGE, '--tolerance')
        self.refuses([*verify, '--at', 'noon'], USAGE, '--at')

    def test_listen(self):
        secret = self.world.write('secret', 'text')
        listen = ['listen', '--provider', 'github', '--secret-file', secret]
        self.refuses_the_usual(*listen, required=('--provider',))
        self.refuses([*listen, 'extra'], USAGE, 'extra')
        self.refuses(listen[:3], USAGE, '--secret')
        self.refuses(['listen', '--provider', 'githb', *listen[3:]], NOT_FOUND, 'githb')
        self.refuses([*listen[:4], self.world.path('none')], NOT_FOUND, 'none')
        for status in ('199', '600', 'ok', '-1'):
            self.refuses([*listen, '--status', status], USAGE, '--status')
        for port in ('65536', '-1', 'https'):
            self.refuses([*listen, '--port', port], USAGE, '--port')
        self.refuses([*listen, '--fail-first', '-1'], USAGE, '--fail-first')
        self.refuses([*listen, '--delay', 'long'], USAGE, '--delay')
        self.refuses([*listen, '--bind', 'nonsense'], USAGE, 'bind')
        self.refuses([*listen, '--tls', '--tls-cert', self.world.path('none'), '--tls-key', self.world.path('none')],
                     NOT_FOUND, 'none')
        self.refuses([*listen, '--tls', '--tls-cert', self.world.certificate()[0]], USAGE, 'key')
        self.refuses([*listen, '--tls', '--tls-cert', secret, '--tls-key', secret], USAGE, 'certificate')
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            self.refuses([*listen, '--port', port], STORAGE, port)


if __name__ == '__main__':
    run_scenarios()

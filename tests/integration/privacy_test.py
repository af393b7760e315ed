#!/usr/bin/env python3
"""Secrets and sensitive fields that are known to the test alone: after a run of everything, nothing that Outrider said holds them."""
import json
import os
import resource
import signal
import subprocess
import threading
import time

from local_receiver import ScriptedReceiver
from world import Scenario, example, run_scenarios, wait_until


class Privacy(Scenario):
    def setUp(self):
        super().setUp()
        self.said = []          # (where, text): all output of all commands
        self.command_lines = set()
        self.watching = threading.Event()

    def note(self, where, outcome):
        self.said += [(where + ' stdout', outcome.out), (where + ' stderr', outcome.err)]
        return outcome

    def command(self, *words, **options):
        return self.note(' '.join(words), self.world.cli(*words, **options))

    def watch_command_lines(self):
        """What every process on this machine can read while the commands run."""
        ours = self.world.binary.encode()
        while not self.watching.is_set():
            for entry in os.listdir('/proc'):
                if entry.isdigit():
                    try:
                        with open(f'/proc/{entry}/cmdline', 'rb') as file:
                            line = file.read()
                    except OSError:
                        continue
                    if ours in line:
                        self.command_lines.add(line)
            time.sleep(0.001)

    def canaries(self):
        """The customers' payloads with values of our own in every field that is marked sensitive."""
        payoff = json.loads(example('lossexpress/payoff.json'))
        payoff['payoffAmount'], payoff['perDiem'] = 918273.64, 7155.37
        payoff['lenderPhoneNumber'] = 'canary-phone'
        payoff['standardMailingAddress'].update(streetAddress='canary-street', city='canary-city')
        payoff['accountNumber'] = 'canary-account'
        export = json.loads(example('credit-app/application_export.json'))
        applicant = export['primaryApplicant']
        applicant.update(firstName='canary-first', lastName='canary-last', sin='918273645', phoneNumber='canary-mobile',
                         email='canary@mail.example', dateOfBirth='1903-03-03')
        applicant['addressHistory'][0].update(streetName='canary-road', monthlyRentOrMortgage={'amount': 918273.65, 'currency': 'CAD'})
        applicant['employmentHistory'][0].update(employerName='canary-employer')
        attention = json.loads(example('lender-spender/loan_application_attention_required.json'))
        attention['message'] = 'canary-message'
        attention['data'] = {'id': 'canary-id', 'status': 'canary-status'}
        return {
            ('lossexpress', 'payoff'): payoff,
            ('credit-app', 'application_export'): export,
            ('lender-spender', 'loan_application_attention_required'): attention,
        }, ['canary', '918273645', '1903-03-03'], ['918273.64', '7155.37', '918273.65']

    def assert_nothing_said(self, forbidden, except_in=None):
        for where, text in self.said:
            for canary in forbidden:
                if canary in text and not (except_in and except_in in where):
                    at = text.index(canary)
                    self.fail(f'{where} says {canary!r}: …{text[max(0, at - 120):at + 60]}…')

    def test_no_secret_and_no_sensitive_field_is_ever_said(self):
        payloads, fields, amounts = self.canaries()
        secrets = {provider: f'canary-secret-of-{provider}' for provider, _ in payloads}
        header = 'canary-header-value'
        # An echo: a receiver that quotes what it got puts sensitive text into its answer.
        receiver = ScriptedReceiver(self.world.certificate(), lambda request: 500 if request.number % 2 else 200)
        self.world.on_end.append(receiver.close)
        watcher = threading.Thread(target=self.watch_command_lines, daemon=True)
        watcher.start()
        endpoints, events = [], []
        for provider, secret in secrets.items():
            added = self.command('--json', 'endpoint', 'add', '--account', 'acme', '--provider', provider, '--url',
                                 receiver.url(path='/hook?token=canary-query'), '--secret-stdin', '--header',
                                 'X-Tenant: ' + header, stdin=secret)
            # The URL is the operator's own, and shown to operators; it is not to be logged.
            endpoints.append(json.loads(added.out)['endpoint']['id'])
        serve = self.world.serve()
        for (provider, event_type), payload in payloads.items():
            sent = self.command('--json', 'send', '--account', 'acme', '--provider', provider, '--type', event_type,
                                '--idempotency-key', provider, stdin=json.dumps(payload))
            events.append(json.loads(sent.out)['id'])
        wait_until(lambda: receiver.count() >= 3, 'each was tried')
        for event in events:
            wait_until(lambda event=event: self.world.delivery(event)['log'], 'an attempt is recorded')
            for words in (['event', 'show', event], ['--json', 'event', 'show', event], ['event', 'retry', event]):
                self.command(*words)
        for endpoint in endpoints:
            for words in (['endpoint', 'show', endpoint], ['endpoint', 'test', endpoint], ['endpoint', 'pause', endpoint],
                          ['--json', 'endpoint', 'activate', endpoint]):
                self.command(*words)
            self.command('endpoint', 'rotate-secret', endpoint, '--secret-env', 'NEW_SECRET',
                         env={'NEW_SECRET': 'canary-new-secret'})
        for words in (['queue'], ['--json', 'queue'], ['endpoint', 'list'], ['--json', 'endpoint', 'list'], ['event', 'list'],
                      ['--json', 'event', 'list']):
            self.command(*words)
        self.wrong_calls(payloads)
        self.assertEqual(serve.stop(), 0)
        self.watching.set()
        watcher.join()
        self.said += [('serve stdout', serve.out()), ('serve stderr', serve.err())]
        self.assertIn('attempt', serve.err())

        # Operators see the URL they gave; nothing else that was secret.
        self.said = [(where, text.replace('token=canary-query', '') if not where.startswith('serve') else text)
                     for where, text in self.said]
        self.assert_nothing_said(fields)
        self.assert_nothing_said(amounts, except_in='event show')  # operators see amounts there, see schemas/providers
        self.assertTrue(self.command_lines)
        for line in self.command_lines:
            for secret in [*secrets.values(), 'canary-new-secret', '918273']:
                self.assertNotIn(secret.encode(), line)
        # The receiver has it all, and --reveal shows it: the canaries were there to be leaked.
        bodies = b''.join(receiver.bodies()).decode()
        revealed = ''.join(self.world.run('event', 'show', event, '--reveal') for event in events)
        for canary in ('918273.64', '918273645', 'canary-message', 'canary@mail.example', 'canary-street'):
            self.assertIn(canary, bodies)
            self.assertIn(canary, revealed)

    def wrong_calls(self, payloads):
        """Errors about payloads and secrets name the place, never the value."""
        for (provider, event_type), payload in payloads.items():
            send = ('send', '--account', 'acme', '--provider', provider, '--type', event_type)
            text = json.dumps(payload)
            broken = [text[:-1], text[:len(text) // 2], text.replace(':', '::', 1), text + text,
                      json.dumps({**payload, next(iter(payload)): ['canary-in-the-wrong-place']}),
                      text[:-1] + ',"twice":"canary","twice":2}', text[:-1] + ',"x":"canary\\ud800"}']
            for body in broken:
                self.command(*send, stdin=body)
            self.command(*send, '--idempotency-key', provider, stdin=json.dumps({**payload, 'other': 'canary-other'}))
        add = ('endpoint', 'add', '--account', 'acme', '--provider', 'standard-webhooks', '--url', 'https://example.com/')
        for secret in ('whsec_canary not base64', 'canary', 'whsk_canary', 'canary\ncanary'):
            self.command(*add, '--secret-stdin', stdin=secret)
        self.command(*add, '--header', 'Host: canary')
        self.command(*add, '--header', 'bad name: canary')
        for provider, event_type in payloads:  # by plain SQL: rejected with a reason that everybody sees
            self.world.sql(('INSERT INTO outrider_outbox (account, provider, type, payload) VALUES (?, ?, ?, ?)',
                            ('acme', provider, event_type, '{"canary":"canary","canary":"canary-twice"}'.replace(
                                '"canary":"', '"payoffId":"', 2))))
        wait_until(lambda: self.world.json('queue')['inbox'] == 0, 'the bad rows are judged')
        self.command('queue')
        self.command('--json', 'queue')

    def test_nothing_is_left_of_a_process_that_crashes(self):
        """No core, whatever the limit it was started with: payloads and secrets are in its memory."""
        def aborted(command, ready=lambda child: True):
            def unlimited():
                hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
                resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self.world.env,
                                     cwd=self.world.folder, preexec_fn=unlimited)
            self.world.on_end.append(child.stdout.close)
            ready(child)
            with open(f'/proc/{child.pid}/limits', encoding='ascii') as file:
                limit = next(line.split()[4:6] for line in file if line.startswith('Max core file size'))
            child.send_signal(signal.SIGABRT)
            _, status = os.waitpid(child.pid, 0)
            child.returncode = -signal.SIGABRT
            self.assertEqual(os.WTERMSIG(status), signal.SIGABRT)
            return limit, os.WCOREDUMP(status)

        limit, dumped = aborted(self.world.command('serve'), lambda child: child.stdout.readline())
        self.assertEqual((limit, dumped), (['0', '0'], False))
        self.assertEqual([name for name in os.listdir(self.world.folder) if name.startswith('core')], [])

    def test_what_a_receiver_quotes_back_is_masked(self):
        payload = json.loads(example('lender-spender/loan_application_attention_required.json'))
        payload['message'] = 'canary-message'

        receiver = ScriptedReceiver(self.world.certificate(),
                                    lambda request: (500, {'Content-Type': 'application/json'}, request.body))
        self.world.on_end.append(receiver.close)
        self.world.add_endpoint('lender-spender', receiver.url())
        serve = self.world.serve()
        event = self.world.send('lender-spender', payload['type'], payload)
        wait_until(lambda: self.world.delivery(event)['log'], 'an attempt is recorded')
        self.command('event', 'show', event)
        self.assertEqual(serve.stop(), 0)
        self.said.append(('serve', serve.out() + serve.err()))
        self.assert_nothing_said(['canary'])


if __name__ == '__main__':
    run_scenarios()

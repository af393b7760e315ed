#!/usr/bin/env python3
"""Receivers that misbehave, against the built binary: each ends in its verdict, its words are on record, its ledger
holds no POST more than there were attempts, and a healthy endpoint beside them does not notice.

The cases are in hostile_cases.py, the receiver that carries them out in hostile_receiver.py.
"""
import json
import os
import re
import ssl
import threading
import time
from collections import Counter
from email.utils import formatdate

from hostile_cases import STRAY, answering, cases
from hostile_receiver import OK, BlackHole, HostileReceiver, Refusing, choose_h2_unasked, server_context
from local_receiver import HANG, ScriptedReceiver
from world import LIMIT_S, ROOT, Scenario, run_scenarios, wait_until

SMALL_BUFFER = 4096
LARGE_BODY = 200_000
HEALTHY_EVENTS = 40
NEVER_OFF = {'consecutive': 0, 'window': {'failures': 0, 'seconds': 900}}
EXCHANGE_MS = 3000
OVERSHOOT_MS = 2000  # of a timer on a machine that is busy with something else


def filler(size):
    """A body's bulk, of texts too short to be anybody's data."""
    return ['x'] * (size // 4)


class Hostile(Scenario):
    def setUp(self):
        super().setUp()
        # Where a time limit is not what is tested, a slow machine shall not meet one.
        twice = {'delays_s': [1], 'max_attempts': 2}
        self.world.add_provider(name='patient', timeout_ms=30_000, retry=twice, gone=[410], deactivate=NEVER_OFF)
        self.world.add_provider(name='strict', timeout_ms=EXCHANGE_MS, retry=twice, deactivate=NEVER_OFF)

    def opened(self, receiver):
        self.world.on_end.append(receiver.close)
        return receiver

    def context(self, kind):
        world = self.world
        if kind == 'self-signed':
            own, key = world.path('own.pem'), world.path('own.key')
            world.openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key,
                          '-out', own, '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost')
            return server_context((own, key))
        if kind == 'expired':
            return server_context(world.certificate('expired', days=-1))
        if kind == 'wrong-host':
            return server_context(world.certificate('elsewhere', names='DNS:elsewhere.example'))
        if kind == 'unknown-authority':
            return server_context(world.certificate('stranger', authority='other'))
        good = world.certificate()
        if kind == 'old':
            context = server_context(good, ssl.TLSVersion.TLSv1_1)
            context.set_ciphers('ALL:@SECLEVEL=0')
            return context
        if kind.startswith('demands-'):
            version = ssl.TLSVersion.TLSv1_3 if kind.endswith('1.3') else ssl.TLSVersion.TLSv1_2
            return server_context(good, version, client_authority=world.authority()[0])
        if kind == 'alpn-other':
            return server_context(good, alpn=['h2', 'spdy/3'])
        if kind == 'alpn-h2':
            return choose_h2_unasked(server_context(good))
        return server_context(good)

    def open_case(self, case, scheme):
        context = self.context(case.tls) if scheme == 'https' else None
        return self.opened(HostileReceiver(case.script, context, SMALL_BUFFER if case.large else 0, case.handshake))


class Run:
    """One case under way: its receiver, its endpoint, its event."""

    def __init__(self, world, receiver, scheme, provider, account, body):
        self.receiver, self.account = receiver, account
        self.endpoint = world.add_endpoint(provider, f'{scheme}://localhost:{receiver.port}/hook?token=of-the-url',
                                           account=account)
        self.event = None
        self.send = lambda: world.send(provider, 'loan.paid', body, account=account)


class Table(Hostile):
    """All cases at once on one engine, so that each is the others' neighbour."""

    def add_runs(self, scheme):
        self.trap = self.opened(HostileReceiver(lambda peer: peer.wait_for_close()))
        self.runs = []
        for case in cases(b'http://localhost:%d/trap' % self.trap.port):
            if scheme in case.transports:
                self.add_run(case, scheme, self.open_case(case, scheme))
        # 1 and 2 are the same with TLS and without.
        for number, name, kind, error, words in ((1, 'refuses', Refusing, 'connect', 'refused'),
                                                 (2, 'black hole', BlackHole, 'timeout', 'not connected within')):
            case = next(cases(b''))._replace(number=number, name=name, verdict='retried', error=error, words=words, posts=0)
            self.add_run(case, scheme, self.opened(kind()))

    def add_run(self, case, scheme, receiver):
        provider = 'strict' if case.error == 'timeout' else 'patient'
        body = {'n': case.number, 'filler': filler(LARGE_BODY) if case.large else []}
        self.runs.append((case, Run(self.world, receiver, scheme, provider, f'{case.number} {case.name}', body)))

    def add_healthy(self):
        """One that always answers, and one that always hangs, to tell the time by."""
        self.world.add_provider(name='clock', timeout_ms=EXCHANGE_MS, retry={'delays_s': [1], 'max_attempts': 1000},
                                deactivate=NEVER_OFF)
        self.hanging = hanging = self.opened(ScriptedReceiver(None, lambda request: HANG))
        self.ticks = 0

        def healthy(_):
            self.ticks = hanging.count()
            return 200
        self.healthy = self.opened(ScriptedReceiver(self.world.certificate(), healthy))
        self.world.add_endpoint('patient', self.healthy.url(), account='healthy')
        self.world.add_endpoint('clock', hanging.url(), account='clock')

    def run_all(self, scheme):
        self.add_runs(scheme)
        self.add_healthy()
        self.serve = self.world.serve('--allow-http')
        self.world.send('clock', 'loan.paid', {}, account='clock')
        for _, run in self.runs:
            run.event = run.send()
        before = self.hanging.count()
        self.world.sql(*[("INSERT INTO outrider_outbox (account, provider, type, payload) "
                          "VALUES ('healthy', 'patient', 'loan.paid', ?)", (json.dumps({'n': n}),))
                         for n in range(HEALTHY_EVENTS)])
        wait_until(lambda: self.healthy.count() >= HEALTHY_EVENTS, 'the healthy endpoint has its events')
        bodies = sorted(json.loads(body)['n'] for body in self.healthy.bodies())
        self.assertEqual(bodies, list(range(HEALTHY_EVENTS)))
        self.assertLess(self.ticks - before, 10, 'time in requests of four seconds, until the last healthy delivery')
        for case, run in self.runs:
            with self.subTest(f'{scheme} {case.number}: {case.name}'):
                self.check(case, run)
        self.assertEqual(self.trap.connections, 0, 'a redirect was followed')
        self.assertEqual(self.serve.stop(), 0)
        self.check_database()

    def ended(self, run):
        def over():
            delivery = self.world.delivery(run.event)
            return delivery if delivery['state'] != 'pending' else None
        return wait_until(over, f'{run.account} has ended')

    def check(self, case, run):
        delivery = self.ended(run)
        run.receiver.judged.set()
        log = delivery['log']
        failures = log if case.verdict != 'delivered' else log[:-1]
        for attempt in failures:
            self.assertIn(attempt['error'], case.error.split('|'), attempt)
            self.assertTrue(any(words in attempt['detail'] for words in case.words.split('|')), attempt)
            self.assertTrue(attempt['detail'])
            self.assertNotIn('of-the-url', attempt['detail'])
        self.assertEqual(delivery['state'], {'delivered': 'delivered', 'retried': 'exhausted', 'gone': 'held'}[case.verdict])
        if case.verdict == 'delivered':
            self.assertEqual(log[-1]['error'], 'none', log)
        if case.verdict == 'gone':
            self.assertEqual(self.world.json('endpoint', 'show', run.endpoint)['state'], 'deactivated')
        if case.error == 'timeout':
            for attempt in log:
                self.assertGreaterEqual(attempt['duration_ms'], EXCHANGE_MS - 10)
                self.assertLess(attempt['duration_ms'], EXCHANGE_MS + OVERSHOOT_MS)
        self.check_ledger(case, run, len(log))
        self.check_logs(run, log)

    def check_ledger(self, case, run, attempts):
        self.assertEqual(run.receiver.faults, type(run.receiver.faults)())
        if case.posts is None:
            self.assertEqual(run.receiver.connections, attempts)
            self.assertLessEqual(run.receiver.posts(), attempts)
        else:
            self.assertEqual(run.receiver.posts(run.event), case.posts * attempts)
            self.assertEqual(run.receiver.posts(), case.posts * attempts)
            self.assertLessEqual(run.receiver.connections, attempts)

    def check_database(self):
        """The numbers there are those of the documented list, the names in the log the same list's."""
        with open(os.path.join(ROOT, 'schemas', 'errors.md'), encoding='utf-8') as file:
            names = {int(number): name for number, name in re.findall(r'^\| (\d+) \| `(\w+)`', file.read(), re.MULTILINE)}
        stored = Counter(names[number] for number, in self.world.sql('SELECT error FROM outrider_attempt'))
        lines = [json.loads(line) for line in self.serve.err().splitlines()]
        self.assertEqual(stored, Counter(line['error'] for line in lines if line['event'] == 'attempt'))
        print(f'{len(self.runs)} cases; attempts by error class: {dict(stored.most_common())}')

    def check_logs(self, run, log):
        """The engine's log says the same as the command line, in the same words."""
        lines = [json.loads(line) for line in self.serve.err().splitlines() if run.event in line]
        said = [(line['attempt'], line['error'], line.get('detail', '')) for line in lines if line['event'] == 'attempt']
        self.assertEqual(said, [(attempt['number'], attempt['error'], attempt['detail']) for attempt in log])

    def test_each_ends_in_its_verdict_over_plain_http(self):
        self.run_all('http')

    def test_each_ends_in_its_verdict_over_tls(self):
        self.run_all('https')


class Stories(Hostile):
    """What takes more than one request on one connection, or a hand on the receiver between two."""

    def tell(self, script, scheme, body=None, provider='patient'):
        context = self.context('good') if scheme == 'https' else None
        receiver = self.opened(HostileReceiver(script, context, SMALL_BUFFER if body else 0))
        return Run(self.world, receiver, scheme, provider, f'acme-{receiver.port}', body or {'n': 1})

    def each_scheme(self):
        self.world.serve('--allow-http')
        return ('http', 'https')

    def attempts(self, event, number=1):
        return wait_until(lambda: (log := self.world.delivery(event)['log'])[number - 1:] and log,
                          f'{event} has {number} attempts')

    def idle_connection(self, says, ends):
        """The first answer is taken; then the idle connection says something unasked. Every later request is refused,
        so that a success could only be what was said unasked."""
        for scheme in self.each_scheme():
            taken, said = threading.Event(), threading.Event()

            def script(peer, taken=taken, said=said):
                if peer.number == 1:
                    peer.read_request()
                    peer.send(OK)
                    taken.wait(LIMIT_S)
                    peer.send(says)
                    peer.wait_until_taken()
                    if ends:
                        peer.half_close()
                    said.set()
                while True:
                    peer.read_request()
                    peer.send(b'HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n')
            run = self.tell(script, scheme)
            first = run.send()
            self.world.wait_for_state(first, 'delivered')
            taken.set()
            wait_until(said.is_set, 'it has spoken unasked')
            second = run.send()
            self.world.wait_for_state(second, 'exhausted')
            log = self.attempts(second, 2)
            self.assertEqual([(attempt['error'], attempt['status']) for attempt in log], [('status', 500)] * 2)
            self.assertEqual((run.receiver.posts(first), run.receiver.posts(second)), (1, 2))
            self.assertEqual(run.receiver.faults, [])

    def test_23_an_answer_said_to_an_idle_connection_answers_nothing(self):
        self.idle_connection(STRAY, ends=False)

    def test_23_half_an_answer_said_to_an_idle_connection_answers_nothing(self):
        self.idle_connection(STRAY[:20], ends=False)

    def test_24_a_408_on_an_idle_connection_is_not_the_next_answer(self):
        self.idle_connection(b'HTTP/1.1 408 Late\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', ends=True)

    def test_17_and_36_what_follows_an_answer_is_not_the_next_one(self):
        for scheme in self.each_scheme():
            for answer in (OK, b'HTTP/1.1 204 No\r\n\r\n', b'HTTP/1.1 204 No\r\nContent-Length: 54\r\n\r\n'):
                def script(peer, answer=answer):
                    while True:
                        peer.read_request()
                        good = peer.receiver.posts() == 1
                        peer.send(answer + STRAY if good else b'HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n')
                run = self.tell(script, scheme)
                first = run.send()
                self.world.wait_for_state(first, 'delivered')
                second = run.send()
                self.world.wait_for_state(second, 'exhausted')
                self.assertEqual([attempt['status'] for attempt in self.attempts(second, 2)], [500, 500])
                self.assertEqual((run.receiver.posts(first), run.receiver.posts(second)), (1, 2))

    def test_22_a_connection_with_an_answer_that_came_too_early_is_not_used_again(self):
        """The receiver takes nothing of the first body; on the same connection the next request would wait behind it."""
        for scheme in self.each_scheme():
            for answer in (OK, b'HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n'):
                def script(peer, answer=answer):
                    peer.read_head(1024)
                    peer.send(answer)
                    peer.wait_without_reading()
                run = self.tell(script, scheme, {'filler': filler(LARGE_BODY)})
                event = run.send()
                self.world.wait_for_state(event, 'exhausted')
                log = self.attempts(event, 2)
                self.assertEqual({attempt['error'] for attempt in log}, {'protocol' if answer == OK else 'status'}, log)
                self.assertEqual((run.receiver.posts(event), run.receiver.connections), (2, 2))

    def test_25_a_request_that_was_processed_is_never_sent_twice_in_one_attempt(self):
        """On a fresh connection and on a kept one, by FIN and by RST: one POST for each attempt, recorded as a reset."""
        for scheme in self.each_scheme():
            for end in (lambda peer: None, lambda peer: peer.reset()):
                def script(peer, end=end):
                    for _ in range(1 if peer.number != 2 else 0):
                        peer.read_request()
                        peer.send(OK)
                    peer.read_request()
                    end(peer)
                run = self.tell(script, scheme)
                self.world.wait_for_state(run.send(), 'delivered')
                event = run.send()  # dies on the kept connection, then on a fresh one
                self.world.wait_for_state(event, 'exhausted')
                log = self.attempts(event, 2)
                self.assertEqual([attempt['error'] for attempt in log], ['reset', 'reset'])
                for attempt in log:
                    self.assertIn('the request may have been processed', attempt['detail'])
                self.assertEqual((run.receiver.posts(event), run.receiver.connections), (2, 2))

    def test_29_retry_after_lengthens_the_wait_and_never_beyond_the_longest_delay(self):
        """The provider waits 100 s and then 1,000 s; whatever is asked, the first wait lies between the two."""
        self.world.add_provider(name='asked', retry={'delays_s': [100, 1000], 'max_attempts': 3, 'retry_after': True},
                                deactivate=NEVER_OFF)
        now = time.time()
        for scheme in self.each_scheme():
            for asked, least, most in (
                    ('400', 400, 400), ('7', 100, 100), ('0', 100, 100), ('-5', 100, 100), ('1000000000', 1000, 1000),
                    ('9' * 40, 1000, 1000), ('soon', 100, 100), ('', 100, 100), ('1.5', 100, 100),
                    ('Sun, 06 Nov 1994 08:49:37 GMT', 100, 100), (formatdate(now + 500, usegmt=True), 300, 501),
                    ('Fri, 01 Jan 2100 00:00:00 GMT', 1000, 1000)):
                answer = b'HTTP/1.1 429 Slow\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n' % asked.encode()
                run = self.tell(answering(answer), scheme, provider='asked')
                event = run.send()
                attempt = self.attempts(event)[0]
                self.assertEqual((attempt['error'], attempt['status']), ('status', 429))
                self.assertIn('429', attempt['detail'])
                delivery = self.world.delivery(event)
                waits = (delivery['next_at'] - attempt['started_at'] - attempt['duration_ms']) / 1000
                self.assertGreaterEqual(waits, least - 1, asked)
                self.assertLessEqual(waits, most + 2, asked)
                self.assertEqual(run.receiver.posts(), 1)


class Memory(Hostile):
    """What a hundred repetitions of each case leave behind, and what they need at their worst: beyond what was stored of
    them, which the database's page cache may hold up to its own limit."""
    REPETITIONS = 100
    AT_ONCE = 5
    BODY = 60_000  # of the requests that are not to be taken whole
    MOST_GROWTH_KIB = 4096

    def status(self, name):
        with open(f'/proc/{self.serve.pid}/status', encoding='ascii') as file:
            return next(int(line.split()[1]) for line in file if line.startswith(name + ':'))

    def stored(self):
        return self.world.sql('SELECT page_count * page_size / 1024 FROM pragma_page_count, pragma_page_size')[0][0]

    def repeat(self, accounts, times):
        """`times` events for each account; over when none of them waits any more."""
        self.world.sql(*[("INSERT INTO outrider_outbox (account, provider, type, payload) VALUES (?, 'brief', 'loan.paid', ?)",
                          (account, body)) for account, body in accounts for _ in range(times)])
        self.sent += times * len(accounts)
        wait_until(lambda: self.world.sql('SELECT count(*) FROM outrider_delivery WHERE state <> 0')[0][0] >= self.sent,
                   f'{self.sent} deliveries have ended')

    def measure(self, scheme):
        # One attempt each. A short limit, so that a hundred time-outs do not take five minutes.
        self.world.add_provider(name='brief', timeout_ms=100, retry={'delays_s': [1], 'max_attempts': 1},
                                deactivate=NEVER_OFF)
        self.sent = 0
        runs = [(case, self.open_case(case, scheme)) for case in cases(b'http://localhost:1/') if scheme in case.transports]
        self.serve = self.world.serve('--allow-http', '--quiet')
        accounts = {}
        for case, receiver in runs:
            body = json.dumps({'filler': filler(self.BODY) if case.large else []})
            accounts[case.number, case.name] = [(f'{receiver.port}-{n}', body) for n in range(self.AT_ONCE)]
            for account, _ in accounts[case.number, case.name]:
                self.world.add_endpoint('brief', f'{scheme}://localhost:{receiver.port}/hook', account=account)
        # Each has been there before it is measured, and never so many at once that room is left for later.
        for some in accounts.values():
            self.repeat(some[:2], 1)
        first = self.status('VmRSS')
        worst = {}
        for key, some in accounts.items():
            with open(f'/proc/{self.serve.pid}/clear_refs', 'w', encoding='ascii') as file:
                file.write('5')  # the peak begins anew
            before, stored = self.status('VmRSS'), self.stored()
            # Large bodies one round after the other: a hundred at once would be the publisher's memory.
            rounds = self.REPETITIONS // self.AT_ONCE
            for _ in range(rounds if len(some[0][1]) > 1000 else 1):
                self.repeat(some, 1 if len(some[0][1]) > 1000 else rounds)
            worst[key] = self.status('VmHWM') - before - (self.stored() - stored)
            self.assertLess(worst[key], self.MOST_GROWTH_KIB, key)
        key = max(worst, key=worst.get)
        print(f'{scheme}: {len(worst)} cases, {self.REPETITIONS} each; most growth {worst[key]} KiB, at {key}; '
              f'from {first} to {self.status("VmRSS")} KiB in all')

    def test_a_hundred_of_each_over_plain_http_grow_memory_by_less_than_4_mib(self):
        self.measure('http')

    def test_a_hundred_of_each_over_tls_grow_memory_by_less_than_4_mib(self):
        self.measure('https')


if __name__ == '__main__':
    run_scenarios()

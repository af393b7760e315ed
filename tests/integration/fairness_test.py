#!/usr/bin/env python3
"""One endpoint that hangs, with 20,000 waiting events, and 50 healthy ones that must not notice.

Time is counted in requests of the hanging endpoint: each lasts the provider's three seconds, so its fourth one marks
the end of a fixed amount of the engine's waiting, on a fast machine and on a slow one.
"""
import json
import threading

from local_receiver import HANG, ScriptedReceiver
from world import Scenario, run_scenarios, wait_until

WAITING = 20_000
HEALTHY = 50
EVENTS_EACH = 10
IN_ONE_TRANSACTION = 500


class Fairness(Scenario):
    def setUp(self):
        super().setUp()
        # Never switched off and always tried again: the worst neighbour there can be.
        self.world.add_provider(timeout_ms=3000, retry={'delays_s': [1], 'max_attempts': 1000},
                                deactivate={'consecutive': 0, 'window': {'failures': 0, 'seconds': 900}})
        self.lock = threading.Lock()
        self.hanging_when_last_healthy_came = 0
        certificate = self.world.certificate()
        self.hanging = ScriptedReceiver(certificate, lambda request: HANG)
        self.healthy = ScriptedReceiver(certificate, self.note)
        self.world.on_end += [self.hanging.close, self.healthy.close]
        self.world.add_endpoint('quick', self.hanging.url(), account='slow')
        for n in range(HEALTHY):
            self.world.add_endpoint('quick', self.healthy.url(path=f'/{n}'), account=f'healthy-{n}')

    def note(self, _):
        with self.lock:
            self.hanging_when_last_healthy_came = self.hanging.count()
        return 200

    def insert(self, events):
        """(account, number) pairs, as the platform would: by plain SQL, several in a transaction."""
        for start in range(0, len(events), IN_ONE_TRANSACTION):
            self.world.sql(*[
                ('INSERT INTO outrider_outbox (account, provider, type, payload) VALUES (?, ?, ?, ?)',
                 (account, 'quick', 'loan.paid', json.dumps({'n': number})))
                for account, number in events[start:start + IN_ONE_TRANSACTION]])

    def waiting_events(self):
        return [('slow', n) for n in range(WAITING)]

    def healthy_events(self):
        return [(f'healthy-{n}', event) for event in range(EVENTS_EACH) for n in range(HEALTHY)]

    def assert_the_healthy_have_theirs(self):
        wanted = HEALTHY * EVENTS_EACH
        wait_until(lambda: self.healthy.count() >= wanted, f'the healthy endpoints have their {wanted} events')
        came = {}
        for request in self.healthy.requests:
            came.setdefault(request.path, []).append(json.loads(request.body)['n'])
        self.assertEqual(len(came), HEALTHY)
        for path, numbers in came.items():
            self.assertEqual(sorted(numbers), list(range(EVENTS_EACH)), path)
        print(f'{wanted} healthy deliveries; the hanging endpoint had {self.hanging_when_last_healthy_came} requests '
              f'when the last of them came, with {WAITING} events waiting')

    def test_a_backlog_that_was_there_first_does_not_delay_the_healthy(self):
        self.insert(self.waiting_events())
        self.insert(self.healthy_events())
        self.world.serve()
        self.assert_the_healthy_have_theirs()
        self.assertLess(self.hanging_when_last_healthy_came, 4)
        queue = self.world.json('queue')
        self.assertEqual((queue['delivered'], queue['waiting']), (HEALTHY * EVENTS_EACH, WAITING))

    def test_requests_that_hang_do_not_delay_what_comes_later(self):
        self.world.serve()
        self.insert(self.waiting_events())
        wait_until(lambda: self.hanging.count() >= 2, 'the hanging endpoint is at its second request')
        before = self.hanging.count()
        self.insert(self.healthy_events())
        self.assert_the_healthy_have_theirs()
        self.assertLess(self.hanging_when_last_healthy_came - before, 4)


if __name__ == '__main__':
    run_scenarios()

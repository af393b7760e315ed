#!/usr/bin/env python3
"""Several threads that send: each endpoint is served by one of them, and none of the rules knows how many there are."""
import json
import os

from local_receiver import HANG, ScriptedReceiver
from world import Scenario, example, run_scenarios, wait_until

LOOPS = 3
PAYOFF = 'lossexpress/payoff.json'


class Loops(Scenario):
    def setUp(self):
        super().setUp()
        self.answer = 200

    def receiver(self):
        """Answers self.answer, whatever that is at the moment."""
        receiver = ScriptedReceiver(self.world.certificate(), lambda request: self.answer)
        self.world.on_end.append(receiver.close)
        return receiver

    def quick(self, **changes):
        self.world.add_provider(**{'retry': {'delays_s': [1], 'max_attempts': 100}, 'deactivate': {'consecutive': 0},
                                   **changes})

    def serve(self, loops=LOOPS, **options):
        return self.world.serve('--loops', str(loops), **options)

    def insert(self, accounts, numbers):
        self.world.sql(*[('INSERT INTO outrider_outbox (account, provider, type, payload) VALUES (?, ?, ?, ?)',
                          (account, 'quick', 'loan.paid', json.dumps({'n': n}))) for n in numbers for account in accounts])

    def wait_for_queue(self, **wanted):
        wait_until(lambda: {key: self.world.json('queue')[key] for key in wanted} == wanted, f'the queue says {wanted}')

    def test_what_a_kill_interrupts_on_any_loop_arrives_in_the_next_life(self):
        self.quick()
        receiver = self.receiver()
        accounts = [f'partner-{n}' for n in range(2 * LOOPS + 1)]
        for account in accounts:
            self.world.add_endpoint('quick', receiver.url(path=f'/{account}'), account=account)
        serve = self.serve()
        names = sorted(open(f'/proc/{serve.pid}/task/{task}/comm', encoding='ascii').read().strip()
                       for task in os.listdir(f'/proc/{serve.pid}/task'))
        self.assertEqual([name for name in names if name.startswith('outrider-loop')],
                         ['outrider-loop', 'outrider-loop1', 'outrider-loop2'])
        self.insert(accounts, range(100))
        wait_until(lambda: receiver.count() >= 50, 'some have arrived')
        serve.kill()
        self.serve(name='next-life')
        self.wait_for_queue(delivered=100 * len(accounts))
        came = {(request.path, json.loads(request.body)['n']) for request in receiver.requests}
        self.assertEqual(came, {(f'/{account}', n) for account in accounts for n in range(100)})

    def test_an_account_that_is_switched_off_whole_is_switched_off_on_all_loops(self):
        self.answer = 500
        receiver, elsewhere = self.receiver(), self.receiver()
        ours = [self.world.add_endpoint('lossexpress', receiver.url(path=f'/{n}')) for n in range(2)]
        other = self.world.add_endpoint('lossexpress', elsewhere.url(), account='other')
        # Before serve, so that not more than two requests are under way at the fifth failure.
        for endpoint in ours:
            for _ in range(4):
                self.world.send('lossexpress', 'payoff', example(PAYOFF), '--endpoint', endpoint)
        self.serve(loops=4)
        for endpoint in ours:
            wait_until(lambda: self.world.json('endpoint', 'show', endpoint)['state'] == 'deactivated',  # pylint: disable=cell-var-from-loop
                       'the account is off')
        self.assertEqual(self.world.json('endpoint', 'show', other)['state'], 'active')
        self.wait_for_queue(waiting=0)
        self.assertIn(receiver.count(), (5, 6))

        self.answer = 200
        event = self.world.send('lossexpress', 'payoff', example(PAYOFF), account='other')
        self.world.wait_for_state(event, 'delivered')
        self.assertEqual(elsewhere.count(), 1)

    def test_an_operator_is_heard_on_every_loop(self):
        self.quick()
        receiver = self.receiver()
        self.world.sql("SELECT 1")
        serve = None
        endpoints = []
        for n in range(LOOPS + 1):
            endpoints.append(self.world.add_endpoint('quick', receiver.url(path=f'/{n}'), account=f'a{n}'))
            serve = serve or self.serve()  # the others are added while it runs
        accounts = [f'a{n}' for n in range(LOOPS + 1)]
        self.insert(accounts, [0])
        self.wait_for_queue(delivered=LOOPS + 1)
        for endpoint in endpoints:
            self.world.run('endpoint', 'pause', endpoint)
        self.insert(accounts, [1])
        self.wait_for_queue(held=LOOPS + 1)
        self.assertEqual(receiver.count(), LOOPS + 1)
        for endpoint in endpoints:
            self.world.run('endpoint', 'activate', endpoint)
        self.wait_for_queue(delivered=2 * (LOOPS + 1), held=0)

        self.answer = 500
        failed = [self.world.send('quick', 'loan.paid', {'n': n}, account=account) for n, account in enumerate(accounts)]
        wait_until(lambda: all(self.world.delivery(event)['attempts'] >= 1 for event in failed), 'each has failed')
        for event in failed:
            self.world.run('event', 'cancel', event)
        self.answer = 200
        for event in failed:
            self.world.run('event', 'retry', event)
            self.world.wait_for_state(event, 'delivered')
        for endpoint in endpoints:
            self.world.run('endpoint', 'remove', endpoint)
        self.assertEqual(serve.stop(), 0, serve.err())

    def test_a_signal_drains_all_loops(self):
        self.quick(timeout_ms=3000)
        self.answer = HANG
        receiver = self.receiver()
        accounts = [f'a{n}' for n in range(LOOPS)]
        for account in accounts:
            self.world.add_endpoint('quick', receiver.url(path=f'/{account}'), account=account)
        serve = self.serve()
        self.insert(accounts, [0])
        wait_until(lambda: receiver.count() == LOOPS, 'a request hangs on each loop')
        self.assertEqual(self.world.json('queue')['in_flight'], LOOPS)
        self.assertEqual(serve.stop(), 0, serve.err())
        self.assertEqual({tuple(attempt['error'] for attempt in delivery['log'])
                          for event in self.world.json('event', 'list')['events']
                          for delivery in self.world.event(event['id'])['deliveries']}, {('timeout',)})

    def test_a_number_of_loops_that_cannot_be_is_refused(self):
        for wrong in ('0', '17', 'many', '-1'):
            refused = self.world.cli('serve', '--loops', wrong)
            self.assertEqual(refused.code, 2, wrong)
            self.assertIn('--loops', refused.err)


if __name__ == '__main__':
    run_scenarios()

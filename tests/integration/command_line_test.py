#!/usr/bin/env python3
"""What operators look at and do: lists and pages, the queue, one event, retry and cancel, with and without an engine."""
import json
import re

from local_receiver import ScriptedReceiver
from world import Scenario, example, run_scenarios, wait_until

COMMANDS = [[], ['serve'], ['send'], ['endpoint'], *[['endpoint', name] for name in (
    'add', 'list', 'show', 'pause', 'activate', 'test', 'replay', 'rotate-secret', 'set-tls', 'remove')], ['queue'], ['event'],
    *[['event', name] for name in ('list', 'show', 'retry', 'cancel')], ['provider'],
    *[['provider', name] for name in ('list', 'show', 'check')], ['verify'], ['listen'], ['version'], ['config'], ['config', 'show'], ['health']]


class CommandLine(Scenario):
    def setUp(self):
        super().setUp()
        self.status = 200
        self.receiver = ScriptedReceiver(self.world.certificate(), lambda request: self.status)
        self.world.on_end.append(self.receiver.close)

    def add(self, provider='quick', **options):
        if provider == 'quick':
            self.world.add_provider(retry={'delays_s': [1000], 'max_attempts': 2})
        return self.world.add_endpoint(provider, self.receiver.url(), **options)

    def send(self, number, *options, **more):
        return self.world.send('quick', 'loan.paid', {'n': number}, *options, **more)

    def tried(self, event):
        return wait_until(lambda: self.world.delivery(event)['log'], 'an attempt is recorded')

    def test_every_command_explains_itself(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                text = self.world.run(*command, '--help')
                self.assertIn('--help', text)
                self.assertLessEqual(max(len(line) for line in text.splitlines()), 120)
        self.assertIn('Exit codes', self.world.run('--help'))

    def test_version(self):
        version = self.world.json('version')['version']
        self.assertRegex(version, r'^\d+\.\d+\.\d+$')
        self.assertEqual(self.world.run('version'), f'outrider {version}\n')
        self.assertEqual(self.world.run('--version'), f'outrider {version}\n')

    def test_the_database_and_the_providers_may_come_from_the_environment(self):
        self.add()
        env = {'OUTRIDER_DB': self.world.database, 'OUTRIDER_PROVIDERS': self.world.providers}
        self.world.command = lambda *args, database=None: [self.world.binary, *args]
        self.assertEqual(len(self.world.json('endpoint', 'list', env=env)['endpoints']), 1)
        self.assertIn('quick', self.world.run('provider', 'list', env=env))

    def test_events_are_listed_newest_first_page_by_page_and_by_what_is_asked_for(self):
        endpoint = self.add()
        other = self.add(account='other')
        events = [self.send(n) for n in range(7)]
        foreign = self.send(7, account='other')
        listed = self.world.json('event', 'list', '--limit', '3')
        self.assertEqual([event['id'] for event in listed['events']], [foreign, events[6], events[5]])
        seen, before = [], []
        while True:
            page = self.world.json('event', 'list', '--account', 'acme', '--limit', '3', *before)
            seen += [event['id'] for event in page['events']]
            if not page['next_before']:
                break
            before = ['--before', page['next_before']]
        self.assertEqual(seen, events[::-1])
        self.world.run('event', 'cancel', events[2])
        for options, expected in ((['--state', 'cancelled'], [events[2]]), (['--endpoint', other], [foreign]),
                                  (['--state', 'pending', '--endpoint', endpoint, '--limit', '2'], [events[6], events[5]]),
                                  (['--provider', 'github'], []), (['--type', 'loan.paid', '--account', 'other'], [foreign])):
            with self.subTest(options=options):
                self.assertEqual([event['id'] for event in self.world.json('event', 'list', *options)['events']], expected)
        self.assertIn(foreign, self.world.run('event', 'list'))

    def test_the_queue_says_what_waits_is_due_held_and_failed_for_all_and_for_each_endpoint(self):
        self.status = 500
        failing, idle = self.add(), self.add(account='other')
        self.world.run('endpoint', 'pause', idle)
        events = [self.send(n) for n in range(3)]
        self.send(9, account='other')
        queue = self.world.json('queue')
        self.assertEqual((queue['waiting'], queue['due'], queue['held'], queue['in_flight']), (4, 3, 1, None))
        self.assertFalse(queue['engine_running'])
        self.world.serve()
        for event in events:
            self.tried(event)
        queue = self.world.json('queue')
        self.assertEqual((queue['waiting'], queue['due'], queue['held'], queue['in_flight']), (4, 0, 1, 0))
        self.assertTrue(queue['engine_running'])
        rows = {row['endpoint']: row for row in queue['endpoints']}
        self.assertEqual((rows[failing]['waiting'], rows[failing]['held'], rows[failing]['state']), (3, 0, 'active'))
        self.assertEqual((rows[idle]['waiting'], rows[idle]['held'], rows[idle]['state']), (1, 1, 'paused'))
        oldest = self.world.event(events[0])
        self.assertEqual(rows[failing]['oldest_at'], oldest['created_at'])
        self.assertEqual(rows[failing]['next_at'], min(self.world.delivery(event)['next_at'] for event in events))
        for_people = self.world.run('queue')
        for fragment in (failing, idle, 'paused', 'held', 'Oldest waiting', 'Next attempt'):
            self.assertIn(fragment, for_people)

    def test_one_event_shows_its_attempts_when_the_next_is_due_and_why(self):
        self.status = 503
        self.add()
        self.world.serve()
        event = self.send(1)
        attempt, = self.tried(event)
        delivery = self.world.delivery(event)
        # A delay begins where the attempt ended.
        self.assertAlmostEqual(delivery['next_at'], attempt['started_at'] + attempt['duration_ms'] + 1_000_000, delta=500)
        text = self.world.run('event', 'show', event)
        for fragment in (event, delivery['id'], '503', '"********"', 'pending'):
            self.assertIn(fragment, text)
        self.assertRegex(text, r'in 16 min')  # when the next attempt is due
        self.assertEqual(self.world.event(delivery['id'])['id'], event)  # a delivery's id leads there too

    def test_retry_makes_a_waiting_attempt_due_now_and_all_sends_again_what_was_delivered(self):
        self.status = 500
        self.add()
        self.world.serve()
        event = self.send(1)
        self.tried(event)
        self.status = 200
        self.assertEqual(self.world.json('event', 'retry', event), {'id': event, 'retried': 1})
        self.world.wait_for_state(event, 'delivered')
        self.assertEqual(self.world.json('event', 'retry', event)['retried'], 0)
        self.assertEqual(self.receiver.count(), 2)
        self.world.json('event', 'retry', event, '--all')
        wait_until(lambda: self.receiver.count() == 3, 'it is sent again')
        self.assertEqual({request.headers['webhook-id'] for request in self.receiver.requests}, {event})

    def test_an_event_kept_without_an_endpoint_can_be_sent_once_there_is_one(self):
        payload = example('credit-app/application_export.json')
        kept = self.world.json('send', '--account', 'acme', '--provider', 'credit-app', '--type', 'application_export',
                               stdin=payload)
        self.assertEqual(kept['deliveries'], 0)
        self.add('credit-app')
        self.world.serve()
        self.world.run('event', 'retry', kept['id'])
        self.world.wait_for_state(kept['id'], 'delivered')
        self.assertEqual(json.loads(self.receiver.bodies()[0]), json.loads(payload))

    def test_cancel_ends_what_waits_and_says_who_did_it(self):
        self.add()
        event = self.send(1)
        self.assertEqual(self.world.json('event', 'cancel', event, '--reason', 'sent by mistake')['cancelled'], 1)
        self.assertEqual(self.world.delivery(event)['reason'], 'sent by mistake')
        self.assertEqual(self.world.json('event', 'cancel', event)['cancelled'], 0)
        self.world.serve()
        later = self.send(2)
        self.world.wait_for_state(later, 'delivered')
        self.assertEqual(self.receiver.bodies(), [b'{"n":2}'])

    def test_providers_are_listed_shown_and_checked(self):
        self.add()
        names = [provider['name'] for provider in self.world.json('provider', 'list')['providers']]
        self.assertEqual(sorted(names), ['credit-app', 'github', 'lender-spender', 'lossexpress', 'operational-webhooks', 'quick',
                                         'standard-webhooks', 'stripe'])
        shown = self.world.json('provider', 'show', 'lender-spender')
        self.assertEqual((shown['retry_delays_s'], shown['max_attempts'], shown['timeout_ms']),
                         ([10, 100, 1000, 10000, 100000], 6, 3000))
        definition = self.world.run('provider', 'show', 'quick', '--definition')
        copy = self.world.write('copy.json', definition)
        self.assertEqual(json.loads(definition)['name'], 'quick')
        self.world.run('provider', 'check', copy)

    def test_tables_are_for_people_and_hold_no_surprises_for_their_terminal(self):
        self.add(account='a\u202ecme')
        for words in (['endpoint', 'list'], ['queue']):
            text = self.world.run(*words)
            self.assertIsNone(re.search('[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]', text), text)

    def test_changes_made_while_serve_runs_take_effect_at_once(self):
        endpoint = self.add()
        self.world.serve()
        self.world.wait_for_state(self.send(1), 'delivered')
        self.world.run('endpoint', 'pause', endpoint, '--reason', 'moving house')
        self.assertIn('moving house', self.world.run('endpoint', 'show', endpoint))
        held = self.send(2)
        self.assertEqual(self.world.delivery(held)['state'], 'held')
        second = self.add()
        third = self.send(3)
        wait_until(lambda: self.receiver.count() == 2, 'the new endpoint has it')
        states = {delivery['endpoint']: delivery['state'] for delivery in self.world.event(third)['deliveries']}
        self.assertEqual(set(states), {endpoint, second})
        self.assertEqual(states[endpoint], 'held')
        self.world.run('endpoint', 'activate', endpoint)
        self.world.wait_for_state(held, 'delivered')
        wait_until(lambda: self.receiver.count() == 4, 'what was held is sent')


if __name__ == '__main__':
    run_scenarios()

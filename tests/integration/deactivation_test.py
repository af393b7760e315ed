#!/usr/bin/env python3
"""Endpoints that keep failing are switched off; what they miss is held or cancelled, as their provider says."""
from local_receiver import ScriptedReceiver
from world import Scenario, example, run_scenarios, wait_until

UPDATE = 'lender-spender/loan_application_status_update.json'
PAYOFF = 'lossexpress/payoff.json'


class Deactivation(Scenario):
    def setUp(self):
        super().setUp()
        self.status = 500

    def receiver(self):
        """Answers self.status, whatever that is at the moment."""
        receiver = ScriptedReceiver(self.world.certificate(), lambda request: self.status)
        self.world.on_end.append(receiver.close)
        return receiver

    def endpoint(self, ident):
        return self.world.json('endpoint', 'show', ident)

    def wait_for_endpoint(self, ident, state):
        def reached():
            endpoint = self.endpoint(ident)
            return endpoint if endpoint['state'] == state else None
        return wait_until(reached, f'{ident} is {state}')

    def send_updates(self, count, *options):
        return [self.world.send('lender-spender', 'loan_application_status_update', example(UPDATE), *options)
                for _ in range(count)]

    def test_five_failures_in_a_row_switch_off_and_activation_releases_what_was_held(self):
        receiver = self.receiver()
        endpoint = self.world.add_endpoint('lender-spender', receiver.url())
        events = self.send_updates(8)  # before serve, so that no more than five can be under way
        self.world.serve()
        view = self.wait_for_endpoint(endpoint, 'deactivated')
        self.assertIn('5', view['state_reason'])
        self.assertEqual(receiver.count(), 5)
        self.assertEqual([self.world.delivery(event)['state'] for event in events], ['held'] * 8)
        held = self.send_updates(2)
        self.assertEqual(self.world.json('queue')['held'], 10)
        self.assertIn('deactivated', self.world.run('endpoint', 'show', endpoint))

        self.status = 200
        self.world.run('endpoint', 'activate', endpoint)
        for event in events + held:
            self.world.wait_for_state(event, 'delivered')
        self.assertEqual(receiver.count(), 15)
        view = self.endpoint(endpoint)
        self.assertEqual((view['state'], view['consecutive_failures']), ('active', 0))

    def test_a_deactivated_endpoint_stays_so_over_a_restart(self):
        receiver = self.receiver()
        endpoint = self.world.add_endpoint('lender-spender', receiver.url())
        events = self.send_updates(6)
        serve = self.world.serve()
        self.wait_for_endpoint(endpoint, 'deactivated')
        self.assertEqual(serve.stop(), 0)
        self.status = 200
        other = self.receiver()
        self.world.add_endpoint('lender-spender', other.url(), account='other')
        self.world.serve(name='again')
        probe = self.world.send('lender-spender', 'loan_application_status_update', example(UPDATE), account='other')
        self.world.wait_for_state(probe, 'delivered')
        self.assertEqual(receiver.count(), 5)
        self.world.run('endpoint', 'activate', endpoint)
        for event in events:
            self.world.wait_for_state(event, 'delivered')

    def test_lossexpress_switches_off_the_whole_account_cancels_and_refuses(self):
        failing, untouched = self.receiver(), self.receiver()
        first = self.world.add_endpoint('lossexpress', failing.url())
        second = self.world.add_endpoint('lossexpress', untouched.url())
        elsewhere = self.world.add_endpoint('lossexpress', untouched.url(), account='other')
        events = [self.world.send('lossexpress', 'payoff', example(PAYOFF), '--endpoint', first) for _ in range(7)]
        self.world.serve()
        for endpoint in (first, second):
            self.wait_for_endpoint(endpoint, 'deactivated')
        self.assertEqual(self.endpoint(elsewhere)['state'], 'active')
        for event in events:
            self.assertTrue(self.world.wait_for_state(event, 'cancelled')['reason'])
        self.assertEqual((failing.count(), untouched.count()), (5, 0))

        refused = self.world.cli('send', '--account', 'acme', '--provider', 'lossexpress', '--type', 'payoff',
                                 stdin=example(PAYOFF))
        self.assertNotEqual(refused.code, 0)
        self.assertEqual(refused.err.count('\n'), 1, refused.err)
        self.assertIn('deactivated', refused.err)

        self.status = 200
        self.world.run('endpoint', 'activate', first)
        event = self.world.send('lossexpress', 'payoff', example(PAYOFF), '--endpoint', first)
        self.world.wait_for_state(event, 'delivered')
        self.assertEqual(failing.count(), 6)  # what was cancelled stays so

    def test_lossexpress_refuses_an_event_that_no_webhook_is_enabled_for(self):
        self.world.add_endpoint('lender-spender', 'https://example.com/')  # makes the database
        refused = self.world.cli('send', '--account', 'acme', '--provider', 'lossexpress', '--type', 'payoff',
                                 stdin=example(PAYOFF))
        self.assertNotEqual(refused.code, 0)
        self.assertIn('webhook', refused.err)

    def test_the_test_event_goes_to_one_endpoint_once_and_does_not_count(self):
        tested, other = self.receiver(), self.receiver()
        endpoint = self.world.add_endpoint('lender-spender', tested.url())
        self.world.add_endpoint('lender-spender', other.url())
        self.world.serve()
        for _ in range(6):  # one more than would switch it off
            event = self.world.json('endpoint', 'test', endpoint)['id']
            delivery = self.world.wait_for_state(event, 'exhausted')
            self.assertEqual((delivery['attempts'], delivery['endpoint']), (1, endpoint))
        view = self.endpoint(endpoint)
        self.assertEqual((view['state'], view['consecutive_failures'], view['recent_failures']), ('active', 0, 0))
        self.assertEqual((tested.count(), other.count()), (6, 0))
        self.assertEqual(tested.bodies()[0], b'{"type":"webhook_test","data":{"status":"success"}}')
        self.status = 200
        self.world.wait_for_state(self.world.json('endpoint', 'test', endpoint)['id'], 'delivered')

    def test_the_eleventh_endpoint_of_an_account_is_refused(self):
        for n in range(10):
            self.world.add_endpoint('lender-spender', f'https://example.com/{n}')
        refused = self.world.cli('endpoint', 'add', '--account', 'acme', '--provider', 'lender-spender', '--url',
                                 'https://example.com/11', '--secret-stdin', stdin='a shared secret')
        self.assertNotEqual(refused.code, 0)
        self.assertIn('10', refused.err)
        self.assertEqual(len(self.world.json('endpoint', 'list')['endpoints']), 10)
        self.world.add_endpoint('lender-spender', 'https://example.com/', account='other')

    def test_a_paused_endpoint_gets_nothing_until_it_is_activated(self):
        self.status = 200
        receiver, other = self.receiver(), self.receiver()
        endpoint = self.world.add_endpoint('lender-spender', receiver.url())
        self.world.add_endpoint('lender-spender', other.url())
        self.world.serve()
        self.world.run('endpoint', 'pause', endpoint)
        events = self.send_updates(3)
        wait_until(lambda: other.count() == 3, 'the other endpoint has them')
        self.assertEqual(receiver.count(), 0)
        self.world.run('endpoint', 'activate', endpoint)
        wait_until(lambda: receiver.count() == 3, 'what was held is released')
        self.assertEqual(len(events), 3)

    def test_a_removed_endpoint_gets_nothing_more(self):
        self.status = 200
        receiver, other = self.receiver(), self.receiver()
        endpoint = self.world.add_endpoint('lender-spender', receiver.url())
        self.world.add_endpoint('lender-spender', other.url())
        self.world.serve()
        self.world.run('endpoint', 'pause', endpoint)
        before = self.send_updates(1)[0]
        self.world.run('endpoint', 'remove', endpoint)
        after = self.send_updates(1)[0]
        self.world.wait_for_state(after, 'delivered')
        self.assertEqual(sorted(d['state'] for d in self.world.event(before)['deliveries']), ['cancelled', 'delivered'])
        self.assertEqual(receiver.count(), 0)
        self.assertEqual(self.world.cli('endpoint', 'show', endpoint).code, 3)

    def test_gone_switches_off_at_once_where_the_provider_says_so(self):
        self.status = 410
        receiver = self.receiver()
        endpoint = self.world.add_endpoint('standard-webhooks', receiver.url(), 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
        self.world.serve()
        self.world.send('standard-webhooks', 'loan.paid', {'loan': 7})
        self.assertIn('gone', self.wait_for_endpoint(endpoint, 'deactivated')['state_reason'])
        self.assertEqual(receiver.count(), 1)


if __name__ == '__main__':
    run_scenarios()

#!/usr/bin/env python3
"""Attempts that fail: what is shown, when the next one comes, what is the same in it, and how it ends."""
from local_receiver import HANG, ScriptedReceiver
from world import Scenario, example, run_scenarios, wait_until


def fails_first(times):
    return lambda request: 503 if request.number <= times else 200


class Retry(Scenario):
    def receiver(self, answer):
        receiver = ScriptedReceiver(self.world.certificate(), answer)
        self.world.on_end.append(receiver.close)
        return receiver

    def test_a_failed_attempt_is_shown_with_its_status_its_next_time_and_why(self):
        receiver = self.receiver(lambda request: 503)
        self.world.add_endpoint('lender-spender', receiver.url())
        self.world.serve()
        event = self.world.send('lender-spender', 'loan_application_status_update',
                                example('lender-spender/loan_application_status_update.json'))
        wait_until(lambda: self.world.delivery(event)['log'], 'the first attempt is recorded')
        delivery = self.world.delivery(event)
        self.assertEqual((delivery['state'], delivery['attempts'], len(delivery['log'])), ('pending', 1, 1))
        attempt = delivery['log'][0]
        self.assertEqual((attempt['number'], attempt['error'], attempt['status']), (1, 'status', 503))
        self.assertEqual(attempt['peer'], f'127.0.0.1:{receiver.port}')
        self.assertTrue(delivery['next_at'])
        for_people = self.world.run('event', 'show', event)
        self.assertIn('503', for_people)

    def test_ten_seconds_lie_between_the_first_attempt_and_the_second(self):
        receiver = self.receiver(fails_first(1))
        self.world.add_endpoint('lossexpress', receiver.url())
        self.world.serve()
        event = self.world.send('lossexpress', 'payoff', example('lossexpress/payoff.json'))
        self.world.wait_for_state(event, 'delivered')
        first, second = receiver.requests
        # Timers may be a moment early against another clock, never half a second.
        self.assertGreaterEqual(second.at - first.at, 9.5)

    def test_the_same_event_comes_again_under_the_same_id(self):
        self.world.add_provider(retry={'delays_s': [1], 'max_attempts': 5})
        receiver = self.receiver(fails_first(2))
        self.world.add_endpoint('quick', receiver.url())
        self.world.serve()
        event = self.world.send('quick', 'loan.paid', {'loan': 7})
        delivery = self.world.wait_for_state(event, 'delivered')
        self.assertEqual([attempt['number'] for attempt in delivery['log']], [1, 2, 3])
        self.assertEqual([attempt['status'] for attempt in delivery['log']], [503, 503, 200])
        self.assertEqual([attempt['error'] for attempt in delivery['log']], ['status', 'status', 'none'])
        self.assertEqual(receiver.bodies(), [b'{"loan":7}'] * 3)
        self.assertEqual({request.headers['webhook-id'] for request in receiver.requests}, {event})
        self.assertTrue(receiver.requests[0].headers['User-Agent'].startswith('outrider/'))
        self.assertGreaterEqual(receiver.requests[1].at - receiver.requests[0].at, 0.5)

    def test_after_the_last_attempt_it_is_exhausted_and_an_operator_can_send_it_again(self):
        self.world.add_provider(retry={'delays_s': [1], 'max_attempts': 2})
        receiver = self.receiver(fails_first(2))
        self.world.add_endpoint('quick', receiver.url())
        self.world.serve()
        event = self.world.send('quick', 'loan.paid', {'loan': 7})
        delivery = self.world.wait_for_state(event, 'exhausted')
        self.assertEqual(len(delivery['log']), 2)
        self.assertTrue(delivery['reason'])
        self.assertEqual(self.world.json('queue')['exhausted'], 1)
        self.world.run('event', 'retry', event)
        delivery = self.world.wait_for_state(event, 'delivered')
        self.assertEqual([attempt['number'] for attempt in delivery['log']], [1, 2, 3])

    def test_no_answer_in_time_is_a_timeout(self):
        self.world.add_provider(timeout_ms=1000, retry={'delays_s': [1], 'max_attempts': 50},
                                deactivate={'consecutive': 0, 'window': {'failures': 0, 'seconds': 900}})
        receiver = self.receiver(lambda request: HANG if request.number == 1 else 200)
        self.world.add_endpoint('quick', receiver.url())
        self.world.serve()
        delivery = self.world.wait_for_state(self.world.send('quick', 'loan.paid', {'loan': 7}), 'delivered')
        # On a slow machine the receiver may be late more than once.
        self.assertEqual((delivery['log'][0]['error'], delivery['log'][-1]['error']), ('timeout', 'none'))
        self.assertGreaterEqual(delivery['log'][0]['duration_ms'], 990)

    def test_success_is_exactly_200_where_the_provider_says_so(self):
        receiver = self.receiver(lambda request: 202)
        self.world.add_endpoint('lossexpress', receiver.url())
        self.world.serve()
        event = self.world.send('lossexpress', 'payoff', example('lossexpress/payoff.json'))
        attempt = wait_until(lambda: self.world.delivery(event)['log'], 'the attempt is recorded')[0]
        self.assertEqual((attempt['error'], attempt['status']), ('status', 202))

    def test_an_operator_cancels_what_still_waits(self):
        self.world.add_provider(retry={'delays_s': [1000], 'max_attempts': 2})
        receiver = self.receiver(lambda request: 500)
        self.world.add_endpoint('quick', receiver.url())
        self.world.serve()
        event = self.world.send('quick', 'loan.paid', {'loan': 7})
        wait_until(lambda: self.world.delivery(event)['log'], 'the first attempt is recorded')
        self.world.run('event', 'cancel', event)
        self.assertEqual(self.world.delivery(event)['state'], 'cancelled')
        self.assertEqual(self.world.json('queue')['waiting'], 0)

    def test_an_event_past_its_date_is_not_tried_again(self):
        self.world.add_provider(retry={'delays_s': [6], 'max_attempts': 9})
        receiver = self.receiver(lambda request: 500)
        self.world.add_endpoint('quick', receiver.url())
        self.world.serve()
        event = self.world.send('quick', 'loan.paid', {'loan': 7}, '--expires-at', '+5s')
        self.world.wait_for_state(event, 'expired')
        self.assertEqual(receiver.count(), 1)

    def test_one_ordering_key_goes_out_one_at_a_time_in_order(self):
        self.world.add_provider(retry={'delays_s': [1], 'max_attempts': 9}, deactivate={'consecutive': 0})
        receiver = self.receiver(lambda request: 500 if request.number in (1, 3, 4) else 200)
        self.world.add_endpoint('quick', receiver.url())
        events = [self.world.send('quick', 'loan.paid', {'n': n}, '--ordering-key', 'loan-7') for n in range(5)]
        self.world.serve()
        for event in events:
            self.world.wait_for_state(event, 'delivered')
        self.assertEqual(receiver.bodies(), [b'{"n":%d}' % n for n in (0, 0, 1, 1, 1, 2, 3, 4)])


if __name__ == '__main__':
    run_scenarios()

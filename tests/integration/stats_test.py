#!/usr/bin/env python3
"""How an endpoint fares, by HTTP and by the command line: attempts within a time, what waits, its health. Every answer is held
against openapi.yaml."""
import sys

try:
    from api_client import Api
except ImportError as missing:
    print(f'cannot run here: {missing}', file=sys.stderr)
    sys.exit(77)

from api_scenario import ApiScenario
from world import run_scenarios, wait_until


class Stats(ApiScenario):
    def stats(self, endpoint, query=''):
        return self.api.must('GET', f'/v1/endpoints/{endpoint["id"]}/stats{query}')

    def test_stats_count_what_happened_by_http_and_by_command(self):
        wrong = []
        receiver = self.receiver(answer=lambda request: 503 if wrong else 200)
        self.serve()
        endpoint = self.endpoint(receiver.url())
        other = self.endpoint(receiver.url(path='/other'), account='other')
        empty = self.stats(endpoint)
        self.assertEqual((empty['attempts'], empty['success_ratio'], empty['p50_ms'], empty['last_success_at']), (0, None, None, None))
        for number in range(3):
            self.world.wait_for_state(self.api.publish({'n': number})['id'], 'delivered')
        wrong.append(True)
        for number in range(7):
            self.api.publish({'n': number})
        wait_until(lambda: self.stats(endpoint)['state'] == 'deactivated', 'five failures in a row')
        shown = wait_until(lambda: (found := self.stats(endpoint))['failed'] == 5 and found, 'all five are recorded')
        self.assertEqual((shown['attempts'], shown['succeeded'], shown['errors']), (8, 3, {'status': 5}))
        self.assertEqual(shown['success_ratio'], 3 / 8)
        self.assertEqual((shown['waiting'], shown['held'], shown['due'], shown['delivered']), (7, 7, 0, 3))
        self.assertEqual((shown['consecutive_failures'], shown['window_failures'], shown['window_s']), (5, 5, 900))
        self.assertLess(shown['last_success_at'], shown['last_failure_at'])
        self.assertLess(shown['since'], shown['last_success_at'])
        self.assertLessEqual(shown['last_failure_at'], shown['until'])
        self.assertTrue(0 <= shown['p50_ms'] <= shown['p95_ms'] <= shown['p99_ms'], shown)
        self.assertEqual(self.stats(other)['attempts'], 0)
        told = self.world.json('endpoint', 'stats', endpoint['id'])
        same = {name for name in shown if not name.endswith('_at') and name not in ('since', 'until')}
        self.assertEqual({name: told[name] for name in same}, {name: shown[name] for name in same})
        text = self.world.cli('endpoint', 'stats', endpoint['id']).out
        self.assertIn('3 (37.50 %)', text)
        self.assertIn('status 5', text)

    def test_stats_look_at_the_time_that_was_asked_for(self):
        receiver = self.receiver()
        self.serve()
        endpoint = self.endpoint(receiver.url())
        self.world.wait_for_state(self.api.publish()['id'], 'delivered')
        wait_until(lambda: self.stats(endpoint)['attempts'] == 1, 'it is counted')
        past = self.stats(endpoint, '?since=2020-01-01T00:02:00Z&until=2020-01-02T00:00:00%2B01:00')
        self.assertEqual((past['since'], past['until']), ('2020-01-01T00:00:00.000Z', '2020-01-01T23:00:00.000Z'))
        self.assertEqual((past['attempts'], past['delivered']), (0, 1))
        for options in (('--since', '1h'), ('--since', '90d'), ('--since', '2020-01-01T00:00:00Z', '--until', '2020-02-01T00:00:00Z')):
            told = self.world.json('endpoint', 'stats', endpoint['id'], *options)
            self.assertEqual(told['attempts'], 0 if '--until' in options else 1, options)

    def test_stats_say_what_is_wrong_with_the_question(self):
        self.serve()
        endpoint = self.endpoint('https://127.0.0.1:9/nobody')
        at = f'/v1/endpoints/{endpoint["id"]}/stats'
        for query in ('since=yesterday', 'since=2026-01-01', 'until=x', 'since=2020-01-01T00:00:00Z',
                      'since=2020-01-02T00:00:00Z&until=2020-01-01T00:00:00Z'):
            answer = self.refused(self.api.get(f'{at}?{query}'), 400, 'bad_request')
            self.assertEqual(answer['parameter'], query.split('=')[0])
        self.refused(self.api.get('/v1/endpoints/ep_nothing/stats'), 404, 'not_found')
        bound = self.token('read', '--account', 'other', name='bound')
        wait_until(lambda: Api(self.tcp, bound).get(at).status == 404, 'what another account has is not there')
        for arguments in (('--since', 'yesterday'), ('--since', '94d'), ('--since', '1h', '--until', '2020-01-01T00:00:00Z')):
            refused = self.world.cli('endpoint', 'stats', endpoint['id'], *arguments)
            self.assertNotEqual(refused.code, 0)
            self.assertIn('since', refused.err)


if __name__ == '__main__':
    run_scenarios()

#!/usr/bin/env python3
"""GET /metrics of the built binary: who may read it, that it is what Prometheus reads, that each number moves by exactly
what happened, and that nothing in it names an account, an endpoint or a URL."""
import sys

try:
    from api_client import Api
except ImportError as missing:
    print(f'cannot run here: {missing}', file=sys.stderr)
    sys.exit(77)

from api_scenario import ApiScenario
from prometheus_tool import families, promtool, samples, series
from world import run_scenarios, wait_until

CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
PROVIDER = 'standard-webhooks'


def moved(before, after):
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}


class MetricsScenario(ApiScenario):
    def text(self, api=None):
        answer = (api or self.api).get('/metrics')
        self.assertEqual((answer.status, answer.headers['Content-Type']), (200, CONTENT_TYPE))
        return answer.body.decode()

    def now(self):
        return samples(self.text())

    def happened(self, before, count, *names):
        """Waits until the samples have moved by `count` in all, and shows what all have moved by."""
        def enough():
            change = moved(before, self.now())
            return change if sum(change.get(name, 0) for name in names) >= count else None
        return wait_until(enough, f'{names} moved by {count}')


class Access(MetricsScenario):
    def test_metrics_need_the_role_read_wherever_a_token_is_needed(self):
        self.serve()
        self.assertIn('outrider_build_info', self.text())
        self.refused(Api(self.tcp).get('/metrics'), 401, 'unauthenticated')
        for role, status in (('publish', 403), ('read', 200), ('operate', 200)):
            token = self.token(role, name=role)
            wait_until(lambda: Api(self.tcp, token).get('/metrics').status == status, f'{role} gets {status}')
        bound = self.token('read', '--account', 'acme', name='bound')
        wait_until(lambda: Api(self.tcp, bound).get('/metrics').status == 403, 'a bound token gets 403')

    def test_metrics_need_a_token_on_a_socket_that_does(self):
        self.serve('--unix-needs-token')
        self.refused(self.api.get('/metrics'), 401, 'unauthenticated')

    def test_metrics_answer_head_without_a_body_and_refuse_all_else(self):
        self.serve()
        head = self.api.ask('HEAD', '/metrics')
        self.assertEqual((head.status, head.body, head.headers['Content-Type']), (200, b'', CONTENT_TYPE))
        self.assertGreater(int(head.headers['Content-Length']), 1000)
        self.assertEqual(self.api.post('/metrics').status, 405)
        self.refused(self.api.get('/metrics?name=x'), 400, 'bad_request')


class Text(MetricsScenario):
    def test_metrics_are_what_promtool_takes_without_a_complaint(self):
        receiver = self.receiver()
        self.serve()
        self.endpoint(receiver.url())
        self.world.wait_for_state(self.api.publish()['id'], 'delivered')
        self.assertEqual(promtool('check', 'metrics', input=self.text()), (0, ''))

    def test_metrics_say_what_each_counts_and_are_sorted(self):
        self.serve()
        found = families(self.text())
        self.assertEqual([family.name for family in found], sorted(family.name for family in found))
        for family in found:
            self.assertGreater(len(family.help), 10, family.name)
            self.assertTrue(family.samples, family.name)


class Counting(MetricsScenario):
    def test_metrics_move_by_exactly_what_happened(self):
        good, bad = self.receiver(), self.receiver(answer=lambda request: 500)
        self.serve()
        canaries = ['canary-account', 'canary-path', 'canary-type', 'canary-provider', f':{good.port}', f':{bad.port}', 'ep_']
        self.endpoint(good.url(path='/canary-path'), account='canary-account')
        self.endpoint(bad.url(path='/canary-path'), account='other-canary-account')
        before = self.now()
        for number in range(4):
            self.api.publish(account='canary-account', payload={'n': number})
        self.api.publish(account='canary-account', idempotency_key='once')
        self.api.publish(account='canary-account', idempotency_key='once')
        for number in range(6):
            self.api.publish(account='other-canary-account', payload={'n': number})
        self.api.publish(account='canary-account', idempotency_key='once', payload={'n': 5}, status=409)
        self.api.publish(account='', status=400)
        self.api.publish(provider='canary-provider', status=400)
        attempt = 'outrider_attempts_total'
        delivered = series(attempt, provider=PROVIDER, outcome='delivered', error='none')
        failed = series(attempt, provider=PROVIDER, outcome='retry', error='status')
        off = series('outrider_endpoint_deactivations_total', provider=PROVIDER)
        change = self.happened(before, 11, delivered, failed, off)
        ended = series('outrider_deliveries_ended_total', provider=PROVIDER, state='delivered')
        change = self.happened(before, 5, ended)
        self.assertEqual({key: value for key, value in change.items() if key[0] == attempt}, {delivered: 5, failed: 5})
        self.assertEqual(change[off], 1)
        events = {key: value for key, value in change.items() if key[0] == 'outrider_events_total'}
        self.assertEqual(events, {series('outrider_events_total', provider=PROVIDER, outcome='accepted'): 11,
                                  series('outrider_events_total', provider=PROVIDER, outcome='duplicate'): 1,
                                  series('outrider_events_total', provider=PROVIDER, outcome='rejected'): 2,
                                  series('outrider_events_total', provider='_unknown', outcome='rejected'): 1})
        for name, count in (('attempt_duration_seconds', 10), ('first_byte_latency_seconds', 10),
                            ('delivery_latency_seconds', 5)):
            self.assertEqual(change[series(f'outrider_{name}_count', provider=PROVIDER)], count, name)
        publish = {'method': 'POST', 'route': '/v1/events'}
        self.assertEqual(change[series('outrider_api_requests_total', **publish, status='2xx')], 12)
        self.assertEqual(change[series('outrider_api_requests_total', **publish, status='4xx')], 3)
        self.assertGreater(change[series('outrider_commit_batch_size_count')], 0)
        # The result of each attempt is one change; of the events 12 came to a commit, and one was refused there.
        self.assertGreaterEqual(change[series('outrider_commit_batch_size_sum')], 10 + 13)
        text = self.text()
        for canary in canaries:
            self.assertNotIn(canary, text)

    def test_metrics_show_the_queue_the_endpoints_and_the_disk(self):
        self.serve()
        held = self.endpoint('https://127.0.0.1:9/nobody')
        self.endpoint('https://127.0.0.1:9/other', account='other')
        self.api.must('POST', f'/v1/endpoints/{held["id"]}:pause', {})
        for _ in range(3):
            self.api.publish()
        self.world.sql("INSERT INTO outrider_outbox (account, provider, type, payload) VALUES ('acme', 'nobody', 't', '{}')")

        def shown():
            now = self.now()
            return now if now[series('outrider_inbox_rows', state='rejected')] == 1 and \
                now[series('outrider_queue_deliveries', state='held')] == 3 else None
        now = wait_until(shown, 'the queue is shown')
        self.assertEqual(now[series('outrider_queue_deliveries', state='due')], 0)
        self.assertEqual((now[series('outrider_endpoints', state='paused')], now[series('outrider_endpoints', state='active')]), (1, 1))
        self.assertEqual(now[series('outrider_healthy')], 1)
        for name in ('database_file_bytes', 'disk_free_bytes', 'disk_size_bytes'):
            self.assertGreater(now[series(f'outrider_{name}')], 0, name)
        self.assertGreaterEqual(now[series('outrider_disk_size_bytes')], now[series('outrider_disk_free_bytes')])
        for name in ('resident_memory_bytes', 'open_fds', 'start_time_seconds'):
            self.assertGreater(now[series(f'process_{name}')], 0, name)

    def test_metrics_count_what_reached_no_route(self):
        self.serve()
        before = self.now()
        self.assertEqual(self.api.get('/nowhere').status, 404)
        client = self.raw()
        client.sendall(b'no http at all\r\n\r\n')
        self.assertIn(b' 400 ', self.all_of(client))
        none = series('outrider_api_requests_total', method='none', route='none', status='4xx')
        self.assertEqual(moved(before, self.now()).get(none), 2)


if __name__ == '__main__':
    run_scenarios()

#!/usr/bin/env python3
"""Replays: what an endpoint missed is sent again by the API and by the command line, once, in order, in bounded calls. Every
answer of the API is held against openapi.yaml."""
import json
import sys

try:
    from api_client import Api
except ImportError as missing:
    print(f'cannot run here: {missing}', file=sys.stderr)
    sys.exit(77)

from api_scenario import NDJSON, ApiScenario, line
from world import run_scenarios, wait_until

LONG_AGO = '2020-01-01T00:00:00Z'
NOTHING = {'waiting': 0, 'expired': 0, 'purged': 0, 'too_often': 0, 'unknown': 0}


class Replay(ApiScenario):
    def replay(self, endpoint, api=None, **body):
        return (api or self.api).must('POST', f'/v1/endpoints/{endpoint}:replay', {'since': LONG_AGO, **body})

    def test_what_was_published_before_the_endpoint_was_there_is_delivered_once_and_in_order(self):
        receiver = self.receiver()
        self.serve()
        events = [self.api.publish({'n': n}, ordering_key='k')['id'] for n in range(5)]
        endpoint = self.endpoint(receiver.url())['id']
        counted = self.replay(endpoint, dry_run=True)
        self.assertEqual((counted['replayed'], counted['dry_run'], counted['next_cursor']), (5, True, None))
        self.assertEqual(self.api.must('GET', f'/v1/events/{events[0]}')['deliveries'], [])
        done = self.replay(endpoint)
        self.assertEqual((done['replayed'], done['skipped']), (5, NOTHING))
        self.world.wait_for_state(events[-1], 'delivered')
        self.assertEqual([json.loads(body) for body in receiver.bodies()], [{'n': n} for n in range(5)])
        again = self.replay(endpoint)
        self.assertEqual((again['replayed'], again['skipped']), (0, NOTHING))
        self.assertEqual(self.replay(endpoint, states=['delivered'], event_ids=events[:2])['replayed'], 2)
        wait_until(lambda: len(receiver.bodies()) == 7, 'two are delivered once more')

    def test_the_range_the_states_the_types_and_the_names_of_events_hold(self):
        self.serve()
        endpoint = self.endpoint('https://receiver.example/hook')['id']
        self.api.must('POST', f'/v1/endpoints/{endpoint}:pause')
        paid, lost, later = (self.api.publish(type=kind)['id'] for kind in ('loan.paid', 'loan.lost', 'loan.paid'))
        self.assertEqual(self.replay(endpoint)['skipped']['waiting'], 3)
        for event in (paid, lost, later):
            self.api.must('POST', f'/v1/events/{event}/cancel')
        at = self.api.must('GET', f'/v1/events/{later}')['created_at']
        count = lambda **body: self.replay(endpoint, dry_run=True, **body)['replayed']
        self.assertEqual(count(), 3)
        self.assertEqual(count(states=['exhausted', 'missed']), 0)
        self.assertEqual(count(states=['cancelled']), 3)
        self.assertEqual(count(types=['loan.lost']), 1)
        self.assertEqual(count(since=at, until='2099-01-01T00:00:00Z'), 1 if at > self.api.must('GET', f'/v1/events/{lost}')['created_at'] else 2)
        self.assertEqual(count(until=LONG_AGO), 0)
        self.assertEqual(count(event_ids=[paid]), 1)
        report = self.replay(endpoint, dry_run=True, event_ids=[paid, 'evt_nothing', self.api.publish(account='other')['id']])
        self.assertEqual((report['replayed'], report['skipped']['unknown']), (1, 2))
        # Named events need no range.
        body = self.api.must('POST', f'/v1/endpoints/{endpoint}:replay', {'event_ids': [paid, later]})
        self.assertEqual(body['replayed'], 2)
        self.assertEqual(self.api.must('GET', f'/v1/events/{paid}')['deliveries'][0]['state'], 'held')

    def test_what_was_accepted_in_the_same_millisecond_belongs_to_it(self):
        self.serve()
        endpoint = self.endpoint('https://receiver.example/hook')['id']
        self.api.must('POST', f'/v1/endpoints/{endpoint}:pause')
        for number in range(1, 101):
            self.api.publish({'n': number})
            self.assertEqual(self.replay(endpoint, dry_run=True)['skipped']['waiting'], number)

    def test_a_large_range_is_done_in_bounded_calls_and_nothing_twice(self):
        self.serve()
        lines = '\n'.join(line(n) for n in range(1200)).encode()
        self.api.post('/v1/events:batch', lines, headers=NDJSON)
        endpoint = self.endpoint('https://receiver.example/hook')['id']
        self.api.must('POST', f'/v1/endpoints/{endpoint}:pause')
        counts, body = [], {'limit': 500}
        while True:
            report = self.replay(endpoint, **body)
            counts.append(report['replayed'])
            self.api.publish({'n': 'later'})  # beyond the range, which does not move
            if report['next_cursor'] is None:
                break
            body['cursor'] = report['next_cursor']
        self.assertEqual(counts, [500, 500, 200])
        self.assertEqual(self.world.sql('SELECT count(*), count(DISTINCT event) FROM outrider_delivery'), [(1203, 1203)])
        steps = self.world.json('audit', 'list', '--action', 'endpoint.replay')['audit']
        self.assertEqual(sum(int(entry['detail'].split()[0]) for entry in steps), 1200)
        self.assertTrue(all('missed' in entry['detail'] for entry in steps))

    def test_a_replay_cut_off_by_sigkill_is_finished_by_the_next(self):
        receiver = self.receiver()
        server = self.serve()
        self.api.post('/v1/events:batch', '\n'.join(line(n) for n in range(3000)).encode(), headers=NDJSON)
        endpoint = self.endpoint(receiver.url())['id']
        self.api.must('POST', f'/v1/endpoints/{endpoint}:pause')
        with self.raw() as client:
            body = json.dumps({'since': LONG_AGO}).encode()
            client.sendall(b'POST /v1/endpoints/%b:replay HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b'
                           % (endpoint.encode(), len(body), body))
            wait_until(lambda: self.world.sql('SELECT count(*) FROM outrider_delivery')[0][0] > 0, 'it has begun')
            server.kill()
        (before,), = self.world.sql('SELECT count(*) FROM outrider_delivery')
        self.serve(name='again')
        report = self.replay(endpoint)
        self.assertEqual((report['replayed'], report['skipped']['waiting']), (3000 - before, before))
        self.api.must('POST', f'/v1/endpoints/{endpoint}:activate')
        wait_until(lambda: self.api.must('GET', '/v1/queue')['delivered'] == 3000, 'all are delivered')
        self.assertEqual(len(set(receiver.bodies())), 3000)

    def test_what_is_wrong_with_a_replay_is_said_with_its_place(self):
        bound = self.token('operate', '--account', 'other', name='bound')
        self.serve()
        endpoint = self.endpoint('https://receiver.example/hook')['id']
        at = f'/v1/endpoints/{endpoint}:replay'
        for body, pointer in (({}, '/since'), ({'since': 'yesterday'}, '/since'), ({'since': LONG_AGO, 'until': '2019-01-01T00:00:00Z'}, '/since'),
                              ({'since': LONG_AGO, 'states': ['held']}, '/states'), ({'since': LONG_AGO, 'states': ['odd']}, '/states'),
                              ({'since': LONG_AGO, 'limit': 0}, '/limit'), ({'since': LONG_AGO, 'limit': 100_001}, '/limit'),
                              ({'since': LONG_AGO, 'cursor': 'odd'}, '/cursor'), ({'since': LONG_AGO, 'cursor': 'a.1.2'}, '/cursor'),
                              ({'since': LONG_AGO, 'color': 'red'}, '/color'), ({'event_ids': ['x'] * 1001}, '/event_ids'),
                              ({'since': LONG_AGO, 'event_ids': 'evt_x'}, '/event_ids')):
            answer = self.api.post(at, body)
            self.assertEqual((answer.status, answer.json().get('pointer')), (400, pointer), (body, answer.body))
        self.refused(self.api.post('/v1/endpoints/ep_nothing:replay', {'since': LONG_AGO}), 404, 'not_found')
        self.refused(Api(self.tcp, bound).post(at, {'since': LONG_AGO}), 404, 'not_found')
        self.api.ask('DELETE', f'/v1/endpoints/{endpoint}')
        self.refused(self.api.post(at, {'since': LONG_AGO}), 404, 'not_found')

    def test_the_command_line_says_what_it_would_do_and_does_it_when_told(self):
        receiver = self.receiver()
        self.serve()
        event = self.api.publish()['id']
        endpoint = self.endpoint(receiver.url())['id']
        said = self.world.run('endpoint', 'replay', endpoint, '--since', '1h')
        self.assertIn('1 delivery would be made due', said)
        self.assertIn('--yes', said)
        self.assertEqual(self.world.json('endpoint', 'replay', endpoint, '--since', LONG_AGO, '--dry-run')['replayed'], 1)
        self.assertEqual(receiver.bodies(), [])
        done = self.world.json('endpoint', 'replay', endpoint, '--since', '1h', '--yes')
        self.assertEqual((done['replayed'], done['dry_run']), (1, False))
        self.world.wait_for_state(event, 'delivered')
        again = self.world.run('endpoint', 'replay', endpoint, '--event', event, '--state', 'delivered', '--yes')
        self.assertIn('1 delivery made due', again)
        wait_until(lambda: len(receiver.bodies()) == 2, 'it is delivered again')
        for options, words in (([], '--since'), (['--since', 'odd'], '--since'), (['--since', '1h', '--state', 'odd'], '--state'),
                               (['--since', '1h', '--until', '2h'], 'since'), (['--since', '1h', '--state', 'held'], 'states')):
            refused = self.world.cli('endpoint', 'replay', endpoint, *options)
            self.assertNotEqual(refused.code, 0, options)
            self.assertIn(words, refused.err, options)


if __name__ == '__main__':
    run_scenarios()

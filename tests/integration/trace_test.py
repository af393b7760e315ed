#!/usr/bin/env python3
"""W3C Trace Context: stored with the event by every way in, sent on with each attempt, in the log by its id."""
import json
import sys

try:
    import jsonschema  # noqa: F401  (api_client needs both)
    import yaml  # noqa: F401
except ImportError as missing:
    print(f'cannot run here: {missing}', file=sys.stderr)
    sys.exit(77)

from api_scenario import NDJSON, SECRET, ApiScenario, line
from world import run_scenarios, wait_until

TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736'
PARENT = f'00-{TRACE_ID}-00f067aa0ba902b7-01'
OTHER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00'
STATE = 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'


class Trace(ApiScenario):
    def arrived(self, receiver, count):
        wait_until(lambda: receiver.count() >= count, f'{count} requests')
        return [(request.headers.get_all('traceparent'), request.headers.get_all('tracestate'))
                for request in receiver.requests[:count]]

    def endpoint_at(self, receiver, *options):
        return self.world.add_endpoint('standard-webhooks', receiver.url(), SECRET, *options)

    def test_each_attempt_carries_the_trace_and_the_log_its_id(self):
        self.world.add_provider(retry={'delays_s': [1], 'max_attempts': 3})
        receiver = self.receiver(answer=lambda request: 200 if request.number == 3 else 500)
        self.world.add_endpoint('quick', receiver.url())
        serve = self.world.serve()
        event = self.world.send('quick', 'loan.paid', {'n': 1}, '--traceparent', PARENT, '--tracestate', STATE)
        self.assertEqual(self.arrived(receiver, 3), [([PARENT], [STATE])] * 3)
        self.world.wait_for_state(event, 'delivered')
        view = self.world.event(event)
        self.assertEqual((view['traceparent'], view['tracestate']), (PARENT, STATE))
        self.assertIn(PARENT, self.world.run('event', 'show', event))
        lines = [json.loads(text) for text in serve.err().splitlines() if '"attempt"' in text]
        self.assertEqual([one['trace_id'] for one in lines], [TRACE_ID] * 3)

    def test_an_event_without_a_trace_is_sent_without_one(self):
        receiver = self.receiver()
        self.endpoint_at(receiver)
        serve = self.world.serve()
        event = self.world.send('standard-webhooks', 'loan.paid', {'n': 1})
        self.assertEqual(self.arrived(receiver, 1), [(None, None)])
        self.world.wait_for_state(event, 'delivered')
        self.assertIsNone(self.world.event(event)['traceparent'])
        self.assertNotIn('trace_id', serve.err())
        self.assertEqual(self.world.sql('SELECT trace FROM outrider_event'), [(None,)])

    def test_the_header_of_a_request_is_the_trace_of_its_event_unless_the_event_has_its_own(self):
        receiver = self.receiver()
        self.serve()
        self.endpoint(receiver.url())
        event = {'account': 'acme', 'provider': 'standard-webhooks', 'type': 'loan.paid', 'payload': {}}
        header = {'traceparent': OTHER, 'tracestate': 'a=1'}
        for body, fields, expected in [
                (event, header, (OTHER, 'a=1')),
                ({**event, 'traceparent': PARENT, 'tracestate': STATE}, header, (PARENT, STATE)),
                ({**event, 'traceparent': PARENT}, header, (PARENT, None)),
                (event, {'traceparent': PARENT.upper()}, (None, None)),                # malformed: as if there were none
                (event, {'traceparent': 'cc-' + PARENT[3:] + '-more'}, (PARENT, None)),   # a later version
                (event, {'traceparent': PARENT, 'tracestate': 'not a list'}, (PARENT, None)),
                (event, {'tracestate': 'a=1'}, (None, None))]:
            answer = self.api.post('/v1/events', body, headers=fields)
            self.assertEqual(answer.status, 202, answer.body)
            shown = self.api.must('GET', f'/v1/events/{answer.json()["id"]}')
            self.assertEqual((shown['traceparent'], shown['tracestate']), expected, (body, fields))
        self.assertEqual(sorted(map(str, self.arrived(receiver, 7)))[-1], str(([PARENT], [STATE])))

    def test_lines_of_a_batch_have_their_own_trace_or_the_requests(self):
        receiver = self.receiver()
        self.serve()
        self.endpoint(receiver.url())
        body = '\n'.join([line(1), line(2, traceparent=PARENT), line(3, traceparent='00-no'), line(4, tracestate='a=1')])
        answer = self.api.post('/v1/events:batch', body.encode(), headers={**NDJSON, 'traceparent': OTHER})
        answers = [json.loads(text) for text in answer.body.splitlines()]
        self.assertEqual([one.get('pointer') for one in answers], [None, None, '/traceparent', '/tracestate'])
        self.assertEqual([self.world.event(one['id'])['traceparent'] for one in answers[:2]], [OTHER, PARENT])

    def test_a_cloud_event_brings_its_trace_as_the_distributed_tracing_extension_says(self):
        self.serve()
        base = {'specversion': '1.0', 'id': '1', 'source': '/loans', 'type': 'loan.paid', 'account': 'acme',
                'provider': 'standard-webhooks'}
        structured = json.dumps({**base, 'data': {}, 'traceparent': PARENT, 'tracestate': STATE}).encode()
        answer = self.api.post('/v1/events', structured, headers={'Content-Type': 'application/cloudevents+json',
                                                                  'traceparent': OTHER})
        self.assertEqual(self.world.event(answer.json()['id'])['traceparent'], PARENT)
        fields = {f'ce-{name}': value for name, value in {**base, 'id': '2'}.items()}
        fields['Content-Type'] = 'application/json'
        answer = self.api.post('/v1/events', b'{}', headers={**fields, 'ce-traceparent': PARENT, 'ce-tracestate': STATE})
        view = self.world.event(answer.json()['id'])
        self.assertEqual((view['traceparent'], view['tracestate']), (PARENT, STATE))
        answer = self.api.post('/v1/events', b'{}', headers={**fields, 'ce-traceparent': 'nonsense'})
        self.assertEqual((self.refused(answer, 400, 'invalid_argument')['pointer']), '/traceparent')

    def test_a_row_of_plain_sql_brings_its_trace_and_a_wrong_one_is_rejected(self):
        receiver = self.receiver()
        self.endpoint_at(receiver)
        self.world.serve()
        insert = ("INSERT INTO outrider_outbox (account, provider, type, payload, traceparent, tracestate)"
                  " VALUES ('acme', 'standard-webhooks', 'loan.paid', '{}', ?, ?)")
        self.world.sql((insert, (PARENT, STATE)), (insert, ('00-what', None)), (insert, (None, 'a=1')),
                       (insert, (b'\x00', None)))
        self.assertEqual(self.arrived(receiver, 1), [([PARENT], [STATE])])
        rows = wait_until(lambda: self.world.json('queue')['inbox'] == 0 and self.world.json('queue')['rejected_rows'],
                          'all are picked up')
        self.assertEqual(len(rows), 3)
        for row in rows:
            self.assertRegex(row['reason'], 'traceparent|tracestate')
            self.assertNotIn('what', row['reason'])

    def test_wrong_traces_on_the_command_line_are_named(self):
        wrong = [(['--traceparent', PARENT[:-1]], 'traceparent'),
                 (['--traceparent', PARENT, '--tracestate', 'A=1'], 'tracestate'),
                 (['--tracestate', 'a=1'], 'tracestate')]
        for options, name in wrong:
            done = self.world.cli('send', '--account', 'acme', '--provider', 'standard-webhooks', '--type', 'x', *options,
                                  stdin='{}')
            self.assertEqual((done.code, name in done.err), (2, True), done)

    def test_no_endpoint_sets_the_fields_of_a_trace_itself(self):
        for name in ('traceparent', 'TraceState'):
            done = self.world.cli('endpoint', 'add', '--account', 'acme', '--provider', 'standard-webhooks', '--url',
                                  'https://receiver.example/', '--header', f'{name}: x')
            self.assertEqual(done.code, 2, done)
            self.assertIn(name, done.err)


if __name__ == '__main__':
    run_scenarios()

#!/usr/bin/env python3
"""The HTTP API of the built binary: its description, publishing, and clients that are slow, rude or many. Every answer is
held against openapi.yaml."""
import http.client
import json
import os
import re
import sys
import threading
import time

try:
    from api_client import ROOT, Api, described, operation
except ImportError as missing:
    print(f'cannot run here: {missing}', file=sys.stderr)
    sys.exit(77)

from api_scenario import NDJSON, ApiScenario, line
from world import run_scenarios, wait_until

BATCH = 5000


class Description(ApiScenario):
    def test_every_route_is_described_and_every_described_route_is_there(self):
        with open(os.path.join(ROOT, 'engine', 'api', 'routes.cc'), encoding='utf-8') as file:
            table = set(re.findall(r'\{\s*"([A-Z]+)",\s*"(/[^"]*)"', file.read()))
        self.assertEqual(table, described())
        self.serve()
        for method, path in described():
            answer = self.api.ask(method, path.replace('{id}', 'evt_nothing' if 'events' in path else 'ep_nothing'))
            self.assertNotIn(answer.status, (405, 500), (method, path))
            if answer.status == 404:
                self.assertEqual(answer.problem, 'not_found', (method, path))

    def test_every_described_parameter_is_taken_and_no_other(self):
        self.serve()
        for method, path in described():
            target = path.replace('{id}', 'x')
            answer = self.api.ask(method, target + '?surprise=1')
            self.assertEqual((answer.status, answer.json().get('parameter')), (400, 'surprise'), (method, path))
            for parameter in operation(method, target).get('parameters', []):
                name = parameter.get('name') or parameter['$ref'].rsplit('/', 1)[1].lower()
                if parameter.get('in', 'query') != 'query':
                    continue
                answer = self.api.ask(method, f'{target}?{name}=1')
                self.assertNotEqual(answer.status == 400 and answer.json()['detail'], 'not a parameter of this path', name)

    def test_the_binary_serves_the_description_itself(self):
        self.serve()
        with open(os.path.join(ROOT, 'schemas', 'openapi.yaml'), 'rb') as file:
            self.assertEqual(Api(self.tcp).get('/openapi.yaml').body, file.read())


class Publishing(ApiScenario):
    def test_an_event_is_published_delivered_and_shown(self):
        receiver = self.receiver()
        self.serve()
        endpoint = self.endpoint(receiver.url())
        receipt = self.api.publish(ordering_key='k', expires_at='2099-01-01T00:00:00+01:00')
        self.assertEqual((receipt['deliveries'], receipt['duplicate']), (1, False))
        self.world.wait_for_state(receipt['id'], 'delivered')
        self.assertEqual(receiver.bodies(), [b'{"loan":7}'])
        shown = self.api.must('GET', f'/v1/events/{receipt["id"]}')
        self.assertEqual((shown['deliveries'][0]['state'], shown['expires_at']), ('delivered', '2098-12-31T23:00:00.000Z'))
        attempts = self.api.must('GET', f'/v1/events/{receipt["id"]}/attempts')['items']
        self.assertEqual([(a['number'], a['status'], a['endpoint']) for a in attempts], [(1, 200, endpoint['id'])])
        self.assertEqual(self.api.must('GET', '/v1/queue')['delivered'], 1)

    def test_what_was_acknowledged_survives_sigkill_in_that_moment(self):
        server = self.serve()
        self.endpoint('https://127.0.0.1:9/nobody')
        told, stop = [], threading.Event()

        def publish():
            connection = self.api.connect()
            while not stop.is_set():
                try:
                    answer = self.api.post('/v1/events', json.loads(line(1)), connection=connection)
                except OSError:
                    return
                if answer.status == 202:
                    told.append(answer.json()['id'])
        threads = [threading.Thread(target=self.ending_quietly, args=(publish,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(told) > 200, '200 acknowledged')
        server.kill()
        stop.set()
        for thread in threads:
            thread.join()
        kept = {row[0] for row in self.world.sql('SELECT count(*) FROM outrider_event')}
        self.assertGreaterEqual(kept.pop(), len(told))
        self.serve(name='again')
        for ident in told[-20:] + told[:20]:
            self.assertEqual(self.api.get(f'/v1/events/{ident}').status, 200)

    @staticmethod
    def ending_quietly(work):
        try:
            work()
        except (http.client.HTTPException, OSError):
            pass  # the server is gone, which is the point

    def test_an_idempotency_key_gives_the_first_event_again_and_refuses_another_payload(self):
        self.serve()
        body = {'account': 'acme', 'provider': 'standard-webhooks', 'type': 'loan.paid', 'payload': {'loan': 7}}
        first = self.api.post('/v1/events', body, headers={'Idempotency-Key': 'once'}).json()
        quoted = self.api.post('/v1/events', body, headers={'Idempotency-Key': '"once"'}).json()
        member = self.api.publish(idempotency_key='once')
        for again in (quoted, member):
            self.assertEqual((again['id'], again['duplicate']), (first['id'], True))
        other = self.api.post('/v1/events', {**body, 'payload': {'loan': 8}}, headers={'Idempotency-Key': 'once'})
        self.refused(other, 409, 'conflict')
        two = self.api.post('/v1/events', {**body, 'idempotency_key': 'b'}, headers={'Idempotency-Key': 'a'})
        self.assertEqual(self.refused(two, 400, 'invalid_argument')['pointer'], '/idempotency_key')
        found = self.api.must('GET', '/v1/events?account=acme&provider=standard-webhooks&idempotency_key=once')['items']
        self.assertEqual([event['id'] for event in found], [first['id']])

    def test_what_is_wrong_with_an_event_is_said_with_its_place(self):
        self.serve()
        good = json.loads(line(1))
        for change, status, problem, pointer in (
                ({'payload': None}, 202, None, None),
                ({'account': ''}, 400, 'invalid_argument', '/account'),
                ({'account': 7}, 400, 'invalid_argument', '/account'),
                ({'provider': 'nobody'}, 400, 'invalid_argument', '/provider'),
                ({'expires_at': 'tomorrow'}, 400, 'invalid_argument', '/expires_at'),
                ({'expires_at': '2026-01-01'}, 400, 'invalid_argument', '/expires_at'),
                ({'endpoint_ids': ['ep_nothing']}, 400, 'invalid_argument', '/endpoint_ids'),
                ({'endpoint_ids': [1]}, 400, 'invalid_argument', '/endpoint_ids'),
                ({'acount': 'acme'}, 400, 'invalid_argument', '/acount')):
            answer = self.api.post('/v1/events', {**good, **change})
            self.assertEqual(answer.status, status, (change, answer.body))
            if problem:
                self.assertEqual((answer.problem, answer.json().get('pointer')), (problem, pointer), change)
        for body, status, problem in (('{"account":', 400, 'bad_request'), ('[]', 400, 'bad_request'), ('', 400, 'bad_request'),
                                      ('{"type":"a","type":"b"}', 400, 'bad_request')):
            self.refused(self.api.post('/v1/events', body.encode(), headers={'Content-Type': 'application/json'}), status, problem)
        deep = line(0).replace('{"n": 0}', '{"a": [1, {"b": 1, "b": 2}]}').encode()
        answer = self.refused(self.api.post('/v1/events', deep), 422, 'invalid_payload')
        self.assertEqual(answer['pointer'], '/payload/a/1/b')
        self.refused(self.api.post('/v1/events', b'<a/>', headers={'Content-Type': 'text/xml'}), 415, 'unsupported_media_type')

    def test_a_batch_of_five_thousand_lines_is_answered_line_by_line(self):
        self.serve()
        bad = {17: 'not json', 400: line(400, provider='nobody'), 4321: '', BATCH - 1: line(1, surprise=True)}
        lines = [bad.get(number) if number in bad else line(number) for number in range(BATCH)]
        answer = self.api.post('/v1/events:batch', '\n'.join(lines).encode(), headers=NDJSON)
        self.assertEqual(answer.status, 200)
        answers = [json.loads(text) for text in answer.body.decode().splitlines()]
        self.assertEqual(len(answers), BATCH)
        self.assertEqual({number for number, one in enumerate(answers) if 'id' not in one}, set(bad))
        self.assertEqual({answers[number]['status'] for number in bad}, {400})
        self.assertEqual(self.world.sql('SELECT count(*) FROM outrider_event'), [(BATCH - len(bad),)])
        # In order: the payload of the line is the event's.
        for number in (0, 2500, BATCH - 2):
            self.assertEqual(json.loads(self.world.body(answers[number]['id'])), {'n': number})

    def test_a_batch_may_be_larger_than_an_event_and_neither_is_without_limit(self):
        self.serve('--max-payload-bytes', str(2 * 1024 * 1024))
        padded = '\n'.join(line(n, payload={'text': 'x' * 10_000}) for n in range(400)).encode()
        self.assertGreater(len(padded), 3 * 1024 * 1024)
        self.assertEqual(self.api.post('/v1/events:batch', padded, headers=NDJSON).body.count(b'"id"'), 400)
        self.assertEqual(self.world.sql('SELECT count(*) FROM outrider_event'), [(400,)])
        for path, size in (('/v1/events', 1024 * 1024 + 1), ('/v1/events:batch', 16 * 1024 * 1024 + 1), ('/v1/queue', 1)):
            with self.raw() as client:
                client.sendall(f'POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n'.encode())
                status = self.all_of(client).split(b' ', 2)[1]
            self.assertEqual(status, b'405' if path == '/v1/queue' else b'413', path)

    def test_cloud_events_are_taken_structured_and_binary(self):
        receiver = self.receiver()
        self.serve()
        self.endpoint(receiver.url())
        attributes = {'specversion': '1.0', 'id': 'A-1', 'source': '/loans', 'type': 'loan.paid', 'account': 'acme',
                      'provider': 'standard-webhooks', 'time': '2026-01-01T00:00:00Z', 'subject': 'ünders'}
        structured = {'Content-Type': 'application/cloudevents+json; charset=utf-8'}
        body = json.dumps({**attributes, 'datacontenttype': 'application/json', 'data': {'loan': 7}}).encode()
        first = self.api.post('/v1/events', body, headers=structured)
        self.assertEqual(first.status, 202, first.body)
        fields = {'ce-' + name: value for name, value in attributes.items() if name != 'subject'}
        binary = {**fields, 'ce-subject': '%C3%BCnders', 'Content-Type': 'application/json'}
        same = self.api.post('/v1/events', b'{"loan":7}', headers=binary).json()
        self.assertEqual((same['id'], same['duplicate']), (first.json()['id'], True))
        other = self.api.post('/v1/events', b'{"loan":8}', headers={**binary, 'ce-id': 'A-2', 'ce-partitionkey': 'p'}).json()
        self.assertFalse(other['duplicate'])
        self.assertEqual(self.api.must('GET', f'/v1/events/{other["id"]}')['ordering_key'], 'p')
        wait_until(lambda: sorted(receiver.bodies()) == [b'{"loan":7}', b'{"loan":8}'], 'both are delivered')
        for change, pointer in (({'ce-specversion': '0.3'}, '/specversion'), ({'ce-id': ''}, '/id'), ({'ce-expirytime': 'x'}, '/expirytime'),
                                ({'ce-expirytime': '2026-12-31'}, '/expirytime'),
                                ({'Content-Type': 'text/plain'}, '/datacontenttype'), ({'ce-account': ''}, '/account')):
            answer = self.api.post('/v1/events', b'{"loan":7}', headers={**binary, **change})
            self.assertEqual((answer.status // 100, answer.json()['pointer']), (4, pointer), answer.body)
        answer = self.api.post('/v1/events', b'{"loan":1} x', headers={**binary, 'ce-id': 'A-3'})
        self.assertEqual(self.refused(answer, 422, 'invalid_payload').get('pointer'), None)
        for kind in ('application/cloudevents-batch+json', 'application/cloudevents+avro'):
            self.refused(self.api.post('/v1/events', b'[]', headers={'Content-Type': kind}), 415, 'unsupported_media_type')


class Clients(ApiScenario):
    """Those that are slow, rude or many."""

    def test_pipelined_requests_are_answered_in_order(self):
        self.serve()
        event = line(1).encode()
        asked = b''.join(b'POST /v1/events HTTP/1.1\r\nHost: a\r\nX-Request-Id: r%d\r\nContent-Length: %d\r\n\r\n%b'
                         b'GET /healthz HTTP/1.1\r\nHost: a\r\nX-Request-Id: h%d\r\n\r\n' % (n, len(event), event, n)
                         for n in range(50))
        with self.raw() as client:
            client.sendall(asked + b'GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
            answers = self.all_of(client)
        ids = re.findall(rb'X-Request-Id: ([rh]\d+)\r', answers)
        self.assertEqual(ids, [b'%b%d' % (kind, n) for n in range(50) for kind in (b'r', b'h')])
        self.assertEqual(self.world.sql('SELECT count(*) FROM outrider_event'), [(50,)])

    def test_clients_that_stop_in_the_middle_hold_up_nobody(self):
        self.serve()
        stuck = [self.raw() for _ in range(200)]
        for number, client in enumerate(stuck):
            half = (b'POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"acc', b'POST /v1/ev', b'')[number % 3]
            client.sendall(half)
        before = time.monotonic()
        for number in range(20):
            self.api.publish({'n': number})
        self.assertLess(time.monotonic() - before, 10)
        for client in stuck:
            client.close()
        self.assertEqual(self.api.get('/healthz').status, 200)

    def test_a_request_id_is_kept_where_it_is_one_and_made_where_it_is_not(self):
        self.serve()
        self.assertEqual(self.api.get('/healthz', headers={'X-Request-Id': 'a-b.C_9'}).headers['X-Request-Id'], 'a-b.C_9')
        for odd in ('', 'a b', 'a' * 129, '"'):
            self.assertRegex(self.api.get('/healthz', headers={'X-Request-Id': odd}).headers['X-Request-Id'], '^[0-9a-f]{32}$')
        answer = self.api.get('/v1/none', headers={'X-Request-Id': 'mine'})
        self.assertEqual(answer.json()['request_id'], 'mine')

    def test_paths_and_methods_that_are_none_are_told_apart(self):
        self.serve()
        self.refused(self.api.get('/'), 404, 'no_route')
        self.refused(self.api.get('/v1/events/'), 404, 'no_route')
        self.refused(self.api.get('/v1/events/a%2Fattempts'), 400, 'bad_request')
        answer = self.api.ask('PUT', '/v1/events')
        self.refused(answer, 405, 'method_not_allowed')
        self.assertEqual(answer.headers['Allow'], 'POST, GET, HEAD')
        self.refused(self.api.get('/v1/events?limit=1&limit=2'), 400, 'bad_request')
        self.refused(self.api.get('/v1/events?limit=%zz'), 400, 'bad_request')
        for value in ('0', '1001', '-1', '1e1', ''):
            self.refused(self.api.get(f'/v1/events?limit={value}'), 400, 'bad_request')
        self.refused(self.api.get('/v1/events?state=odd'), 400, 'bad_request')
        self.refused(self.api.get('/v1/events?cursor=evt_nothing'), 400, 'bad_request')
        self.assertEqual(self.api.ask('HEAD', '/v1/queue').body, b'')


if __name__ == '__main__':
    run_scenarios()

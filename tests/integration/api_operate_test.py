#!/usr/bin/env python3
"""The HTTP API of the built binary: operating by it, tokens and what they allow, where it listens. Every answer is held
against openapi.yaml."""
import http.client
import json
import os
import re
import signal
import sqlite3
import stat
import sys
import threading

try:
    from api_client import Api, described, operation
except ImportError as missing:
    print(f'cannot run here: {missing}', file=sys.stderr)
    sys.exit(77)

from api_scenario import NDJSON, ApiScenario, line
from world import run_scenarios, wait_until


class Operating(ApiScenario):
    def test_endpoints_are_added_shown_changed_paused_and_removed(self):
        receiver = self.receiver()
        self.serve()
        made = self.api.post('/v1/endpoints', {'account': 'acme', 'provider': 'standard-webhooks', 'url': receiver.url(),
                                               'headers': [{'name': 'X-Team', 'value': 'a long token value'}]})
        self.assertEqual(made.status, 201, made.body)
        self.world.canaries.add('a long token value')
        endpoint = made.json()['endpoint']
        at = '/v1/endpoints/' + endpoint['id']
        self.assertEqual(made.headers['Location'], at)
        self.assertRegex(made.json()['generated_secret'], '^whsec_')
        self.assertNotIn('a long token value', self.api.get(at).body.decode())
        changed = self.api.must('PATCH', at, {'description': 'new', 'types': ['loan.paid'], 'max_in_flight': 2,
                                              'rate_per_second': 5.5, 'url': receiver.url(path='/other'), 'headers': None})
        self.assertEqual((changed['description'], changed['types'], changed['max_in_flight'], changed['headers']),
                         ('new', ['loan.paid'], 2, []))
        # The engine that runs has heard of it.
        event = self.api.publish()['id']
        self.world.wait_for_state(event, 'delivered')
        self.assertEqual([request.path for request in receiver.requests], ['/other'])
        self.assertEqual(self.api.publish(type='loan.lost')['deliveries'], 0)
        self.assertEqual(self.api.must('POST', at + ':pause', {'reason': 'maintenance'})['state_reason'], 'maintenance')
        held = self.api.publish()['id']
        self.assertEqual(self.api.must('GET', '/v1/events/' + held)['deliveries'][0]['state'], 'held')
        self.assertEqual(self.refused(self.api.post(at + ':test'), 409, 'refused')['status'], 409)
        self.assertEqual(self.api.must('POST', at + ':activate')['state'], 'active')
        self.world.wait_for_state(held, 'delivered')
        rotated = self.api.must('POST', at + ':rotate-secret', {'overlap_s': 60})
        self.assertRegex(rotated['generated_secret'], '^whsec_')
        self.assertEqual(len(self.api.must('GET', at)['secrets']), 2)
        self.assertEqual(self.api.ask('DELETE', at).status, 204)
        self.refused(self.api.get(at), 404, 'not_found')

    def test_what_is_wrong_with_an_endpoint_is_said(self):
        self.serve()
        good = {'account': 'acme', 'provider': 'standard-webhooks', 'url': 'https://receiver.example/hook'}
        for change, pointer in (({'url': 'ftp://a/'}, '/url'), ({'account': ''}, '/account'), ({'provider': 'nobody'}, '/provider'),
                                ({'max_in_flight': 0}, '/max_in_flight'), ({'rate_per_second': 'a'}, '/rate_per_second'),
                                ({'headers': [{'name': 'a', 'x': 1}]}, '/headers/0/x'), ({'tls': {'minimum': '1.1'}}, '/tls/minimum'),
                                ({'color': 'red'}, '/color')):
            answer = self.api.post('/v1/endpoints', {**good, **change})
            self.assertEqual((answer.status, answer.json().get('pointer')), (400, pointer), answer.body)
        at = '/v1/endpoints/' + self.api.must('POST', '/v1/endpoints', good, 201)['endpoint']['id']
        for change, pointer in (({'url': 'nothing'}, '/url'), ({'account': 'other'}, '/account'), ({'max_in_flight': 4096}, '/max_in_flight')):
            answer = self.api.ask('PATCH', at, change)
            self.assertEqual((answer.status, answer.json().get('pointer')), (400, pointer), answer.body)

    def test_the_tls_settings_of_an_endpoint_are_changed_and_no_key_comes_back(self):
        certificate, key = ([open(path, encoding='ascii').read() for path in self.world.certificate('client')])
        authority = open(self.world.authority()[0], encoding='ascii').read()
        self.serve()
        endpoint = self.endpoint('https://receiver.example/hook', tls={'minimum': '1.3'})
        at = '/v1/endpoints/' + endpoint['id']
        self.assertEqual(endpoint['tls'], {'minimum': '1.3', 'ca': None, 'certificate': None})
        both = self.api.ask('PATCH', at, {'description': 'mutual', 'tls': {'ca': authority, 'certificate': certificate, 'key': key}})
        self.assertEqual(both.status, 200, both.body)
        self.assertNotIn(b'PRIVATE', both.body)
        changed = both.json()
        self.assertEqual((changed['description'], changed['tls']['minimum']), ('mutual', '1.3'))
        self.assertIn('BEGIN CERTIFICATE', changed['tls']['certificate'])
        self.assertIn('BEGIN CERTIFICATE', changed['tls']['ca'])
        # What is not named stays; a certificate for the same key needs no key; null takes away.
        renewed = self.api.must('PATCH', at, {'tls': {'certificate': certificate, 'minimum': None}})
        self.assertEqual((renewed['tls']['minimum'], renewed['tls']['ca']), ('1.2', changed['tls']['ca']))
        self.assertEqual(self.api.must('PATCH', at, {'tls': {'ca': None}})['tls']['ca'], None)
        for body, pointer in (({'tls': {'key': key}}, '/tls/certificate'), ({'tls': {'certificate': 'x', 'key': key}}, '/tls/certificate'),
                              ({'tls': {'ca': 'x'}}, '/tls/ca'), ({'tls': {'minimum': '1.1'}}, '/tls/minimum'),
                              ({'tls': {'color': 'red'}}, '/tls/color'), ({'url': 'http://receiver.example/', 'description': 'no'}, '/tls')):
            answer = self.api.ask('PATCH', at, body)
            self.assertEqual((answer.status, answer.json().get('pointer')), (400, pointer), (body.keys(), answer.body))
        # All of it or nothing; and together they may be right where one alone is not.
        self.assertEqual(self.api.must('GET', at)['description'], 'mutual')
        self.refused(self.api.ask('PATCH', at, {'description': 'half', 'tls': {'ca': 'x'}}), 400, 'invalid_argument')
        self.assertEqual(self.api.must('GET', at)['description'], 'mutual')
        plain = self.api.must('PATCH', at, {'url': 'http://receiver.example/', 'tls': None})
        self.assertEqual(plain['tls'], {'minimum': '1.2', 'ca': None, 'certificate': None})
        actions = [entry['action'] for entry in self.world.json('audit', 'list')['audit']]
        self.assertEqual(actions.count('endpoint.set-tls'), 4)

    def test_lists_go_page_by_page_and_filters_hold(self):
        self.serve()
        endpoints = [self.endpoint('https://receiver.example/hook', account=f'acct-{n % 2}')['id'] for n in range(5)]
        events = [self.api.publish({'n': n}, account=f'acct-{n % 2}')['id'] for n in range(7)]

        def pages(target):
            found, cursor = [], ''
            while cursor is not None:
                page = self.api.must('GET', f'{target}limit=2' + (f'&cursor={cursor}' if cursor else ''))
                self.assertLessEqual(len(page['items']), 2)
                found += [item['id'] for item in page['items']]
                cursor = page['next_cursor']
            return found
        self.assertEqual(pages('/v1/events?'), events[::-1])
        self.assertEqual(pages('/v1/events?account=acct-1&'), events[1::2][::-1])
        self.assertEqual(pages(f'/v1/events?endpoint={endpoints[0]}&'), events[::2][::-1])
        self.assertEqual(pages('/v1/events?state=delivered&'), [])
        self.assertEqual(sorted(pages('/v1/endpoints?')), sorted(endpoints))
        self.assertEqual(sorted(pages('/v1/endpoints?account=acct-1&provider=standard-webhooks&')), sorted(endpoints[1::2]))
        names = [provider['name'] for provider in self.api.must('GET', '/v1/providers')['items']]
        self.assertIn('standard-webhooks', names)

    def test_deliveries_are_cancelled_and_retried(self):
        receiver = self.receiver()
        self.serve()
        endpoint = self.endpoint(receiver.url())['id']
        self.api.must('POST', f'/v1/endpoints/{endpoint}:pause')
        event = self.api.publish()['id']
        self.assertEqual(self.api.must('POST', f'/v1/events/{event}/cancel', {'reason': 'a mistake'}), {'count': 1})
        delivery = self.api.must('GET', f'/v1/events/{event}')['deliveries'][0]
        self.assertEqual((delivery['state'], delivery['reason']), ('cancelled', 'a mistake'))
        self.api.must('POST', f'/v1/endpoints/{endpoint}:activate')
        self.assertEqual(self.api.must('POST', f'/v1/events/{delivery["id"]}/retry'), {'count': 1})
        self.world.wait_for_state(event, 'delivered')
        self.assertEqual(self.api.must('POST', f'/v1/events/{event}/retry'), {'count': 0})
        self.assertEqual(self.api.must('POST', f'/v1/events/{event}/retry', {'failed_only': False}), {'count': 1})
        self.refused(self.api.post('/v1/events/evt_nothing/retry'), 404, 'not_found')

    def test_a_payload_is_masked_until_it_is_revealed_and_that_is_on_record(self):
        self.serve()
        receipt = self.api.publish({'name': 'a long secret name'})
        at = '/v1/events/' + receipt['id']
        self.assertNotIn('a long secret name', self.api.get(at).body.decode())
        self.assertIn('a long secret name', self.api.must('GET', at + '?reveal=true')['payload'])
        self.refused(self.api.get(at + '?reveal=yes'), 400, 'bad_request')
        entries = self.world.json('audit', 'list', '--action', 'event.reveal')
        self.assertIn(f'unix uid {os.getuid()}', json.dumps(entries))


class Tokens(ApiScenario):
    def test_over_tcp_every_v1_path_needs_a_token(self):
        self.serve()
        anonymous = Api(self.tcp)
        for path in ('/healthz', '/readyz', '/openapi.yaml'):
            self.assertEqual(anonymous.get(path).status, 200, path)
        for method, path in described():
            if path.startswith('/v1'):
                answer = anonymous.ask(method, path.replace('{id}', 'x'))
                self.refused(answer, 401, 'unauthenticated')
                self.assertEqual(answer.headers['WWW-Authenticate'], 'Bearer')

    def test_a_role_allows_what_it_says_and_nothing_else(self):
        clients = {role: Api(self.tcp, self.token(role, name=role)) for role in ('publish', 'read', 'operate')}
        self.serve()
        for method, path in described():
            need = re.search(r'Role (\w+)', operation(method, path.replace('{id}', 'x'))['summary'])
            for role, client in clients.items():
                answer = client.ask(method, path.replace('{id}', 'x'))
                allowed = not need or role in (need.group(1), 'operate')
                self.assertEqual(answer.status not in (401, 403), allowed, (role, method, path, answer.body))
        event = self.api.publish()['id']
        self.refused(clients['read'].get(f'/v1/events/{event}?reveal=true'), 403, 'forbidden')

    def test_a_wrong_token_is_refused_also_where_none_is_needed(self):
        good = self.token('operate')
        self.serve()
        wrong = [good[:-1] + ('0' if good[-1] != '0' else '1'), good + '0', good[:12], 'orx_', '', 'x' * 500, good.upper()]
        for token in wrong:
            for place in (self.tcp, self.socket):
                answer = Api(place).get('/v1/queue', headers={'Authorization': f'Bearer {token}'})
                self.refused(answer, 401, 'unauthenticated')
        self.refused(Api(self.tcp).get('/v1/queue', headers={'Authorization': f'Basic {good}'}), 401, 'unauthenticated')
        self.assertEqual(Api(self.tcp).get('/v1/queue', headers={'Authorization': f'bearer {good}'}).status, 200)

    def test_a_token_bound_to_an_account_sees_and_does_only_that_accounts(self):
        bound = Api(self.tcp, self.token('operate', '--account', 'acme'))
        self.serve()
        theirs = self.endpoint('https://receiver.example/hook', account='other')['id']
        event = self.api.publish(account='other')['id']
        for method, path in (('GET', f'/v1/endpoints/{theirs}'), ('DELETE', f'/v1/endpoints/{theirs}'), ('PATCH', f'/v1/endpoints/{theirs}'),
                             ('POST', f'/v1/endpoints/{theirs}:pause'), ('POST', f'/v1/endpoints/{theirs}:activate'),
                             ('POST', f'/v1/endpoints/{theirs}:test'), ('POST', f'/v1/endpoints/{theirs}:rotate-secret'),
                             ('GET', f'/v1/events/{event}'), ('GET', f'/v1/events/{event}?reveal=true'),
                             ('GET', f'/v1/events/{event}/attempts'), ('POST', f'/v1/events/{event}/retry'),
                             ('POST', f'/v1/events/{event}/cancel')):
            answer = bound.ask(method, path, {} if method == 'PATCH' else None)
            self.refused(answer, 404, 'not_found')
        self.assertEqual(bound.must('GET', '/v1/events')['items'], [])
        self.assertEqual(bound.must('GET', '/v1/endpoints')['items'], [])
        for path in ('/v1/events?account=other', '/v1/endpoints?account=other', '/v1/queue'):
            self.refused(bound.get(path), 403, 'forbidden')
        body = json.loads(line(1, account='other'))
        self.refused(bound.post('/v1/events', body), 403, 'forbidden')
        batch = bound.post('/v1/events:batch', (line(1) + '\n' + line(2, account='other')).encode(), headers=NDJSON)
        self.assertEqual([json.loads(text).get('status') for text in batch.body.splitlines()], [None, 403])
        del body['account']
        mine = bound.must('POST', '/v1/events', body, 202)['id']
        self.assertEqual(bound.must('GET', f'/v1/events/{mine}')['account'], 'acme')
        # To an endpoint of another account neither.
        answer = bound.post('/v1/events', {**body, 'endpoint_ids': [theirs]})
        self.assertEqual(answer.status, 400, answer.body)
        self.assertEqual(self.api.must('GET', f'/v1/endpoints/{theirs}')['state'], 'active')

    def test_tokens_are_changed_over_while_the_engine_runs(self):
        self.serve()
        old = self.token('read', name='reports')
        wait_until(lambda: Api(self.tcp, old).get('/v1/queue').status == 200, 'the first token counts')
        new = self.token('read', name='reports')
        wait_until(lambda: Api(self.tcp, new).get('/v1/queue').status == 200, 'the second one counts')
        third = self.world.cli('token', 'add', '--name', 'reports', '--role', 'read')
        self.assertNotEqual(third.code, 0)
        self.world.run('token', 'remove', '--name', 'reports', '--id', old.split('_')[1])
        wait_until(lambda: Api(self.tcp, old).get('/v1/queue').status == 401, 'the first one does not count any more')
        self.assertEqual(Api(self.tcp, new).get('/v1/queue').status, 200)
        listed = self.world.run('token', 'list')
        self.assertIn(new.split('_')[1], listed)
        self.assertNotIn(new.split('_')[2], listed)
        with open(self.world.database, 'rb') as file:
            self.assertNotIn(new.split('_')[2].encode(), file.read())
        actions = json.dumps(self.world.json('audit', 'list'))
        self.assertIn('token.add', actions)
        self.assertIn('token.remove', actions)

    def test_the_audit_trail_names_the_token(self):
        client = Api(self.tcp, self.token('operate', name='deploy'))
        self.serve()
        endpoint = self.endpoint('https://receiver.example/hook')['id']
        client.must('POST', f'/v1/endpoints/{endpoint}:pause')
        self.assertIn('token deploy', json.dumps(self.world.json('audit', 'list', '--action', 'endpoint.pause')))

    def test_the_socket_asks_for_a_token_where_it_is_told_to(self):
        token = self.token('read')
        self.serve('--unix-needs-token')
        self.refused(self.api.get('/v1/queue'), 401, 'unauthenticated')
        self.assertEqual(Api(self.socket, token).get('/v1/queue').status, 200)
        self.assertEqual(stat.S_IMODE(os.stat(self.socket).st_mode), 0o660)


class Listening(ApiScenario):
    def test_beyond_loopback_it_does_not_start_without_tls_and_a_token(self):
        certificate, key = self.world.certificate()
        tls = ['--tls-cert', certificate, '--tls-key', key]
        for place, options, words in ((f'0.0.0.0:{self.port}', [], 'TLS'), (f'[::]:{self.port}', [], 'TLS'),
                                      (f'0.0.0.0:{self.port}', tls, 'token'), ('localhost:80', [], 'place'), ('8480', [], 'place'),
                                      ('unix:' + 'x' * 200, [], '107'), (f'127.0.0.1:{self.port}', tls[:2], 'key')):
            done = self.world.cli('serve', '--listen', place, *options)
            self.assertNotEqual(done.code, 0, place)
            self.assertIn(words, done.err, place)

    def test_with_tls_and_a_token_it_does(self):
        certificate, key = self.world.certificate()
        token = self.token('operate')
        self.world.serve('--listen', f'0.0.0.0:{self.port}', '--tls-cert', certificate, '--tls-key', key)
        over_tls = Api(self.tcp, token, self.world.authority()[0])
        self.assertEqual(over_tls.must('GET', '/readyz'), {'status': 'ready'})
        over_tls.publish()
        self.refused(Api(self.tcp, None, self.world.authority()[0]).get('/v1/queue'), 401, 'unauthenticated')

    def test_a_stop_answers_what_is_under_way_and_ends(self):
        server = self.serve()
        statuses, done = [], threading.Event()

        def batches():
            while not done.is_set():
                try:
                    body = '\n'.join(line(n) for n in range(200)).encode()
                    answer = self.api.post('/v1/events:batch', body, headers=NDJSON)
                except (OSError, http.client.HTTPException):
                    return  # whoever is cut off hears nothing
                statuses.extend('id' in json.loads(text) for text in answer.body.splitlines())
        threads = [threading.Thread(target=batches) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(statuses) > 1000, 'batches are under way')
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 0)
        done.set()
        for thread in threads:
            thread.join()
        (kept,), = self.world.sql('SELECT count(*) FROM outrider_event')
        self.assertGreaterEqual(kept, sum(statuses))
        self.assertFalse(os.path.exists(self.socket))

    def test_it_is_not_ready_while_the_database_cannot_be_written(self):
        self.serve()
        self.assertEqual(self.api.get('/readyz').status, 200)
        locker = sqlite3.connect(self.world.database, isolation_level=None, timeout=60)
        self.world.on_end.append(locker.close)
        locker.execute('BEGIN IMMEDIATE')
        answer = wait_until(lambda: (a := self.api.get('/readyz')).status != 200 and a, 'it says so')
        self.refused(answer, 503, 'not_ready')
        self.assertEqual(self.api.get('/healthz').status, 200)
        locker.execute('ROLLBACK')
        wait_until(lambda: self.api.get('/readyz').status == 200, 'it is ready again')

    def test_too_much_at_once_is_answered_503_and_nothing_is_lost_or_doubled(self):
        self.serve()
        locker = sqlite3.connect(self.world.database, isolation_level=None, timeout=60)
        self.world.on_end.append(locker.close)
        locker.execute('BEGIN IMMEDIATE')
        body = line(1).encode()
        one = b'POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%b\r\n' + body
        clients = [self.raw() for _ in range(400)]
        for client in clients:
            client.sendall((one % (len(body), b'')) * 15 + one % (len(body), b'Connection: close\r\n'))
        wait_until(lambda: self.api.get('/readyz').status != 200, 'the queue stands still')
        self.assertEqual(self.api.get('/healthz').status, 200)
        locker.execute('ROLLBACK')
        answers = b''.join(self.all_of(client) for client in clients)
        for client in clients:
            client.close()
        taken, refused = answers.count(b'HTTP/1.1 202 '), answers.count(b'HTTP/1.1 503 ')
        self.assertEqual(taken + refused, 6400)
        self.assertGreater(refused, 0)
        self.assertEqual(answers.count(b'Retry-After: '), refused)
        self.assertEqual(self.world.sql('SELECT count(*) FROM outrider_event'), [(taken,)])


if __name__ == '__main__':
    run_scenarios()

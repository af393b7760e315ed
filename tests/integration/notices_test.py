#!/usr/bin/env python3
"""The feed of notices: by command, by HTTP, and as webhooks of the engine's own, checked by the library of the Standard
Webhooks."""
import json
import os
import signal
import subprocess
import sys
import time

try:
    import jsonschema
    import yaml  # noqa: F401  (api_client needs it)
except ImportError as missing:
    print(f'cannot run here: {missing}', file=sys.stderr)
    sys.exit(77)

from api_client import Api
from api_scenario import SECRET, ApiScenario
from world import COMMAND_S, HERE, ROOT, run_scenarios, wait_until

NODE_RECEIVER = ['node', os.path.join(HERE, 'receivers', 'node_receiver.js')]

REJECTED = ("INSERT INTO outrider_outbox (account, provider, type, payload) VALUES ('acme', 'no-such', 'loan.paid', '{}')")


class Notices(ApiScenario):
    def setUp(self):
        super().setUp()
        self.status = 500

    def failing(self, provider='once', **rules):
        """An endpoint of a provider that tries once; what it answers is self.status."""
        self.world.add_provider(name=provider, retry={'delays_s': [1], 'max_attempts': 1},
                                **{'deactivate': {'consecutive': 2}, **rules})
        receiver = self.receiver(answer=lambda request: self.status)
        return self.world.add_endpoint(provider, receiver.url())

    def feed(self, *options):
        return self.world.json('notices', *options)['notices']

    def wait_for(self, kinds):
        """The feed, once it is of just these kinds."""
        def told():
            feed = self.feed()
            return feed if len(feed) >= len(kinds) else None
        feed = wait_until(told, kinds)
        self.assertEqual([notice['kind'] for notice in feed], kinds)
        return feed

    def test_every_kind_is_told_with_what_it_is_about(self):
        endpoint = self.failing()
        self.world.serve()
        event = self.world.send('once', 'loan.paid', {'n': 1})
        self.world.wait_for_state(event, 'exhausted')
        self.wait_for(['delivery.exhausted'])
        self.world.send('once', 'loan.paid', {'n': 2})
        self.wait_for(['delivery.exhausted', 'endpoint.deactivated', 'delivery.exhausted'])
        late = self.world.send('once', 'loan.paid', {'n': 3}, '--expires-at', '+1s')
        wait_until(lambda: self.world.delivery(late)['state'] == 'held', 'held')
        self.world.sql('UPDATE outrider_event SET expires_at = 1 WHERE expires_at IS NOT NULL')
        self.world.run('endpoint', 'activate', endpoint)
        self.world.wait_for_state(late, 'expired')
        self.world.sql(REJECTED)
        feed = self.wait_for(['delivery.exhausted', 'endpoint.deactivated', 'delivery.exhausted', 'endpoint.activated',
                              'delivery.expired', 'event.rejected'])
        first, off, rejected = feed[0], feed[1], feed[5]
        self.assertEqual((first['account'], first['provider'], first['event'], first['event_type'], first['endpoint']),
                         ('acme', 'once', event, 'loan.paid', endpoint))
        self.assertEqual(first['delivery'], self.world.delivery(event)['id'])
        self.assertEqual((off['endpoint'], off['delivery'], off['detail']), (endpoint, '', '2 failures in a row'))
        self.assertEqual((rejected['account'], rejected['provider'], rejected['event']), ('acme', 'no-such', ''))
        self.assertIn('no-such', rejected['detail'])
        text = self.world.run('notices', '--kind', 'event.rejected')
        self.assertIn('event.rejected  acme  no-such', text)
        self.assertEqual(len(self.feed('--account', 'other')), 0)

    def activate(self, endpoint, times=1):
        for _ in range(times):
            self.world.run('endpoint', 'pause', endpoint)
            self.world.run('endpoint', 'activate', endpoint)

    def quiet_endpoint(self, **more):
        return self.world.add_endpoint('standard-webhooks', 'https://127.0.0.1:9/nobody', SECRET, **more)

    def test_the_command_pages_by_cursor_and_shows_the_newest_by_default(self):
        self.activate(self.quiet_endpoint(), 5)
        everything = [notice['id'] for notice in self.feed()]
        self.assertEqual(len(set(everything)), 5)
        self.assertEqual([notice['id'] for notice in self.feed('--limit', '2')], everything[3:])
        page = self.world.json('notices', '--cursor', '', '--limit', '2')
        self.assertEqual(([notice['id'] for notice in page['notices']], page['more']), (everything[:2], True))
        page = self.world.json('notices', '--cursor', page['next_cursor'])
        self.assertEqual(([notice['id'] for notice in page['notices']], page['more']), (everything[2:], False))
        empty = self.world.json('notices', '--cursor', page['next_cursor'])
        self.assertEqual((empty['notices'], empty['next_cursor']), ([], everything[-1]))
        self.assertEqual(self.world.cli('notices', '--cursor', 'ntc_madeup').code, 3)
        self.assertEqual(self.world.cli('notices', '--kind', 'loan.paid').code, 2)
        self.assertEqual(self.world.run('notices', '--since', '+1h'), 'no notices\n')

    def follower(self, name, *options):
        return self.world.start(name, self.world.command('--json', 'notices', '--follow', *options))

    def lines(self, process, count):
        wait_until(lambda: process.out().count('\n') >= count, f'{count} lines')
        return [json.loads(text)['id'] for text in process.out().splitlines()]

    def test_a_follower_prints_each_notice_once_in_order_with_an_engine_and_without(self):
        endpoint = self.quiet_endpoint()
        self.activate(endpoint, 2)
        follower = self.follower('follow', '--limit', '1')
        self.lines(follower, 1)
        self.activate(endpoint, 2)                       # no engine runs
        self.lines(follower, 3)
        serve = self.world.serve()
        self.world.sql(*[REJECTED] * 1500)               # more than a page, by the engine
        self.lines(follower, 1503)
        self.assertEqual(serve.stop(), 0)
        self.activate(endpoint)
        told = self.lines(follower, 1504)
        everything = []
        page = {'next_cursor': '', 'more': True}
        while page['more']:
            page = self.world.json('notices', '--cursor', page['next_cursor'], '--limit', '700')
            everything += [notice['id'] for notice in page['notices']]
        self.assertEqual(told, everything[1:])
        self.assertEqual(follower.stop(), 0)
        self.assertEqual(follower.err(), '')

    def test_a_follower_ends_by_sigint_and_with_its_reader(self):
        self.activate(self.quiet_endpoint())
        follower = self.follower('follow')
        self.lines(follower, 1)
        follower.signal(signal.SIGINT)
        self.assertEqual(follower.wait(), 0)
        # A reader that has had enough, while nothing happens that could be printed.
        child = subprocess.Popen(self.world.command('notices', '--follow'), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 env=self.world.env)
        self.addCleanup(child.kill)
        self.assertIn(b'endpoint.activated', child.stdout.readline())
        child.stdout.close()
        self.assertEqual((child.wait(timeout=COMMAND_S), child.stderr.read()), (0, b''))
        child.stderr.close()

    # --- by HTTP ------------------------------------------------------------------------------------

    def test_the_api_follows_by_cursor_and_an_empty_page_has_one_too(self):
        self.serve()
        endpoint = self.quiet_endpoint()
        empty = self.api.must('GET', '/v1/notices')
        self.assertEqual(empty, {'items': [], 'next_cursor': '', 'more': False})
        self.activate(endpoint, 3)
        page = self.api.must('GET', '/v1/notices?limit=2&cursor=')
        self.assertEqual((len(page['items']), page['more']), (2, True))
        self.assertEqual(page['items'][0]['endpoint'], endpoint)
        rest = self.api.must('GET', f'/v1/notices?cursor={page["next_cursor"]}')
        self.assertEqual((len(rest['items']), rest['more']), (1, False))
        none = self.api.must('GET', f'/v1/notices?cursor={rest["next_cursor"]}')
        self.assertEqual(none, {'items': [], 'next_cursor': rest['next_cursor'], 'more': False})
        for query, count in [('kind=endpoint.activated', 3), ('kind=event.rejected', 0), ('account=acme', 3),
                             ('account=other', 0), ('since=2020-01-01T00:00:00Z', 3), ('since=2099-01-01T00:00:00Z', 0)]:
            self.assertEqual(len(self.api.must('GET', f'/v1/notices?{query}')['items']), count, query)
        for query in ('cursor=evt_x', 'kind=x', 'since=yesterday', 'since=2026-01-31', 'limit=0', 'limit=1001'):
            answer = self.api.get(f'/v1/notices?{query}')
            self.assertEqual(self.refused(answer, 400, 'bad_request')['parameter'], query.split('=')[0])

    def asking(self, target):
        """A request under way."""
        connection = self.api.connect()
        connection.request('GET', target)
        self.addCleanup(connection.close)
        return connection

    def told(self, connection):
        response = connection.getresponse()
        page = json.loads(response.read())
        self.assertEqual(response.status, 200, page)
        return page

    def test_a_client_that_waits_is_answered_when_something_happens_or_its_time_is_over(self):
        serve = self.serve()
        endpoint = self.quiet_endpoint()
        begun = time.monotonic()
        self.assertEqual(self.api.must('GET', '/v1/notices?wait=1')['items'], [])
        self.assertGreaterEqual(time.monotonic() - begun, 0.9)
        for query in ('wait=31', 'wait=-1', 'wait=1.5'):
            self.refused(self.api.get(f'/v1/notices?{query}'), 400, 'bad_request')
        # What happens first is nothing to these, and none of them keeps the desk from others.
        waiting = [self.asking('/v1/notices?wait=30&kind=event.rejected') for _ in range(60)]
        self.activate(endpoint)
        self.assertEqual(len(self.api.must('GET', '/v1/notices?wait=30')['items']), 1, 'at once')
        self.world.sql(REJECTED)
        for connection in waiting:
            page = self.told(connection)
            self.assertEqual([notice['kind'] for notice in page['items']], ['event.rejected'])
        # Whoever waits while it stops is answered.
        connection = self.asking(f'/v1/notices?wait=30&cursor={page["next_cursor"]}')
        self.api.must('GET', '/v1/queue')
        self.assertEqual(serve.stop(), 0)
        self.assertEqual(self.told(connection), {**page, 'items': []})

    def test_a_token_bound_to_an_account_sees_its_own_notices_only(self):
        mine, theirs = self.quiet_endpoint(), self.quiet_endpoint(account='other')
        self.activate(mine)
        self.activate(theirs)
        bound, publisher = self.token('read', '--account', 'acme'), self.token('publish', name='p')
        operator = self.token('operate', '--account', 'acme', name='o')
        self.serve()
        page = Api(self.tcp, bound).must('GET', '/v1/notices')
        self.assertEqual([notice['endpoint'] for notice in page['items']], [mine])
        self.refused(Api(self.tcp, bound).get('/v1/notices?account=other'), 403, 'forbidden')
        self.refused(Api(self.tcp, publisher).get('/v1/notices'), 403, 'forbidden')
        # Nor does it get them by webhook.
        spec = {'account': 'acme', 'provider': 'operational-webhooks', 'url': 'https://127.0.0.1:9/'}
        self.refused(Api(self.tcp, operator).post('/v1/endpoints', spec), 403, 'forbidden')
        self.endpoint('https://127.0.0.1:9/', provider='operational-webhooks')

    # --- as webhooks --------------------------------------------------------------------------------

    def foreign_receiver(self):
        """The npm package `standardwebhooks`: (its URL, its ledger)."""
        certificate, key = self.world.certificate()
        ledger = self.world.path('ledger')
        options = ['--provider', 'standard-webhooks', '--secret-file', self.world.secret_file(SECRET), '--ledger', ledger,
                   '--cert', certificate, '--key', key]
        process = self.world.start('receiver', [*NODE_RECEIVER, *options])
        port = int(process.ready_line())

        def entries():
            if not os.path.exists(ledger):
                return []
            with open(ledger, encoding='utf-8') as file:
                return [json.loads(text) for text in file if text.endswith('\n')]
        return f'https://localhost:{port}/notices', entries

    def test_notices_arrive_as_standard_webhooks_that_the_real_library_accepts(self):
        url, ledger = self.foreign_receiver()
        watched = self.receiver()
        for target in (url, watched.url()):
            self.world.add_endpoint('operational-webhooks', target, SECRET, account='ops')
        endpoint = self.failing()
        self.world.serve()
        event = self.world.send('once', 'loan.paid', {'iban': 'never told'})
        wait_until(lambda: len(ledger()) == 1, 'the first notice arrives')
        self.world.sql(REJECTED)
        self.activate(endpoint)
        wait_until(lambda: len(ledger()) == 3 and watched.count() == 3, 'three notices arrive')
        self.assertEqual([(entry['verified'], entry['status']) for entry in ledger()], [(True, 200)] * 3)
        self.assertEqual(len({entry['webhook_id'] for entry in ledger()}), 3)
        bodies = {body['type']: body for body in map(json.loads, watched.bodies())}
        self.assertEqual(set(bodies), {'delivery.exhausted', 'event.rejected', 'endpoint.activated'})
        for kind, body in bodies.items():
            with open(os.path.join(ROOT, 'schemas', 'events', 'operational-webhooks', kind + '.schema.json'),
                      encoding='utf-8') as file:
                jsonschema.Draft4Validator(json.load(file)).validate(body)
        notice = next(notice for notice in self.feed() if notice['kind'] == 'delivery.exhausted')
        data = bodies['delivery.exhausted']['data']
        self.assertEqual((data['id'], data['event'], data['account']), (notice['id'], event, 'acme'))

    def test_what_happens_to_the_receivers_of_notices_is_in_the_feed_and_sent_to_none_of_them(self):
        self.world.add_provider(name='watch', notices=True, retry={'delays_s': [1], 'max_attempts': 1},
                                deactivate={'consecutive': 0, 'window': {'failures': 0, 'seconds': 900}})
        answers = {}
        receivers = [self.receiver(answer=lambda request: answers.get(request.port, 500)) for _ in range(2)]
        for receiver in receivers:
            self.world.add_endpoint('watch', receiver.url(), account='ops')
        answers[receivers[1].port] = 200
        self.world.serve()
        self.world.sql(REJECTED)
        self.wait_for(['event.rejected', 'delivery.exhausted'])
        self.assertEqual(self.feed()[1]['provider'], 'watch')
        self.world.sql(REJECTED)                       # it would come after what is not to come
        wait_until(lambda: receivers[1].count() >= 2, 'the second rejection arrives')
        self.assertEqual([json.loads(body)['type'] for body in receivers[1].bodies()], ['event.rejected'] * 2)
        self.assertEqual(self.world.sql('SELECT count(*) FROM outrider_event'), [(2,)])

    def test_none_is_lost_and_none_is_doubled_when_the_engine_is_killed_in_between(self):
        receiver = self.receiver()
        self.world.add_endpoint('operational-webhooks', receiver.url(), SECRET, account='ops')
        serve = self.world.serve()
        for number in range(6):
            self.world.sql(*[REJECTED] * 200)
            if number < 5:
                wait_until(lambda: len(receiver.requests) > number * 200, 'some arrive')
                serve.kill()
                serve = self.world.serve(name=f'serve-{number}')
        def told():
            return {json.loads(body)['data']['id'] for body in receiver.bodies()}
        wait_until(lambda: len(told()) == 1200, 'all 1200 arrive')
        events = self.world.sql('SELECT count(*) FROM outrider_event')
        self.assertEqual(events, [(1200,)], 'one event for each notice')

    def test_nobody_publishes_as_outrider_but_a_test_can_be_sent(self):
        self.serve()
        receiver = self.receiver()
        endpoint = self.world.add_endpoint('operational-webhooks', receiver.url(), SECRET, account='ops')
        with open(os.path.join(ROOT, 'schemas', 'examples', 'operational-webhooks', 'endpoint.activated.json'),
                  encoding='utf-8') as file:
            forged = json.load(file)
        answer = self.api.post('/v1/events', {'account': 'ops', 'provider': 'operational-webhooks', 'type': 'endpoint.activated',
                                              'payload': forged})
        self.assertEqual(self.refused(answer, 400, 'invalid_argument')['pointer'], '/provider')
        test = self.world.json('endpoint', 'test', endpoint)
        self.world.wait_for_state(test['id'], 'delivered')


if __name__ == '__main__':
    run_scenarios()

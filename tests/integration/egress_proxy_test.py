#!/usr/bin/env python3
"""Everything leaves through one proxy, where one is named: in tunnels to addresses that were vetted, and nowhere else."""
import time

from connect_proxy import CLOSE, HANG, ConnectProxy
from local_receiver import HANG as RECEIVER_HANGS, ScriptedReceiver
from world import Scenario, run_scenarios, wait_until

EVENT = {'loan': 7}


class EgressProxy(Scenario):
    def setUp(self):
        super().setUp()
        self.world.add_provider(retry={'delays_s': [1000], 'max_attempts': 2})

    def proxy(self, **made_with):
        proxy = ConnectProxy(**made_with)
        self.world.on_end.append(proxy.close)
        return proxy

    def receiver(self, certificate='localhost', answer=lambda request: 200, **made_with):
        pair = self.world.certificate(certificate, **made_with) if certificate else None
        receiver = ScriptedReceiver(pair, answer)
        self.world.on_end.append(receiver.close)
        return receiver

    def attempt(self, url):
        endpoint = self.world.add_endpoint('quick', url)
        return self.attempt_at(endpoint, url)

    def attempt_at(self, endpoint, url='it'):
        event = self.world.send('quick', 'loan.paid', EVENT, '--endpoint', endpoint)
        return wait_until(lambda: self.world.delivery(event)['log'], f'an attempt at {url} is recorded')[0]

    def assert_proxy_failure(self, attempt, error='connect'):
        self.assertEqual((attempt['error'], attempt['status']), (error, 0))
        self.assertIn('proxy', attempt['detail'])

    def test_https_and_http_go_through_a_tunnel_to_the_vetted_address(self):
        proxy = self.proxy()
        receivers = [self.receiver(), self.receiver(certificate=None)]
        self.world.serve('--allow-http', '--egress-proxy', proxy.url())
        for receiver in receivers:
            attempt = self.attempt(receiver.url('localhost'))
            self.assertEqual((attempt['error'], attempt['status']), ('none', 200))
            self.assertEqual(attempt['peer'], f'127.0.0.1:{receiver.port} via 127.0.0.1:{proxy.port}')
            self.assertEqual(receiver.requests[0].headers['Host'], f'localhost:{receiver.port}')
        # Never by name: the proxy has nothing to resolve.
        self.assertEqual(proxy.places(), [f'127.0.0.1:{receiver.port}' for receiver in receivers])

    def test_the_proxy_sees_nothing_of_the_request_and_the_receiver_nothing_of_the_proxy(self):
        proxy = self.proxy(credentials='user:a secret')
        receiver = self.receiver(certificate=None)
        self.world.env['OUTRIDER_EGRESS_PROXY'] = proxy.url('user:a%20secret')
        self.world.serve('--allow-http')
        self.assertEqual(self.attempt(receiver.url())['status'], 200)
        self.assertEqual(set(proxy.asks[0].headers), {'host', 'user-agent', 'proxy-connection', 'proxy-authorization'})
        for name in ('Proxy-Authorization', 'Proxy-Connection'):
            self.assertNotIn(name, receiver.requests[0].headers)

    def test_a_tunnel_is_used_again(self):
        proxy = self.proxy()
        receiver = self.receiver()
        self.world.serve('--egress-proxy', proxy.url())
        endpoint = self.world.add_endpoint('quick', receiver.url())
        for _ in range(4):
            self.assertEqual(self.attempt_at(endpoint)['status'], 200)
        self.assertEqual((receiver.count(), len(proxy.asks), proxy.connections), (4, 1, 1))

    def test_a_tunnel_that_died_while_idle_is_replaced_and_the_request_is_sent_once(self):
        for certificate in ('localhost', None):
            with self.subTest(certificate=certificate):
                proxy = self.proxy()
                receiver = self.receiver(certificate)
                serve = self.world.serve('--allow-http', '--egress-proxy', proxy.url())
                endpoint = self.world.add_endpoint('quick', receiver.url())
                self.assertEqual(self.attempt_at(endpoint)['status'], 200)
                proxy.cut()
                self.assertEqual(self.attempt_at(endpoint)['status'], 200)
                self.assertEqual((receiver.count(), len(proxy.asks)), (2, 2))
                serve.stop()

    def test_a_tunnel_that_dies_under_a_request_ends_the_attempt_and_nothing_is_sent_again(self):
        proxy = self.proxy()
        receiver = self.receiver(answer=lambda request: 200 if request.number == 1 else RECEIVER_HANGS)
        self.world.serve('--egress-proxy', proxy.url())
        endpoint = self.world.add_endpoint('quick', receiver.url())
        self.assertEqual(self.attempt_at(endpoint)['status'], 200)
        event = self.world.send('quick', 'loan.paid', EVENT, '--endpoint', endpoint)
        wait_until(lambda: receiver.count() == 2, 'the second request is at the receiver')
        proxy.cut()
        attempt = wait_until(lambda: self.world.delivery(event)['log'], 'the attempt is recorded')[0]
        self.assertEqual((attempt['error'], attempt['status']), ('reset', 0))
        self.assertEqual((receiver.count(), len(proxy.asks)), (2, 1))

    def test_a_refused_target_is_not_even_named_to_the_proxy(self):
        proxy = self.proxy()
        self.world.serve('--egress-proxy', proxy.url())
        for url in ('https://10.0.0.1/', 'https://169.254.169.254/', 'https://[::1]/', 'https://[64:ff9b::a00:1]/'):
            with self.subTest(url=url):
                self.assertEqual(self.attempt(url)['error'], 'blocked')
        self.assertEqual(proxy.connections, 0)

    def test_the_certificate_must_still_name_the_host(self):
        proxy = self.proxy()
        receiver = self.receiver('elsewhere', names='DNS:elsewhere.example')
        self.world.serve('--egress-proxy', proxy.url())
        attempt = self.attempt(receiver.url())
        self.assertEqual((attempt['error'], attempt['status'], receiver.count()), ('tls', 0, 0))

    def test_a_dead_proxy_is_a_connect_failure_and_nothing_goes_around_it(self):
        proxy = self.proxy()
        proxy.close()
        receiver = self.receiver()
        self.world.serve('--egress-proxy', proxy.url())
        self.assert_proxy_failure(self.attempt(receiver.url()))
        self.assertEqual(receiver.connections, 0)

    def test_a_proxy_whose_name_does_not_resolve_is_a_connect_failure(self):
        receiver = self.receiver()
        self.world.serve('--egress-proxy', 'http://no-such-proxy.invalid:3128', '--dns-server', '127.0.0.1:1')
        self.assert_proxy_failure(self.attempt(receiver.url()))
        self.assertEqual(receiver.connections, 0)

    def test_a_proxy_that_refuses_is_a_connect_failure_that_says_the_status(self):
        statuses = [403, 407, 502, 503, 302]
        proxy = self.proxy(answer=lambda ask: statuses[ask.number - 1])
        receiver = self.receiver()
        self.world.serve('--egress-proxy', proxy.url())
        endpoint = self.world.add_endpoint('quick', receiver.url())
        for status in statuses:
            with self.subTest(status=status):
                attempt = self.attempt_at(endpoint)
                self.assert_proxy_failure(attempt)
                self.assertIn(str(status), attempt['detail'])
        self.assertEqual((receiver.connections, len(proxy.asks)), (0, len(statuses)))

    def test_a_proxy_that_closes_without_an_answer_is_a_connect_failure(self):
        proxy = self.proxy(answer=lambda ask: CLOSE)
        self.world.serve('--egress-proxy', proxy.url())
        self.assert_proxy_failure(self.attempt(self.receiver().url()))

    def test_a_proxy_that_hangs_ends_the_attempt_after_three_seconds(self):
        proxy = self.proxy(answer=lambda ask: HANG)
        self.world.serve('--egress-proxy', proxy.url())
        begun = time.monotonic()
        attempt = self.attempt(self.receiver().url())
        self.assert_proxy_failure(attempt, 'timeout')
        self.assertGreaterEqual(time.monotonic() - begun, 2.9)
        self.assertLess(attempt['duration_ms'], 20_000)

    def test_credentials_come_from_a_file_and_never_show(self):
        proxy = self.proxy(credentials='user:hunter2')
        receiver = self.receiver()
        serve = self.world.serve('--egress-proxy-file', self.world.write('proxy', proxy.url('user:hunter2') + '\n'))
        self.assertEqual(self.attempt(receiver.url())['status'], 200)
        self.assertIn(f'127.0.0.1:{proxy.port}', serve.err())
        for text in (serve.err(), serve.out(), self.world.run('event', 'list')):
            self.assertNotIn('hunter2', text)

    def test_wrong_credentials_are_a_connect_failure_and_do_not_show(self):
        proxy = self.proxy(credentials='user:another')
        serve = self.world.serve('--egress-proxy-file', self.world.write('proxy', proxy.url('user:hunter2')))
        attempt = self.attempt(self.receiver().url())
        self.assert_proxy_failure(attempt)
        self.assertNotIn('hunter2', str(attempt) + serve.err() + serve.out())

    def test_what_is_not_a_proxy_is_refused_at_the_start_without_repeating_it(self):
        for given in ('http://user:hunter2@127.0.0.1:3128', 'https://127.0.0.1:3128', '127.0.0.1:3128', 'http://127.0.0.1',
                      'http://127.0.0.1:0', 'http://127.0.0.1:3128/hunter2', 'socks5://127.0.0.1:1080', ''):
            with self.subTest(argument=given):
                done = self.world.cli('serve', '--egress-proxy', given)
                self.assertEqual(done.code, 2, done.err)
                self.assertNotIn('hunter2', done.err + done.out)
        for given in ('http://user:hunter2@', 'http://hunter2@127.0.0.1:1', 'http://u:hunter2%zz@127.0.0.1:1', 'hunter2'):
            with self.subTest(environment=given):
                done = self.world.cli('serve', env={'OUTRIDER_EGRESS_PROXY': given})
                self.assertEqual(done.code, 2, done.err)
                self.assertNotIn('hunter2', done.err + done.out)

    def test_the_proxies_of_the_environment_are_ignored(self):
        proxy = self.proxy()
        receiver, plain = self.receiver(), self.receiver(certificate=None)
        for name in ('http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'):
            self.world.env[name] = proxy.url()
        self.world.serve('--allow-http')
        for one in (receiver, plain):
            self.assertEqual(self.attempt(one.url())['status'], 200)
        self.assertEqual(proxy.connections, 0)

    def test_the_environment_makes_no_exception_from_the_proxy_that_is_named(self):
        proxy = self.proxy()
        receiver = self.receiver()
        self.world.env.update(no_proxy='*', NO_PROXY='localhost,127.0.0.1')
        self.world.serve('--egress-proxy', proxy.url())
        self.assertEqual(self.attempt(receiver.url())['status'], 200)
        self.assertEqual(len(proxy.asks), 1)


if __name__ == '__main__':
    run_scenarios()

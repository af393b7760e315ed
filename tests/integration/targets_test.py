#!/usr/bin/env python3
"""Where a request may not go: nothing inward without leave, nothing over TLS that does not hold, no redirect followed."""
from local_receiver import ScriptedReceiver
from world import LOCAL, Scenario, run_scenarios, wait_until

EVENT = {'loan': 7}


class Targets(Scenario):
    def receiver(self, certificate='localhost', answer=lambda request: 200, **made_with):
        pair = self.world.certificate(certificate, **made_with) if certificate else None
        receiver = ScriptedReceiver(pair, answer)
        self.world.on_end.append(receiver.close)
        return receiver

    def first_attempt(self, url):
        """The first attempt of one event for an endpoint with this URL."""
        endpoint = self.world.add_endpoint('quick', url)
        event = self.world.send('quick', 'loan.paid', EVENT, '--endpoint', endpoint)
        return wait_until(lambda: self.world.delivery(event)['log'], f'an attempt at {url} is recorded')[0]

    def setUp(self):
        super().setUp()
        self.world.add_provider(retry={'delays_s': [1000], 'max_attempts': 2})

    def test_loopback_is_blocked_unless_allowed_and_nothing_connects(self):
        receiver = self.receiver()
        self.world.serve(reach=['--allow-port', '0'])
        for host in ('127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '127.0.0.2'):
            with self.subTest(host=host):
                attempt = self.first_attempt(receiver.url(host))
                self.assertEqual((attempt['error'], attempt['status']), ('blocked', 0))
        # Loopback by its name (RFC 6761), which some resolvers answer and ours asks for.
        self.assertIn(self.first_attempt(receiver.url('foo.localhost'))['error'], ('blocked', 'dns'))
        self.assertEqual(receiver.connections, 0)

    def test_private_and_metadata_addresses_are_blocked_although_loopback_is_allowed(self):
        self.world.serve()
        for host in ('10.0.0.1', '192.168.1.1', '172.16.0.9', '169.254.169.254', '[fd00:ec2::254]', '[fe80::1]', '100.64.0.1'):
            with self.subTest(host=host):
                self.assertEqual(self.first_attempt(f'https://{host}/')['error'], 'blocked')

    def test_another_port_than_443_is_blocked_unless_allowed(self):
        receiver = self.receiver()
        self.world.serve(reach=['--allow-net', '127.0.0.0/8'])
        self.assertEqual(self.first_attempt(receiver.url())['error'], 'blocked')
        self.assertEqual(receiver.connections, 0)

    def test_a_port_that_is_allowed_allows_no_other(self):
        allowed, other = self.receiver(), self.receiver()
        self.world.serve(reach=['--allow-net', '127.0.0.0/8', '--allow-port', str(allowed.port)])
        self.assertEqual(self.first_attempt(allowed.url())['error'], 'none')
        self.assertEqual(self.first_attempt(other.url())['error'], 'blocked')
        self.assertEqual(other.connections, 0)

    def test_plain_http_is_blocked_unless_allowed(self):
        receiver = self.receiver(certificate=None)
        self.world.serve()
        self.assertEqual(self.first_attempt(receiver.url())['error'], 'blocked')
        self.assertEqual(receiver.connections, 0)

    def test_plain_http_is_sent_where_allowed(self):
        receiver = self.receiver(certificate=None)
        self.world.serve('--allow-http')
        self.assertEqual(self.first_attempt(receiver.url())['error'], 'none')
        self.assertEqual(receiver.count(), 1)

    def test_a_certificate_of_an_unknown_authority_ends_the_attempt_before_the_request(self):
        self.assert_tls_refused(self.receiver('stranger', authority='unknown'))

    def test_an_expired_certificate_ends_the_attempt_before_the_request(self):
        self.assert_tls_refused(self.receiver('expired', days=-1))

    def test_a_certificate_for_another_host_ends_the_attempt_before_the_request(self):
        self.assert_tls_refused(self.receiver('elsewhere', names='DNS:elsewhere.example'))

    def test_a_certificate_without_the_address_in_the_url_ends_the_attempt_before_the_request(self):
        self.assert_tls_refused(self.receiver('name-only', names='DNS:localhost'), host='127.0.0.1')

    def assert_tls_refused(self, receiver, host='localhost'):
        good = self.receiver()
        self.world.serve()
        attempt = self.first_attempt(receiver.url(host))
        self.assertEqual((attempt['error'], attempt['status']), ('tls', 0))
        self.assertTrue(attempt['detail'])
        self.assertEqual(receiver.count(), 0)
        self.assertEqual(self.first_attempt(good.url())['error'], 'none')  # it was the certificate

    def test_without_the_authority_the_system_ones_do_not_vouch_for_the_test(self):
        receiver = self.receiver()
        self.world.serve(ca=None)
        self.assertEqual(self.first_attempt(receiver.url())['error'], 'tls')
        self.assertEqual(receiver.count(), 0)

    def test_a_plain_server_where_tls_is_wanted_is_a_tls_failure(self):
        receiver = self.receiver(certificate=None)
        self.world.serve(*['--allow-http'])
        self.assertEqual(self.first_attempt(receiver.url().replace('http:', 'https:'))['error'], 'tls')
        self.assertEqual(receiver.count(), 0)

    def test_a_redirect_is_a_failure_and_is_not_followed(self):
        goal = self.receiver()
        self.world.serve()
        for status in (301, 302, 303, 307, 308):
            with self.subTest(status=status):
                receiver = self.receiver(answer=lambda request, status=status: (status, {'Location': goal.url()}))
                attempt = self.first_attempt(receiver.url())
                self.assertEqual((attempt['error'], attempt['status']), ('redirect', status))
                self.assertEqual(receiver.count(), 1)
        self.assertEqual(goal.connections, 0)

    def test_nobody_at_the_port_is_a_connect_failure(self):
        receiver = self.receiver()
        receiver.close()
        self.world.on_end.remove(receiver.close)
        self.world.serve()
        attempt = self.first_attempt(receiver.url())
        self.assertEqual((attempt['error'], attempt['status']), ('connect', 0))

    def test_what_was_allowed_is_said_in_the_log(self):
        serve = self.world.serve()
        self.assertIn('127.0.0.0/8', serve.err() + serve.out())
        self.assertIn('127.0.0.0/8', LOCAL)


if __name__ == '__main__':
    run_scenarios()

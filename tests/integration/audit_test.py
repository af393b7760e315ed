#!/usr/bin/env python3
"""The audit trail and its chain, as an operator meets them; and somebody who writes into the file with plain SQL."""
import json
import os
import pwd

from local_receiver import ScriptedReceiver
from world import Scenario, run_scenarios, wait_until


class Audit(Scenario):
    def setUp(self):
        super().setUp()
        self.receiver = ScriptedReceiver(self.world.certificate(), lambda request: 500 if request.number == 1 else 200)
        self.world.on_end.append(self.receiver.close)
        self.quick = self.world.add_provider(retry={'delays_s': [1]})

    def entries(self, *options):
        return self.world.json('audit', 'list', *options)['audit']

    def verify(self, *options, code=0):
        done = self.world.cli('--json', 'audit', 'verify', *options)
        self.assertEqual((done.code, done.err), (code, ''), done.out)
        return json.loads(done.out)

    def a_history(self):
        """An endpoint, an event that failed once, and what an operator did meanwhile: (endpoint, event, delivery)."""
        endpoint = self.world.add_endpoint(self.quick, self.receiver.url())
        serve = self.world.serve()
        event = self.world.send(self.quick, 'anything', {'loan': 7})
        delivery = self.world.wait_for_state(event, 'delivered')
        self.assertEqual(serve.stop(), 0)
        return endpoint, event, delivery['id']

    def test_each_action_of_an_operator_is_on_record_with_who_when_and_what(self):
        endpoint, event, delivery = self.a_history()
        self.world.run('endpoint', 'pause', endpoint, '--reason', 'they move')
        waiting = self.world.send(self.quick, 'anything', {'loan': 8})
        self.world.run('endpoint', 'activate', endpoint)
        self.world.run('event', 'cancel', waiting, '--reason', 'by hand')
        self.world.run('event', 'retry', waiting)
        self.world.run('event', 'retry', delivery, '--all')
        self.world.run('event', 'show', event)
        self.world.run('event', 'show', delivery, '--reveal')
        self.world.run('endpoint', 'rotate-secret', endpoint, '--overlap', '2h')
        self.world.run('key', 'rotate')
        self.world.run('endpoint', 'remove', endpoint)
        self.world.run('forget', '--account', 'acme', '--yes')
        found = [(row['action'], row['object'], row['account'], row['detail']) for row in reversed(self.entries())]
        self.assertEqual(found, [
            ('endpoint.add', endpoint, 'acme', self.quick),
            ('endpoint.pause', endpoint, 'acme', 'they move'),
            ('endpoint.activate', endpoint, 'acme', ''),
            ('event.cancel', waiting, 'acme', '1 delivery: by hand'),
            ('event.retry', waiting, 'acme', '1 delivery'),
            ('event.retry', delivery, 'acme', '1 delivery: delivered ones too'),
            ('event.reveal', event, 'acme', ''),
            ('endpoint.rotate-secret', endpoint, 'acme', 'the old ones end after 7200 s'),
            ('key.rotate', '', '', 'generation 2 begun'),
            ('key.rotate', '', '', 'generation 2 complete'),
            ('endpoint.remove', endpoint, 'acme', 'endpoint removed'),
            ('account.forget', '', 'acme', '0 endpoints removed'),
        ])
        who = f'{pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()})'
        self.assertEqual({row['actor'] for row in self.entries()}, {who})
        self.assertEqual([row['action'] for row in self.entries('--action', 'event.reveal')], ['event.reveal'])
        page = self.world.json('audit', 'list', '--limit', '2')
        self.assertEqual(page['next_before'], 11)
        self.assertEqual([row['id'] for row in self.entries('--limit', '2', '--before', '11')], [10, 9])
        self.assertEqual(self.entries('--since', '2999-01-01T00:00:00Z'), [])
        self.assertIn('event.reveal', self.world.run('audit', 'list'))
        self.assertEqual(self.verify()['audit_entries'], 12)

    def test_a_payload_that_cannot_be_read_cannot_be_revealed_and_nothing_is_shown(self):
        _, event, _ = self.a_history()
        os.rename(self.world.database + '.key', self.world.path('elsewhere'))
        done = self.world.cli('event', 'show', event, '--reveal')
        self.assertEqual((done.code, done.out), (6, ''))
        self.assertIn('cannot be revealed', done.err)
        os.rename(self.world.path('elsewhere'), self.world.database + '.key')
        self.world.run('forget', '--account', 'acme', '--yes')
        done = self.world.cli('event', 'show', event, '--reveal')
        self.assertEqual((done.code, done.out), (4, ''))
        self.assertIn('cannot be revealed', done.err)
        self.assertEqual([row for row in self.entries() if row['action'] == 'event.reveal'], [])

    def test_what_somebody_wrote_into_the_file_is_found_and_named(self):
        endpoint, _, delivery = self.a_history()
        self.world.run('endpoint', 'pause', endpoint)
        whole = self.verify()
        self.assertEqual((whole['whole'], whole['attempts'], whole['audit_entries'], whole['faults']), (True, 2, 2, []))
        self.world.sql('UPDATE outrider_attempt SET status = 200, error = 0 WHERE status = 500',
                       "UPDATE outrider_audit SET actor = 'somebody else' WHERE id = 2")
        damaged = self.verify(code=6)
        self.assertFalse(damaged['whole'])
        self.assertEqual([(fault['kind'], fault['delivery'], fault['attempt'], fault['audit']) for fault in damaged['faults']],
                         [('attempt', delivery, 1, 0), ('audit', '', 0, 2)])
        text = self.world.cli('audit', 'verify')
        self.assertEqual(text.code, 6)
        self.assertIn(f'{delivery} attempt 1: ', text.out)
        self.assertIn('audit entry 2: ', text.out)
        self.assertIn('Damaged', text.out)

    def test_a_head_kept_elsewhere_shows_that_rows_were_taken_back(self):
        self.a_history()
        head = self.verify()['head']
        with open(self.world.database, 'rb') as file:
            earlier = file.read()  # closed and checkpointed: the file alone is the database
        endpoint = self.world.add_endpoint(self.quick, self.receiver.url())
        later = self.verify('--expect', head)['head']
        self.world.run('endpoint', 'pause', endpoint)
        self.assertTrue(self.verify('--expect', later)['whole'])
        for suffix in ('-wal', '-shm'):
            if os.path.exists(self.world.database + suffix):
                os.remove(self.world.database + suffix)
        with open(self.world.database, 'wb') as file:
            file.write(earlier)
        self.assertTrue(self.verify()['whole'])
        self.assertEqual(self.verify('--expect', later, code=6)['faults'][0]['kind'], 'chain')
        for wrong in ('x', '5', '5:', ':' + head.split(':')[1], '5:zz', head + '0', '-1:' + head.split(':')[1]):
            self.assertEqual(self.world.cli('audit', 'verify', '--expect', wrong).code, 2, wrong)

    def test_serve_may_run_while_it_is_verified(self):
        self.world.add_endpoint(self.quick, self.receiver.url())
        serve = self.world.serve()
        for number in range(30):
            self.world.send(self.quick, 'anything', {'loan': number})
            if number % 10 == 0:
                self.assertTrue(self.verify()['whole'])
        wait_until(lambda: self.world.json('queue')['delivered'] == 30, 'all are delivered')
        self.assertEqual(self.verify()['attempts'], 31)
        self.assertEqual(serve.stop(), 0)


if __name__ == '__main__':
    run_scenarios()

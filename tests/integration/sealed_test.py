#!/usr/bin/env python3
"""The key file, as an operator meets it; and what is on the disk."""
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess

from local_receiver import ScriptedReceiver
from world import LOCAL, Outcome, Scenario, example, run_scenarios, wait_until

SIN = 'canary-918-273-645'


class Sealed(Scenario):
    def setUp(self):
        super().setUp()
        self.receiver = ScriptedReceiver(self.world.certificate(), lambda request: 200)
        self.world.on_end.append(self.receiver.close)
        self.quick = self.world.add_provider()
        self.key = self.world.database + '.key'

    def on_disk(self):
        """All bytes of the database's files."""
        content = b''
        for suffix in ('', '-wal', '-shm'):
            if os.path.exists(self.world.database + suffix):
                with open(self.world.database + suffix, 'rb') as file:
                    content += file.read()
        return content

    def send(self, **more):
        return self.world.send(self.quick, 'anything', {'sin': SIN, **more})

    def raw(self, *args):
        done = subprocess.run(self.world.command(*args), capture_output=True, text=True, env=self.world.env, timeout=60, check=False)
        return Outcome(done.returncode, done.stdout, done.stderr)

    def test_the_first_use_makes_a_private_key_file_and_says_to_back_it_up(self):
        url = self.receiver.url()
        add = ('endpoint', 'add', '--account', 'acme', '--provider', self.quick, '--url', url, '--secret-file',
               self.world.secret_file('a shared secret'))
        first, second = self.raw(*add), self.raw(*add)
        self.assertEqual((first.code, second.code), (0, 0))
        self.assertIn('made the key file ' + os.path.realpath(self.key), first.err)
        self.assertIn('back it up', first.err)
        self.assertEqual(second.err, '')
        self.assertEqual(stat.S_IMODE(os.stat(self.key).st_mode), 0o600)

    def test_serve_says_in_its_log_that_it_made_one(self):
        serve = self.world.serve()
        self.assertEqual(serve.stop(), 0)
        line = next(json.loads(line) for line in serve.err().splitlines() if 'key_file_created' in line)
        self.assertEqual(line['file'], os.path.realpath(self.key))

    def test_what_was_sent_is_delivered_and_not_to_be_found_on_the_disk(self):
        self.world.add_endpoint(self.quick, self.receiver.url(), 'canary-signing-secret', '--header', 'X-Token: canary-token')
        serve = self.world.serve()
        event = self.send()
        self.world.wait_for_state(event, 'delivered')
        self.assertNotIn(b'canary', self.on_disk())
        serve.kill()
        self.assertNotIn(b'canary', self.on_disk())
        self.assertIn(SIN, self.world.body(event))
        self.assertIn(SIN.encode(), self.receiver.bodies()[0])

    def test_what_plain_sql_brought_leaves_the_database_and_its_log(self):
        self.world.add_endpoint(self.quick, self.receiver.url())
        serve = self.world.serve()
        self.world.sql(('INSERT INTO outrider_outbox (account, provider, type, payload, idempotency_key)'
                        ' VALUES (?, ?, ?, ?, ?)', ('acme', self.quick, 'anything', json.dumps({'sin': SIN}), 'canary-key')))
        wait_until(lambda: self.receiver.count() == 1, 'it is delivered')
        self.assertIn(SIN.encode(), self.receiver.bodies()[0])
        wait_until(lambda: b'canary' not in self.on_disk(), 'its plain text is gone from the disk')
        self.assertEqual(serve.stop(), 0)

    def test_without_its_key_file_nothing_is_served_and_nothing_is_overwritten(self):
        self.world.add_endpoint(self.quick, self.receiver.url())
        event = self.send()
        os.rename(self.key, self.key + '.away')
        before = self.on_disk()
        serve = self.world.cli('serve', *LOCAL)
        self.assertEqual(serve.code, 6)
        self.assertRegex(serve.err, r'^outrider: the key file of this database is missing \(.*\.key\): restore it from its backup.*\n$')
        self.assertFalse(os.path.exists(self.key))
        self.assertEqual(self.world.cli('send', '--account', 'acme', '--provider', self.quick, '--type', 'x', stdin='{}').code, 6)
        self.assertIn('missing', self.world.json('event', 'show', event)['unreadable'])
        self.assertIn('cannot be read', self.world.run('event', 'show', event))
        self.assertEqual(self.world.json('queue')['waiting'], 1)
        status = self.world.cli('--json', 'key', 'status')
        self.assertEqual(status.code, 6)
        self.assertIn('missing', json.loads(status.out)['problem'])
        self.assertEqual(self.on_disk(), before)
        os.rename(self.key + '.away', self.key)
        serve = self.world.serve()
        self.world.wait_for_state(event, 'delivered')

    def test_a_wrong_key_file_is_refused(self):
        self.send()
        self.world.run('--key-file', self.world.path('other.key'), 'send', '--account', 'acme', '--provider', self.quick,
                       '--type', 'x', stdin='{}', database=self.world.path('other.db'))
        for wrong, says in (('other.key', 'another database'), ('junk', 'not an intact key file'), ('open', 'others than its owner')):
            path = self.world.path(wrong)
            if wrong == 'junk':
                self.world.write('junk', 'not a key')
                os.chmod(path, 0o600)
            if wrong == 'open':
                shutil.copy(self.key, path)
                os.chmod(path, 0o644)
            outcome = self.world.cli('--key-file', path, 'serve', *LOCAL)
            self.assertEqual(outcome.code, 6, wrong)
            self.assertIn(says, outcome.err)
            self.assertEqual(outcome.err.count('\n'), 1)

    def test_the_key_file_may_lie_elsewhere_or_be_a_credential(self):
        elsewhere = self.world.path('elsewhere.key')
        credentials = self.world.path('credentials')
        os.mkdir(credentials)
        event = json.loads(self.world.run('--json', '--key-file', elsewhere, 'send', '--account', 'acme', '--provider', self.quick,
                                          '--type', 'x', stdin=json.dumps({'sin': SIN})))['id']
        self.assertFalse(os.path.exists(self.key))
        shutil.copy(elsewhere, os.path.join(credentials, 'outrider.key'))
        os.chmod(os.path.join(credentials, 'outrider.key'), 0o440)  # as a service manager hands it over
        for env in ({'OUTRIDER_KEY_FILE': elsewhere}, {'CREDENTIALS_DIRECTORY': credentials}):
            shown = self.world.json('event', 'show', event, '--reveal', env=env)
            self.assertIn(SIN, shown['payload'])

    def test_a_rotation_while_serve_runs_loses_nothing(self):
        accounts = [f'account-{number}' for number in range(30)]
        for account in accounts:
            self.world.add_endpoint(self.quick, self.receiver.url(), account=account)
        serve = self.world.serve()
        before = [self.world.send(self.quick, 'x', {'sin': SIN}, account=account) for account in accounts]
        rotated = self.world.json('key', 'rotate')
        self.assertEqual(rotated['generation'], 2)
        self.assertGreaterEqual(rotated['wrapped'], 60)  # a standing key and a day's for each
        after = [self.world.send(self.quick, 'x', {'sin': SIN}, account=account) for account in accounts[:5]]
        for event in before + after:
            self.world.wait_for_state(event, 'delivered')
        self.assertEqual(serve.stop(), 0)
        for event in before + after:
            self.assertIn(SIN, self.world.body(event))
        status = self.world.json('key', 'status')
        self.assertEqual((status['generation'], status['rotating'], status['keys_behind']), (2, False, 0))

    def test_a_rotation_that_is_killed_goes_on_with_the_next(self):
        for number in range(40):
            self.world.send(self.quick, 'x', {'sin': SIN}, account=f'account-{number}')
        for _ in range(5):
            rotation = self.world.start('rotate', self.world.command('key', 'rotate'))
            if rotation.running():
                rotation.signal(signal.SIGKILL)
            rotation.wait()
            for event in self.world.json('event', 'list')['events'][:3]:
                self.assertIn(SIN, self.world.body(event['id']))
        self.world.run('key', 'rotate')
        status = self.world.json('key', 'status')
        self.assertEqual((status['rotating'], status['keys_behind']), (False, 0))
        for event in self.world.json('event', 'list')['events']:
            self.assertIn(SIN, self.world.body(event['id']))

    def test_a_forgotten_account_is_unreadable_also_in_a_backup(self):
        endpoint = self.world.add_endpoint(self.quick, self.receiver.url())
        self.world.run('endpoint', 'pause', endpoint, '--reason', 'for the test')
        serve = self.world.serve()
        event, other = self.send(), self.world.send(self.quick, 'x', {'sin': SIN}, account='other')
        backup = self.world.path('backup.db')
        self.backup(backup)
        refused = self.world.cli('forget', '--account', 'acme')
        self.assertEqual(refused.code, 4)
        self.assertIn('--yes', refused.err)
        self.assertIn(SIN, self.world.body(event))
        self.assertEqual(self.world.json('forget', '--account', 'acme', '--yes'), {'account': 'acme', 'endpoints_removed': 1})
        shown = self.world.json('event', 'show', event)
        self.assertEqual((shown['payload'], shown['deliveries'][0]['state']), ('', 'cancelled'))
        self.assertIn('destroyed', shown['unreadable'])
        self.assertEqual(self.world.json('endpoint', 'list')['endpoints'], [])
        self.assertIn(SIN, self.world.body(other))
        old = json.loads(self.world.run('--json', '--key-file', self.key, 'event', 'show', event, database=backup))
        self.assertIn('forgotten', old['unreadable'])
        # The account may come back.
        self.world.add_endpoint(self.quick, self.receiver.url())
        again = self.send()
        self.world.wait_for_state(again, 'delivered')
        self.assertEqual(serve.stop(), 0)

    def backup(self, path):
        """As backup tools do it: the database file and its log, under one read lock."""
        source, target = sqlite3.connect(self.world.database), sqlite3.connect(path)
        source.backup(target)
        source.close()
        target.close()

    def test_a_plain_database_is_plain_for_good_and_says_so(self):
        self.world.sealed = False
        event = json.loads(self.world.run('--json', 'send', '--plain', '--account', 'acme', '--provider', self.quick, '--type', 'x',
                                          stdin=json.dumps({'sin': SIN})))['id']
        self.assertFalse(os.path.exists(self.key))
        self.assertIn(SIN.encode(), self.on_disk())
        self.assertIn('kept plain', self.world.run('key', 'status'))
        self.send()
        self.assertFalse(os.path.exists(self.key))
        self.assertEqual(self.world.cli('forget', '--account', 'acme', '--yes').code, 4)
        self.assertEqual(self.world.cli('key', 'rotate').code, 4)
        self.assertNotIn(SIN, self.world.run('event', 'show', event))

    def test_the_customers_examples_leave_nothing_behind(self):
        for provider, event_type, path in (('lossexpress', 'payoff', 'lossexpress/payoff.json'),
                                           ('credit-app', 'application_export', 'credit-app/application_export.json'),
                                           ('lender-spender', 'loan_application_status_update',
                                            'lender-spender/loan_application_status_update.json')):
            self.world.add_endpoint(provider, self.receiver.url())
            event = self.world.send(provider, event_type, example(path))
            self.world.run('event', 'show', event)
        self.assertGreater(len(self.world.canaries.texts), 5)  # and the end of the world looks for them


if __name__ == '__main__':
    run_scenarios()

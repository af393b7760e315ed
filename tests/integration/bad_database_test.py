#!/usr/bin/env python3
"""Databases that are none, are damaged, newer, locked or out of reach; and standard streams that are closed.

Each is refused in one line that names the file and what to do, with the documented exit code; nothing is made worse.
"""
import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess

from local_receiver import ScriptedReceiver
from world import LOCAL, Scenario, run_scenarios, wait_until

TRY_AGAIN, STORAGE, NOT_FOUND = 5, 6, 3
NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--']


class BadDatabase(Scenario):
    def make(self):
        """A healthy database with an endpoint and some events."""
        self.endpoint = self.world.add_endpoint('standard-webhooks', 'https://example.com/hook',
                                                'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
        self.events = [self.world.send('standard-webhooks', 'loan.paid', {'n': n}) for n in range(5)]
        self.world.sql('SELECT 1')
        db = sqlite3.connect(self.world.database)
        db.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        db.close()

    def commands(self):
        return {
            'serve': (['serve'], ''), 'queue': (['queue'], ''), 'list': (['endpoint', 'list'], ''),
            'events': (['event', 'list'], ''),
            'send': (['send', '--account', 'acme', '--provider', 'standard-webhooks', '--type', 'loan.paid'], '{"n":9}'),
            'add': (['endpoint', 'add', '--account', 'acme', '--provider', 'standard-webhooks', '--url',
                     'https://example.com/'], ''),
        }

    def refuses(self, code, *fragments, commands=None, database=None, prefix=()):
        """All commands (or the named ones) say no: exit code, one line, what it names, nothing on standard output."""
        for name, (words, stdin) in self.commands().items():
            if commands and name not in commands:
                continue
            with self.subTest(command=name):
                try:
                    done = self.world.cli(*words, stdin=stdin, database=database, prefix=prefix, limit_s=30)
                except subprocess.TimeoutExpired:
                    self.fail('it was not refused: it runs')
                said = f'exit {done.code}, stderr {done.err!r}, stdout {done.out!r}'
                self.assertEqual(done.code, code, said)
                self.assertEqual(done.out, '', said)
                self.assertTrue(done.err.startswith('outrider: '), said)
                self.assertEqual(done.err.count('\n'), 1, said)
                for fragment in fragments:
                    self.assertIn(fragment, done.err)

    def refuses_and_leaves_alone(self, code, *fragments, commands=None):
        with open(self.world.database, 'rb') as file:
            before = file.read()
        self.refuses(code, self.world.database, *fragments, commands=commands)
        with open(self.world.database, 'rb') as file:
            self.assertEqual(file.read(), before)

    # --- damage -----------------------------------------------------------------------------------

    def test_random_bytes_are_no_database(self):
        self.world.write('outrider.db', random.Random(7).randbytes(40_000))
        self.refuses_and_leaves_alone(STORAGE)

    def test_a_text_file_is_no_database(self):
        self.world.write('outrider.db', 'shopping list\n' * 100)
        self.refuses_and_leaves_alone(STORAGE)

    def test_a_header_cut_short_is_no_database(self):
        self.make()
        with open(self.world.database, 'r+b') as file:
            file.truncate(60)
        self.refuses_and_leaves_alone(STORAGE)

    def test_a_file_cut_short_in_the_middle_is_damaged(self):
        self.make()
        os.truncate(self.world.database, 8192)
        self.refuses_and_leaves_alone(STORAGE, 'malformed')

    def test_a_page_overwritten_is_damage_that_is_met_and_named(self):
        self.make()
        root, size = self.world.sql("SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_master "
                                    "WHERE name = 'outrider_endpoint'")[0]
        with open(self.world.database, 'r+b') as file:
            file.seek((root - 1) * size)
            file.write(random.Random(7).randbytes(size))
        self.refuses_and_leaves_alone(STORAGE)

    def test_a_page_overwritten_deep_inside_never_crashes_anything(self):
        self.make()
        for n in range(200):
            self.world.sql(("INSERT INTO outrider_outbox (account, provider, type, payload) VALUES "
                            "('acme', 'standard-webhooks', 'loan.paid', ?)", (json.dumps({'n': n, 'pad': 'x' * 500}),)))
        serve = self.world.serve()
        wait_until(lambda: self.world.json('queue')['inbox'] == 0, 'all are events')
        self.assertEqual(serve.stop(), 0)
        db = sqlite3.connect(self.world.database)
        db.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        db.close()
        healthy = self.world.path('healthy.db')
        shutil.copy(self.world.database, healthy)
        pages = os.path.getsize(healthy) // 4096
        rng = random.Random(11)
        met = 0
        for page in rng.sample(range(2, pages + 1), min(12, pages - 1)):
            shutil.copy(healthy, self.world.database)
            with open(self.world.database, 'r+b') as file:
                file.seek((page - 1) * 4096)
                file.write(rng.randbytes(4096))
            for name, (words, stdin) in self.commands().items():
                if name == 'serve':
                    continue
                with self.subTest(page=page, command=name):
                    done = self.world.cli(*words, stdin=stdin)
                    self.assertIn(done.code, (0, STORAGE), done.err)
                    if done.code == STORAGE:
                        met += 1
                        self.assertEqual((done.out, done.err.count('\n')), ('', 1), done.err)
        self.assertGreater(met, 0)

    def test_a_directory_is_no_database(self):
        os.mkdir(self.world.database)
        self.refuses(STORAGE, self.world.database)

    def test_a_device_is_no_database(self):
        self.refuses(STORAGE, '/dev/null', database='/dev/null')

    def test_a_folder_that_is_not_there_is_named(self):
        nowhere = self.world.path('nowhere', 'x.db')
        self.refuses(NOT_FOUND, nowhere, database=nowhere, commands=['queue', 'list', 'events'])
        self.refuses(STORAGE, nowhere, database=nowhere, commands=['serve', 'send', 'add'])
        self.assertFalse(os.path.exists(self.world.path('nowhere')))

    def test_an_empty_file_is_taken_as_a_new_database_by_those_who_may_make_one(self):
        self.world.write('outrider.db', '')
        self.make()
        self.assertEqual(len(self.world.json('endpoint', 'list')['endpoints']), 1)

    def test_the_applications_own_tables_live_beside_outriders(self):
        db = sqlite3.connect(self.world.database)
        db.execute('CREATE TABLE loan (number INTEGER)')
        db.execute('INSERT INTO loan VALUES (7)')
        db.commit()
        db.close()
        self.make()
        self.assertEqual(self.world.sql('SELECT number FROM loan'), [(7,)])

    def test_a_database_of_a_newer_version_is_refused_with_both_versions(self):
        self.make()
        (known,), = self.world.sql("SELECT CAST(value AS INTEGER) FROM outrider_meta WHERE name = 'schema_version'")
        self.world.sql("UPDATE outrider_meta SET value = 4711 WHERE name = 'schema_version'")
        db = sqlite3.connect(self.world.database)
        db.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        db.close()
        self.refuses_and_leaves_alone(STORAGE, '4711', str(known))

    # --- other processes --------------------------------------------------------------------------

    def test_a_second_serve_is_refused_and_told_the_first_ones_process(self):
        self.make()
        first = self.world.serve()
        self.refuses(TRY_AGAIN, self.world.database, str(first.pid), commands=['serve'])
        link = self.world.path('link.db')
        os.symlink(self.world.database, link)  # the same file by another name
        self.refuses(TRY_AGAIN, str(first.pid), commands=['serve'], database=link)
        self.assertTrue(first.running())
        self.assertEqual(first.stop(), 0)
        self.world.serve(name='second')  # the lock is gone with the process

    def test_a_serve_that_was_killed_leaves_no_lock_behind(self):
        self.world.serve().kill()
        self.world.serve(name='second')

    def test_a_host_that_keeps_the_write_lock_makes_commands_wait_and_then_say_so(self):
        self.make()
        db = sqlite3.connect(self.world.database, isolation_level=None)
        db.execute('BEGIN IMMEDIATE')
        self.refuses(TRY_AGAIN, commands=['send'])
        self.assertEqual(self.world.cli('queue').code, 0)  # reading goes on
        db.execute('ROLLBACK')
        db.close()
        self.world.send('standard-webhooks', 'loan.paid', {'n': 9})

    # --- permissions ------------------------------------------------------------------------------

    def as_somebody_without_rights(self):
        """Root may do anything: then the commands run as nobody. The binary goes where nobody can see it."""
        if os.geteuid() != 0:
            return []
        copy = self.world.path('bin', 'outrider')
        os.mkdir(self.world.path('bin'))
        shutil.copy(self.world.binary, copy)
        os.chmod(copy, 0o755)
        self.world.binary = copy
        os.chmod(self.world.folder, 0o755)
        return NOBODY

    def test_a_read_only_directory(self):
        self.make()
        prefix = self.as_somebody_without_rights()
        folder = self.world.path('read-only')
        os.mkdir(folder)
        there = os.path.join(folder, 'there.db')
        shutil.copy(self.world.database, there)
        os.chmod(there, 0o666)
        os.chmod(folder, 0o555)
        self.world.on_end.append(lambda: os.chmod(folder, 0o755))
        self.refuses(STORAGE, folder, database=there, prefix=prefix)
        missing = os.path.join(folder, 'missing.db')
        self.refuses(STORAGE, folder, database=missing, prefix=prefix, commands=['serve', 'send', 'add'])
        self.assertEqual(sorted(os.listdir(folder)), ['there.db'])

    def test_a_read_only_database_file(self):
        self.make()
        prefix = self.as_somebody_without_rights()
        folder = self.world.path('open')
        os.mkdir(folder)
        os.chmod(folder, 0o777)
        there = os.path.join(folder, 'there.db')
        shutil.copy(self.world.database, there)
        os.chmod(there, 0o444)
        self.refuses(STORAGE, there, database=there, prefix=prefix, commands=['serve', 'send', 'add'])

    def test_a_database_of_somebody_else(self):
        self.make()
        prefix = self.as_somebody_without_rights()
        os.chmod(self.world.database, 0 if not prefix else 0o600)
        self.world.on_end.append(lambda: os.chmod(self.world.database, 0o600))
        os.chmod(self.world.folder, 0o777)
        self.refuses(STORAGE, self.world.database, prefix=prefix)

    def test_a_new_database_is_for_its_owner_alone(self):
        old = os.umask(0)
        self.world.on_end.append(lambda: os.umask(old))
        self.make()
        serve = self.world.serve()
        for name in os.listdir(self.world.folder):
            if name.startswith('outrider.db') and not stat.S_ISSOCK(os.stat(self.world.path(name)).st_mode):
                mode = stat.S_IMODE(os.stat(self.world.path(name)).st_mode)
                self.assertEqual(mode & 0o077, 0, f'{name} has mode {mode:o}')
        self.assertEqual(serve.stop(), 0)

    # --- standard streams -------------------------------------------------------------------------

    def shell(self, text):
        """A line of shell in which "$@" is the binary and its database; its exit code, output and complaints."""
        done = subprocess.run(['bash', '-c', text, 'bash', *self.world.command()], capture_output=True, text=True,
                              env=self.world.env, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def test_a_reader_that_goes_away_is_nothing_to_complain_about(self):
        self.make()
        for n in range(300):
            self.world.sql("INSERT INTO outrider_outbox (account, provider, type, payload) "
                           "VALUES ('acme', 'nobody', 'x', '{}')")
        serve = self.world.serve()
        wait_until(lambda: self.world.json('queue')['rejected'] == 300, 'all are rejected')
        for command in ('event list', '--json event list', 'queue --rejected 1000', 'queue --watch', '--help', 'provider list'):
            with self.subTest(command=command):
                code, out, err = self.shell(f'"$@" {command} | head -n 1; exit ${{PIPESTATUS[0]}}')
                self.assertEqual((code, err), (0, ''))
                self.assertEqual(out.count('\n'), 1)
        self.assertEqual(serve.stop(), 0)

    def test_a_full_disk_behind_standard_output_is_an_error(self):
        self.make()
        code, _, err = self.shell('"$@" queue >/dev/full')
        self.assertEqual(code, STORAGE)
        self.assertEqual((err.count('\n'), 'standard output' in err), (1, True), err)

    def test_standard_input_that_is_closed_is_an_error_for_those_who_read_it(self):
        self.make()
        for command in ('send --account acme --provider standard-webhooks --type loan.paid',
                        f'endpoint rotate-secret {self.endpoint} --secret-stdin'):
            with self.subTest(command=command):
                code, out, err = self.shell(f'"$@" {command} <&-')
                self.assertNotEqual(code, 0)
                self.assertEqual((out, err.count('\n')), ('', 1), err)
        self.assertEqual(len(self.world.json('event', 'list')['events']), 5)

    def test_closed_standard_streams_never_lead_into_the_database(self):
        self.make()
        healthy = [('ok',)]
        for closed in ('<&-', '>&-', '2>&-', '>&- 2>&-', '<&- >&- 2>&-'):
            for command in ('queue', 'event list', 'event show nonsense', 'frobnicate', 'endpoint list'):
                with self.subTest(command=command, closed=closed):
                    self.shell(f'"$@" {command} {closed}')
                    self.assertEqual(self.world.sql('PRAGMA integrity_check'), healthy)

    def test_serve_with_closed_standard_streams_delivers_and_writes_into_nothing_else(self):
        receiver = ScriptedReceiver(self.world.certificate())
        self.world.on_end.append(receiver.close)
        self.world.add_endpoint('standard-webhooks', receiver.url(), 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
        trust = ' '.join(LOCAL + ['--ca-file', self.world.authority()[0]])
        serve = self.world.start('closed', ['bash', '-c', f'exec "$@" serve {trust} <&- >&- 2>&-', 'bash',
                                            *self.world.command()])
        for n in range(20):
            self.world.send('standard-webhooks', 'loan.paid', {'n': n})
        wait_until(lambda: self.world.json('queue')['delivered'] == 20, 'all are delivered')
        self.assertEqual(receiver.count(), 20)
        self.assertEqual(serve.stop(), 0)
        self.assertEqual(self.world.sql('PRAGMA integrity_check'), [('ok',)])
        for name in os.listdir(self.world.folder):
            if name.startswith('outrider.db.lock'):
                with open(self.world.path(name), 'rb') as file:
                    self.assertNotIn(b'"event"', file.read())

    def test_listen_with_closed_standard_streams_says_so_where_it_can(self):
        secret = self.world.secret_file('a secret')
        for closed, complains in (('>&-', True), ('<&- >&-', True), ('>&- 2>&-', False), ('<&- >&- 2>&-', False)):
            with self.subTest(closed=closed):
                code, out, err = self.shell(f'"$@" listen --provider github --secret-file {secret} {closed}')
                self.assertEqual((code, out), (STORAGE, ''), err)
                self.assertEqual('standard output' in err, complains, err)

    # --- provider files ---------------------------------------------------------------------------

    def test_a_broken_provider_file_is_named_with_the_place_and_the_reason(self):
        self.make()
        self.world.add_provider()
        path = self.world.path('providers', 'quick.json')
        with open(path, encoding='utf-8') as file:
            good = json.load(file)
        # What is wrong in a schema is told by the schema's own file.
        broken = [('{"format": 1,', '', ''),
                  ({**good, 'colour': 'red'}, '/colour', 'colour'),
                  ({**good, 'timeout_ms': 1}, '/timeout_ms', '100'),
                  ({**good, 'body': 'pretty'}, '/body', 'compact'),
                  ({**good, 'signature': {**good['signature'], 'headers': {'X Quick': '{signatures}'}}},
                   '/signature/headers', ''),
                  ({**good, 'signature': {**good['signature'], 'headers': {'X-Quick': '{signature}'}}},
                   '/signature/headers/X-Quick', 'signature'),
                  ({**good, 'events': {'loan.paid': {'schema': {'type': 'object'}}}}, '/events/loan.paid/schema', 'string'),
                  ({**good, 'events': {'loan.paid': {'schema': 'if.schema.json'}}}, '/if', 'unsupported'),
                  ({**good, 'events': {'loan.paid': {'schema': 'nowhere.json'}}}, '/events/loan.paid/schema', 'nowhere.json')]
        self.world.write('providers/if.schema.json', '{"type": "object", "if": {}}')
        for definition, pointer, reason in broken:
            text = definition if isinstance(definition, str) else json.dumps(definition)
            self.world.write('providers/quick.json', text)
            with self.subTest(definition=text[-80:]):
                named = self.world.path('providers', 'if.schema.json') if pointer == '/if' else path
                self.refuses(STORAGE, f'{named}#{pointer}' if pointer else named, reason)
                checked = self.world.cli('provider', 'check', path)
                self.assertEqual(checked.code, STORAGE, checked.err)
                for fragment in (named, pointer, reason):
                    self.assertIn(fragment, checked.out + checked.err)
        self.world.write('providers/quick.json', json.dumps(good))
        self.assertEqual(self.world.cli('provider', 'check', path).code, 0)


if __name__ == '__main__':
    run_scenarios()

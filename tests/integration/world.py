"""A small world for one scenario: the built binary, a folder, a certificate authority, and what was started in it.

A scenario is a test method of a class derived from Scenario; run_scenarios() is its file's main. Everything listens on
127.0.0.1 at free ports. What was started is ended with the test, also when it fails or is killed (each process gets a
signal when its parent dies). The folder is kept, and its logs are printed, when a test fails.

usage of a scenario file: FILE OUTRIDER [TEST]...
"""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
from collections import namedtuple

from canaries import Canaries

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
EXAMPLES = os.path.join(ROOT, 'schemas', 'examples')

LIMIT_S = 120       # for what must come true; generous, for a slow shared machine
COMMAND_S = 60      # for one command to end

# Where the process under test is told to die with us: the kernel sees to it, whatever ends this test.
DIES_WITH_PARENT = ['setpriv', '--pdeathsig', 'KILL', '--']
# What a test may reach: this host, any port, TLS from the test's own authority.
LOCAL = ['--allow-net', '127.0.0.0/8', '--allow-port', '0']

Outcome = namedtuple('Outcome', 'code out err')


def wait_until(condition, what, limit_s=LIMIT_S):
    """The first true value of condition(), asked again and again; fails where none comes in time."""
    end = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f'did not come true within {limit_s} s: {what}')
        time.sleep(0.005)


def example(path):
    """The text of a customer's example payload, as published: with its blanks and line ends."""
    with open(os.path.join(EXAMPLES, path), encoding='utf-8') as file:
        return file.read()


def read_text(path):
    with open(path, encoding='utf-8', errors='replace') as file:
        return file.read()


class Process:
    """Something started, with its output in files: nothing blocks on a full pipe, all of it can be read later."""

    def __init__(self, command, out, err, env, stdin=None, cwd=None):
        self.command, self.out_path, self.err_path = command, out, err
        with open(out, 'ab') as out_file, open(err, 'ab') as err_file:
            self.child = subprocess.Popen(DIES_WITH_PARENT + command, stdout=out_file, stderr=err_file,
                                          stdin=stdin or subprocess.DEVNULL, env=env, cwd=cwd)
        self.pid = self.child.pid

    def out(self):
        return read_text(self.out_path)

    def err(self):
        return read_text(self.err_path)

    def ready_line(self):
        """The first whole line it prints; that it ends before is a failure."""
        def line():
            text = self.out()
            if '\n' in text:
                return text.split('\n', 1)[0]
            if self.child.poll() is not None:
                raise AssertionError(f'{self.command[:4]} ended with {self.child.returncode} before it was ready: {self.err()}')
            return None
        return wait_until(line, f'{self.command[:4]} says that it is ready')

    def signal(self, number):
        self.child.send_signal(number)

    def wait(self, limit_s=COMMAND_S):
        return self.child.wait(timeout=limit_s)

    def running(self):
        return self.child.poll() is None

    def stop(self):
        """SIGTERM, and its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        if self.running():
            self.child.kill()
        self.child.wait()


class World:
    binary = None
    made = []

    def __init__(self, name):
        self.name = name
        self.folder = tempfile.mkdtemp(prefix='outrider-')
        self.database = self.path('outrider.db')
        self.providers = None
        self.processes = []
        self.on_end = []
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith('OUTRIDER_') and not key.lower().endswith('_proxy')}
        self.env['HOME'] = self.folder
        # ThreadSanitizer sleeps for a second at the end of a process, which is not the process's own doing.
        self.env['TSAN_OPTIONS'] = self.env.get('TSAN_OPTIONS', '') + ' atexit_sleep_ms=0'
        self.authorities = {}
        self.secrets = 0
        self.canaries = Canaries()
        self.sealed = True    # False: a scenario about a database that is kept plain
        World.made.append(self)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, content):
        path = self.path(name)
        with open(path, 'w' if isinstance(content, str) else 'wb') as file:
            file.write(content)
        return path

    # --- the binary -----------------------------------------------------------------------------

    def command(self, *args, database=None):
        providers = ['--providers', self.providers] if self.providers else []
        return [self.binary, '--db', self.database if database is None else database, *providers, *args]

    def cli(self, *args, stdin='', env=None, database=None, prefix=(), limit_s=COMMAND_S):
        """Runs one command; its exit code, standard output and standard error."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run([*prefix, *self.command(*args, database=database)], input=data, timeout=limit_s,
                              capture_output=True, env={**self.env, **(env or {})}, cwd=self.folder)
        outcome = Outcome(done.returncode, done.stdout.decode(errors='replace'), done.stderr.decode(errors='replace'))
        self.canaries.heard(args, outcome)
        # The first command on a new database says, once, that it made the key file; sealed_test.py listens to that.
        rest = ''.join(line for line in outcome.err.splitlines(True) if 'made the key file' not in line)
        return outcome._replace(err=rest)

    def run(self, *args, **options):
        """A command that must succeed and have nothing to complain about; its standard output."""
        done = self.cli(*args, **options)
        assert done.code == 0, f'outrider {" ".join(args)}: exit code {done.code}: {done.err}'
        assert done.err == '', f'outrider {" ".join(args)} complained: {done.err}'
        return done.out

    def json(self, *args, **options):
        return json.loads(self.run('--json', *args, **options))

    def start(self, name, command, **options):
        """A process of this world, its output in NAME.out and NAME.err."""
        process = Process(command, self.path(name + '.out'), self.path(name + '.err'), self.env, **options)
        self.processes.append(process)
        return process

    def serve(self, *options, name='serve', reach=LOCAL, ca='test', database=None):
        """`outrider serve`, ready: it may reach this host and trusts the test's authority."""
        trust = ['--ca-file', self.authority(ca)[0]] if ca else []
        process = self.start(name, self.command('serve', *reach, *trust, *options, database=database))
        process.ready_line()
        return process

    # --- short ways to say it ---------------------------------------------------------------------

    def secret_file(self, text):
        self.secrets += 1
        return self.write(f'secret-{self.secrets}', text)

    def add_endpoint(self, provider, url, secret='a shared secret', *options, account='acme'):
        self.canaries.add(secret)
        added = self.json('endpoint', 'add', '--account', account, '--provider', provider, '--url', url,
                          '--secret-file', self.secret_file(secret), *options)
        return added['endpoint']['id']

    def send(self, provider, event_type, payload, *options, account='acme'):
        self.canaries.in_payload(provider, payload)
        text = payload if isinstance(payload, str) else json.dumps(payload)
        return self.json('send', '--account', account, '--provider', provider, '--type', event_type, *options,
                         stdin=text)['id']

    def event(self, ident, *options):
        return self.json('event', 'show', ident, *options)

    def delivery(self, ident):
        """The one delivery of an event."""
        deliveries = self.event(ident)['deliveries']
        assert len(deliveries) == 1, deliveries
        return deliveries[0]

    def wait_for_state(self, ident, state):
        def reached():
            delivery = self.delivery(ident)
            return delivery if delivery['state'] == state else None
        return wait_until(reached, f'{ident} is {state}')

    def sql(self, *statements, database=None):
        """Plain SQL in one transaction, by SQLite's own shell of Python; the rows of the last statement."""
        db = sqlite3.connect(database or self.database, isolation_level=None, timeout=60)
        try:
            db.execute('BEGIN IMMEDIATE')
            rows = []
            for statement in statements:
                text, values = statement if isinstance(statement, tuple) else (statement, ())
                rows = db.execute(text, values).fetchall()
            db.execute('COMMIT')
            return rows
        finally:
            db.close()

    def body(self, event):
        """An event's body, as it is revealed to operators who ask."""
        return self.event(event, '--reveal')['payload']

    def add_provider(self, **changes):
        """A provider of the test's own, made for this world; its name."""
        definition = {
            'format': 1, 'name': 'quick', 'title': 'Quick',
            'signature': {'schemes': [{'algorithm': 'hmac-sha256', 'key': {'form': 'text'}, 'signed': '{body}',
                                       'encoding': 'hex'}],
                          'headers': {'X-Quick-Signature': '{signatures}'}},
            'body': 'compact', 'events': {'*': {}},
            **changes,
        }
        if not self.providers:
            self.providers = self.path('providers')
            os.mkdir(self.providers)
        self.write(os.path.join('providers', definition['name'] + '.json'), json.dumps(definition))
        return definition['name']

    # --- certificates -----------------------------------------------------------------------------

    def openssl(self, *args):
        subprocess.run(['openssl', *args], check=True, capture_output=True, timeout=COMMAND_S, cwd=self.folder)

    def authority(self, name='test'):
        """A certificate authority made on the fly: (its certificate, its key)."""
        if name not in self.authorities:
            certificate, key = self.path(f'ca-{name}.pem'), self.path(f'ca-{name}.key')
            self.openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key,
                         '-out', certificate, '-subj', f'/CN=Outrider test authority {name}', '-days', '2',
                         '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign')
            self.authorities[name] = (certificate, key)
        return self.authorities[name]

    def certificate(self, name='localhost', names='DNS:localhost,IP:127.0.0.1', authority='test', days=2):
        """A server's (certificate, key); negative days make one that has expired."""
        certificate, key = self.path(f'{name}.pem'), self.path(f'{name}.key')
        if not os.path.exists(certificate):
            ca, ca_key = self.authority(authority)
            request = self.path(f'{name}.csr')
            names_file = self.write(f'{name}.ext', f'subjectAltName={names}\n')
            self.openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key,
                         '-out', request, '-subj', '/CN=receiver')
            self.openssl('x509', '-req', '-in', request, '-CA', ca, '-CAkey', ca_key, '-CAcreateserial', '-days', str(days),
                         '-out', certificate, '-extfile', names_file)
        return certificate, key

    # --- the end ----------------------------------------------------------------------------------

    def end(self):
        for action in reversed(self.on_end):
            action()
        for process in self.processes:
            process.kill()

    def assert_nothing_was_seen(self):
        """No secret and nothing sensitive that was sent can be found in what Outrider wrote."""
        if self.sealed:
            for complaint in self.canaries.look(self.folder, self.database, self.processes):
                raise AssertionError(complaint)

    def print_logs(self):
        print(f'--- logs of {self.name}, kept in {self.folder}', file=sys.stderr)
        for process in self.processes:
            for text, path in ((process.out(), process.out_path), (process.err(), process.err_path)):
                if text:
                    print(f'--- {os.path.basename(path)}\n{text[-4000:]}', file=sys.stderr)
        if os.path.exists(self.database):
            try:
                print(f'--- queue\n{self.cli("queue").out[-4000:]}', file=sys.stderr)
            except (OSError, subprocess.SubprocessError) as error:
                print(f'--- queue: {error}', file=sys.stderr)


class Scenario(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.world = World(self.id())
        self.addCleanup(self.end_world)

    def end_world(self):
        self.world.end()
        self.world.assert_nothing_was_seen()


def run_scenarios():
    """main of a scenario file: the named tests, or all of them."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    World.binary = os.path.abspath(sys.argv[1])
    loader = unittest.TestLoader()
    suite = unittest.TestSuite()
    for case in (value for value in vars(sys.modules['__main__']).values()
                 if isinstance(value, type) and issubclass(value, Scenario) and value is not Scenario):
        for name in loader.getTestCaseNames(case):
            if len(sys.argv) == 2 or name in sys.argv[2:]:
                suite.addTest(case(name))
    if suite.countTestCases() == 0:
        sys.exit(f'no such test: {sys.argv[2:]}')
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    failed = {getattr(test, 'test_case', test).id() for test, _ in result.failures + result.errors}
    for world in World.made:
        if world.name in failed:
            world.print_logs()
        else:
            shutil.rmtree(world.folder, ignore_errors=True)
    if result.skipped and len(result.skipped) == result.testsRun:
        sys.exit(77)  # CTest says that it was not run
    sys.exit(0 if result.wasSuccessful() else 1)

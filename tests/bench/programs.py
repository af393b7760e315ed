"""The programs of a workload, started and stopped: each says what it measured in one JSON object on one line."""
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

LIMIT_S = 600
SENDER, RECEIVER = '0', '1'  # processors, where there are two


class Failed(Exception):
    pass


def processors(which):
    """A receiver beside the sender shall not take its time; on one processor there is no choice."""
    return {'processors': which} if (os.cpu_count() or 1) > 1 else {}


def arguments(options):
    return [text for name, value in options.items() if value is not None
            for text in ('--' + name.replace('_', '-'), str(value))]


class Program:
    """Ends when its standard input does."""

    def __init__(self, path, /, *words, **options):
        self.name = os.path.basename(path)
        self.log = tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen([path, *words, *arguments(options)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, bufsize=0)
        self.unread = b''
        self.ready = select.poll()
        self.ready.register(self.process.stdout, select.POLLIN)

    def line(self):
        end = time.monotonic() + LIMIT_S
        while b'\n' not in self.unread:
            if not self.ready.poll(max(0, end - time.monotonic()) * 1000):
                raise Failed(f'{self.name}: nothing said within {LIMIT_S} s')
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                self.process.wait(LIMIT_S)
                self.log.seek(0)
                raise Failed(f'{self.name}: {self.log.read().strip() or "ended without a report"}')
            self.unread += piece
        line, _, self.unread = self.unread.partition(b'\n')
        return json.loads(line)

    def finish(self):
        """Its last line."""
        self.process.stdin.close()
        last = self.line()
        if self.process.wait(LIMIT_S) != 0:
            raise Failed(f'{self.name}: exit code {self.process.returncode}')
        return last

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            try:
                stream.close()
            except BrokenPipeError:
                pass


class Bench:
    """Where the programs are, a folder for databases, and who has to be stopped at the end."""

    def __init__(self, build, folder=None):
        self.build = os.path.join(build, 'tests', 'bench')
        self.outrider = os.path.join(build, 'outrider')
        self.folder = tempfile.mkdtemp(prefix='outrider-bench-', dir=folder)
        self.running = []
        self.databases = 0
        self.providers = os.path.join(self.folder, 'providers')
        os.mkdir(self.providers)
        with open(os.path.join(self.providers, 'bench.json'), 'w', encoding='utf-8') as file:
            json.dump(PROVIDER, file)
        self.certificate = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop_all(self):
        for program in self.running:
            program.stop()
        self.running.clear()

    def start(self, name, /, *words, **options):
        program = Program(os.path.join(self.build, 'bench_' + name), *words, **options)
        self.running.append(program)
        return program

    def run(self, name, /, *words, **options):
        program = self.start(name, *words, **options)
        report = program.finish()
        self.running.remove(program)
        program.stop()
        return report

    def tls(self):
        """A certificate for *.bench.test and its authority, made once."""
        if self.certificate is None:
            key, certificate = (os.path.join(self.folder, name) for name in ('key.pem', 'certificate.pem'))
            subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                            '-days', '2', '-subj', '/CN=bench.test', '-addext', 'subjectAltName=DNS:*.bench.test',
                            '-keyout', key, '-out', certificate], check=True, capture_output=True)
            self.certificate = {'certificate': certificate, 'key': key}
        return self.certificate

    def sink(self, tls=False, **options):
        sink = self.start('sink', **options, **(self.tls() if tls else {}))
        sink.place = sink.line()
        return sink

    def database(self):
        self.databases += 1
        return os.path.join(self.folder, f'{self.databases}.db')

    def fill(self, database=None, **options):
        """A new database, or more in one."""
        database = database or self.database()
        self.run('engine_load', 'fill', database=database, providers=self.providers,
                 **({'scheme': 'http', 'sealed': 0} | options))
        return database

    def engine(self, mode, database, /, **options):
        return self.start('engine_load', mode, database=database, providers=self.providers, **({'sealed': 0} | options))

    def remove(self, database):
        for suffix in ('', '-wal', '-shm', '.key', '-lock', '.wake', '-wake'):
            try:
                os.remove(database + suffix)
            except FileNotFoundError:
                pass


def process_seconds(pid):
    """Of processor time so far, by the scheduler's own count: ticks would be too coarse for what is idle."""
    total = 0
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/schedstat', encoding='ascii') as file:
            total += int(file.read().split()[0])
    return total * 1e-9


def process_resident(pid):
    with open(f'/proc/{pid}/statm', encoding='ascii') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def settle(seconds):
    """A span to measure over, not to wait for something."""
    time.sleep(seconds)


PROVIDER = {
    'format': 1, 'name': 'bench', 'title': 'Bench', 'documentation': 'https://bench.example/',
    'signature': {
        'schemes': [{'algorithm': 'hmac-sha256', 'key': {'form': 'text'}, 'signed': '{body}', 'encoding': 'hex',
                     'value': '{digest}'}],
        'headers': {'X-Signature': '{signatures}'}},
    'body': 'compact', 'success': ['2xx'], 'timeout_ms': 3000,
    'deactivate': {'consecutive': 0, 'window': {'failures': 0, 'seconds': 900}},
    'retry': {'delays_s': [10, 100, 1000, 10000, 100000], 'max_attempts': 6},
    'events': {'*': {}},
}

"""The named workloads. Each has variants, run in turn, round after round, and figures made of what they report.

A figure with a target is a ratio of two variants in one round, or an absolute that no noise of the machine changes
(bytes, pages, memory). Speeds are told, and never judged by themselves.
"""
import os
import subprocess

from programs import RECEIVER, SENDER, Failed, process_resident, process_seconds, processors, settle

SIZES = {'tiny': 0, 'standard': 1, 'large': 2}


class Figure:
    """`of(round)` gives the value from the variants' reports of one round, {variant: report}."""

    def __init__(self, name, unit, of, at_least=None, at_most=None):
        self.name, self.unit, self.of, self.at_least, self.at_most = name, unit, of, at_least, at_most


def value(variant, key, scale=1.0):
    return lambda reports: reports[variant][key] * scale


def ratio(above, below, key, below_key=None):
    return lambda reports: reports[above][key] / reports[below][below_key or key]


class Workload:
    name = what = ''
    variants = ()

    def __init__(self, bench, size):
        self.bench, self.size = bench, size

    def pick(self, *sizes):
        return sizes[SIZES[self.size]]

    def run(self, variant):
        raise NotImplementedError

    def figures(self):
        raise NotImplementedError

    # What several of them do.

    def drain(self, database, count, sink_options=None, tls=False, sink=None, **options):
        """A filled database, an engine, and the time until `count` requests were received and answered."""
        bench = self.bench
        engine = bench.engine('deliver', database, dns=sink.place['dns'],
                              ca=bench.tls()['certificate'] if tls else None, **options)
        begun = engine.line()['begun_ns']
        received = sink.line()
        report = engine.finish()
        sink.finish()
        bench.stop_all()
        if report['delivered'] < count or received['requests'] < count:
            raise Failed(f"{report['delivered']} of {count} are recorded as delivered")
        report['per_s'] = count / received['span_s']
        report['first_s'] = (received['first_ns'] - begun) * 1e-9
        report['cpu_us'] = report['cpu_s'] * 1e6 / count
        for thread in ('loop', 'store'):  # outrider-loop, outrider-loop1, …
            report[f'{thread}_us'] = self.of_threads(report, 'cpu_s', thread) * 1e6 / count
        report['loop_allocations'] = self.of_threads(report, 'allocations', 'loop') / count
        report['pages'] = report['bytes_written'] / 4096 / count
        report['sink_cpu_us'] = received['cpu_s'] * 1e6 / count
        report.update({key: received[key] for key in received if key.startswith('latency')})
        return report

    @staticmethod
    def of_threads(report, what, thread):
        return sum(report[key] for key in report if key.startswith(f'{what}:outrider-{thread}'))

    def paced(self, database, sink, count, **options):
        """Events published at a rate by the engine's own process; how long after each was received."""
        engine = self.bench.engine('paced', database, dns=sink.place['dns'], **options)
        engine.line()
        report = sink.line()
        engine.finish()
        sink.finish()
        self.bench.stop_all()
        if report['requests'] < count:
            raise Failed(f"{report['requests']} of {count} were received")
        return report

    def deliver(self, count, tls=False, hosts=1, endpoints=None, sealed=0, in_flight=64, loops=1, **options):
        bench = self.bench
        sink = bench.sink(tls, hosts=hosts, expect=count, **processors(RECEIVER))
        database = bench.fill(port=sink.place['port'], hosts=hosts, endpoints=endpoints or hosts, events=count,
                              scheme='https' if tls else 'http', sealed=sealed, in_flight=in_flight, **options)
        report = self.drain(database, count, tls=tls, sink=sink, in_flight=in_flight, sealed=sealed, loops=loops)
        report['file_bytes'] = os.path.getsize(database) / count
        bench.remove(database)
        return report

    def bare(self, program, count, tls=False, hosts=1, **options):
        bench = self.bench
        sink = bench.sink(tls, hosts=hosts, expect=count, **processors(RECEIVER))
        if program == 'bare_curl':
            options |= {'hosts': hosts, 'ca': bench.tls()['certificate'] if tls else None}
        else:
            options |= {'address': '127.1.0.1'}
        if 'record' not in options:
            options |= processors(SENDER)  # with a record there is a second thread, as in the engine
        report = bench.run(program, port=sink.place['port'], requests=count, **options)
        sink.finish()
        bench.stop_all()
        return report


class Deliver(Workload):
    name = 'deliver'
    what = 'durable deliveries to one host over HTTP/1.1, 64 in flight, 600-byte payloads'
    variants = ('engine', 'engine sealed', 'bare curl-multi', 'curl-multi and raw record', 'bare epoll')
    tls = False

    def run(self, variant):
        count = self.pick(200, 60_000, 300_000)
        if variant.startswith('engine'):
            return self.deliver(count, self.tls, endpoints=4, sealed=int(variant == 'engine sealed'))
        if variant == 'bare epoll':
            return self.bare('bare_epoll', count, connections=64)
        if variant == 'curl-multi and raw record':
            file = self.bench.database()
            report = self.bare('bare_curl', count, self.tls, in_flight=64, record=file)
            self.bench.remove(file)
            return report
        return self.bare('bare_curl', count, self.tls, in_flight=64)

    def figures(self):
        for variant in self.variants:
            yield Figure(f'{variant}: requests/s', '/s', value(variant, 'per_s'))
            yield Figure(f'{variant}: processor per request', 'us', value(variant, 'cpu_us'))
            if variant.startswith('engine'):
                for thread in ('loop', 'store'):
                    yield Figure(f'{variant}: of it the {thread} thread', 'us', value(variant, f'{thread}_us'))
                yield Figure(f'{variant}: allocations on the loop thread', '', value(variant, 'loop_allocations'))
                yield Figure(f'{variant}: resident', 'MiB', value(variant, 'resident', 2**-20))
        yield Figure('engine / bare curl-multi', 'x', ratio('engine', 'bare curl-multi', 'per_s'), at_least=0.90)
        yield Figure('engine / curl-multi and raw record', 'x', ratio('engine', 'curl-multi and raw record', 'per_s'))
        yield Figure('engine sealed / bare curl-multi', 'x', ratio('engine sealed', 'bare curl-multi', 'per_s'))
        yield Figure('loop thread / bare curl-multi, processor', 'x', ratio('engine', 'bare curl-multi', 'loop_us', 'cpu_us'))
        if not self.tls:
            yield Figure('pages written for each event', 'pages', value('engine', 'pages'), at_most=0.30)
            yield Figure('file bytes beyond the payload', 'bytes', lambda reports: reports['engine']['file_bytes'] - 600,
                         at_most=160)


class DeliverTls(Deliver):
    name = 'deliver_tls'
    what = 'the same over TLS 1.3'
    variants = ('engine', 'engine sealed', 'bare curl-multi', 'curl-multi and raw record')
    tls = True


class Loops(Workload):
    name = 'loops'
    what = 'deliveries to 16 hosts from one loop thread and from two, and what each thread could do with a processor of its own'
    variants = ('one loop', 'two loops')

    def run(self, variant):
        return self.deliver(self.pick(200, 60_000, 300_000), hosts=16, in_flight=128, loops=self.variants.index(variant) + 1)

    def figures(self):
        for variant in self.variants:
            yield Figure(f'{variant}: deliveries/s', '/s', value(variant, 'per_s'))
            for thread in ('loop', 'store'):
                yield Figure(f'{variant}: processor of the {thread} threads', 'us', value(variant, f'{thread}_us'))
            yield Figure(f'{variant}: resident', 'MiB', value(variant, 'resident', 2**-20))
        yield Figure('two loops / one loop', 'x', ratio('two loops', 'one loop', 'per_s'))
        for variant in self.variants:
            yield Figure(f'{variant}: a loop thread alone could do', '/s',
                         lambda reports, variant=variant: 1e6 / reports[variant]['loop_us'])
            yield Figure(f'{variant}: the storage thread alone could do', '/s',
                         lambda reports, variant=variant: 1e6 / reports[variant]['store_us'])


class Hosts(Workload):
    name = 'hosts'
    what = 'processor time of a delivery by the number of hosts; at least twenty to each, its name and first connection included'
    variants = ('1 host', '1000 hosts', '5000 hosts')

    def run(self, variant):
        hosts = int(variant.split()[0])
        if self.size == 'tiny':
            hosts = min(hosts, 20)
        return self.deliver(self.pick(400, 100_000, 500_000), hosts=hosts)

    def figures(self):
        for variant in self.variants:
            yield Figure(f'{variant}: processor per delivery', 'us', value(variant, 'cpu_us'))
            yield Figure(f'{variant}: deliveries/s', '/s', value(variant, 'per_s'))
        yield Figure('1000 hosts / 1 host', 'x', ratio('1000 hosts', '1 host', 'cpu_us'), at_most=1.6)
        yield Figure('5000 hosts / 1 host', 'x', ratio('5000 hosts', '1 host', 'cpu_us'), at_most=2.0)


class Publish(Workload):
    name = 'publish'
    what = 'durable publishes from 8 threads, 1 and 64 under way on each, against raw commits of as many rows on average'
    variants = ('8 at once', 'raw for 8', '512 at once', 'raw for 512')

    def __init__(self, bench, size):
        super().__init__(bench, size)
        self.batch = {}

    def run(self, variant):
        at_once = int(variant.split()[-1 if variant.startswith('raw') else 0])
        rows = self.pick(160, 20_000, 100_000) * (1 if at_once == 8 else 4)
        bench = self.bench
        if variant.startswith('raw'):
            return bench.run('raw_commit', file=bench.database(), rows=rows, batch=max(1, round(self.batch[at_once])))
        database = bench.fill(endpoints=1, paused=1)
        report = bench.run('engine_load', 'publish', database=database, providers=bench.providers, threads=8,
                           window=at_once // 8, rows=rows, sealed=0)
        bench.remove(database)
        self.batch[at_once] = report['batch']
        return report

    def figures(self):
        for variant in self.variants:
            yield Figure(f'{variant}: rows/s', '/s', value(variant, 'per_s'))
            yield Figure(f'{variant}: processor per row', 'us', value(variant, 'cpu_us'))
        for at_once in (8, 512):
            yield Figure(f'{at_once} at once: rows a commit', 'rows', value(f'{at_once} at once', 'batch'))
            yield Figure(f'{at_once} at once / raw', 'x', ratio(f'{at_once} at once', f'raw for {at_once}', 'per_s'),
                         at_least=0.8)


class Api(Workload):
    name = 'api'
    what = 'POST /v1/events over 64 connections, and /v1/events:batch of 1,000 over 4, durable, on the Unix socket'
    variants = ('one by one', 'batch of 1000', 'raw, 64 a commit', 'raw, 1000 a commit')

    def run(self, variant):
        bench = self.bench
        if variant.startswith('raw'):
            return bench.run('raw_commit', file=bench.database(), rows=self.pick(200, 100_000, 400_000),
                             batch=int(variant.split()[1]))
        database = bench.fill(endpoints=1, paused=1)
        place = os.path.join(bench.folder, 'api.sock')
        engine = bench.engine('deliver', database, listen='unix:' + place)
        engine.line()
        options = {'unix': place, 'account': 'a0', 'provider': 'bench', 'status': 202}
        if variant == 'one by one':
            report = bench.run('bare_epoll', path='/v1/events', requests=self.pick(200, 30_000, 150_000), connections=64,
                               **options)
        else:
            report = bench.run('bare_epoll', path='/v1/events:batch', requests=self.pick(4, 200, 1000), lines=1000,
                               connections=4, **(options | {'status': 200}))
        spent = engine.finish()
        bench.stop_all()
        bench.remove(database)
        report['engine_us'] = spent['cpu_s'] * 1e6 / (report['per_s'] * report['seconds'])
        return report

    def figures(self):
        for variant in self.variants:
            yield Figure(f'{variant}: events/s', '/s', value(variant, 'per_s'))
        for variant, raw in (('one by one', 'raw, 64 a commit'), ('batch of 1000', 'raw, 1000 a commit')):
            yield Figure(f"{variant}: the engine's processor per event", 'us', value(variant, 'engine_us'))
            yield Figure(f'{variant} / {raw}', 'x', ratio(variant, raw, 'per_s'))


class Latency(Workload):
    name = 'latency'
    what = 'publish to received at 1,000 a second, while a backlog waits elsewhere'
    variants = ('alone', 'beside a backlog', 'fdatasync')

    def run(self, variant):
        bench = self.bench
        if variant == 'fdatasync':
            return bench.run('raw_commit', file=bench.database(), rows=1, syncs=self.pick(20, 1000, 1000))
        seconds = self.pick(1, 8, 20)
        sink = bench.sink(expect=1000 * seconds)
        waiting = self.pick(100, 200_000, 1_000_000) if variant == 'beside a backlog' else 0
        database = bench.fill(port=sink.place['port'], endpoints=10, events=0)
        if waiting:
            bench.fill(database, port=sink.place['port'], endpoints=20, first=10, due_in_s=86_400, events=waiting)
        report = self.paced(database, sink, 1000 * seconds, endpoints=10, rate=1000, seconds=seconds)
        bench.remove(database)
        return report

    def figures(self):
        for variant in ('alone', 'beside a backlog'):
            for share in ('p50', 'p90', 'p99', 'max'):
                yield Figure(f'{variant}: {share}', 'us', value(variant, f'latency_{share}_us'))
        yield Figure('fdatasync: p50', 'us', value('fdatasync', 'fdatasync_p50_us'))
        yield Figure('p50 alone / fdatasync', 'x', ratio('alone', 'fdatasync', 'latency_p50_us', 'fdatasync_p50_us'), at_most=3)
        yield Figure('p99 beside a backlog', 'us', value('beside a backlog', 'latency_p99_us'), at_most=15_000)


class Insert(Workload):
    name = 'insert'
    what = "another process's SQL insert to received, 50 a second"
    variants = ('insert',)

    def run(self, variant):
        bench = self.bench
        seconds = self.pick(1, 5, 20)
        sink = bench.sink(expect=50 * seconds)
        database = bench.fill(port=sink.place['port'], endpoints=1, events=0)
        engine = bench.engine('deliver', database, dns=sink.place['dns'])
        engine.line()
        report = bench.run('engine_load', 'insert', database=database, rate=50, seconds=seconds)
        report |= sink.line()
        engine.finish()
        sink.finish()
        bench.stop_all()
        bench.remove(database)
        return report

    def figures(self):
        yield Figure('the insert itself: p50', 'us', value('insert', 'commit_p50_us'))
        yield Figure('insert to received: p50', 'us', value('insert', 'latency_p50_us'), at_most=2000)
        yield Figure('insert to received: p99', 'us', value('insert', 'latency_p99_us'), at_most=15_000)


class Grown(Workload):
    """The same deliveries from a database that is small, and from one that has grown."""
    key = ''

    def grown(self):
        raise NotImplementedError

    def run(self, variant):
        bench = self.bench
        count = self.pick(200, 20_000, 50_000)
        sink = bench.sink(expect=count)
        database = bench.fill(port=sink.place['port'], endpoints=4, events=0)
        if variant != self.variants[0]:
            bench.fill(database, port=sink.place['port'], endpoints=4, first=100, events=self.grown(), **{self.key: 1})
        bench.fill(database, port=sink.place['port'], endpoints=4, first=200, events=count)
        os.sync()  # what was filled is written, and does not stand in the engine's way
        report = self.drain(database, count, sink=sink, in_flight=64)
        bench.remove(database)
        return report

    def figures(self):
        small, large = self.variants
        for variant in self.variants:
            yield Figure(f'{variant}: deliveries/s', '/s', value(variant, 'per_s'))
            yield Figure(f'{variant}: processor per delivery', 'us', value(variant, 'cpu_us'))
            yield Figure(f'{variant}: resident', 'MiB', value(variant, 'resident', 2**-20))
            yield Figure(f'{variant}: start to first send', 's', value(variant, 'first_s'), at_most=1)
        yield Figure(f'{large} / {small}', 'x', ratio(large, small, 'per_s'), at_least=0.9)
        yield Figure('memory more', 'MiB',
                     lambda reports: (reports[large]['resident'] - reports[small]['resident']) * 2**-20, at_most=16)


class Backlog(Grown):
    name = 'backlog'
    what = 'deliveries beside a backlog that is held'
    variants = ('none waiting', 'a backlog')
    key = 'paused'

    def grown(self):
        return self.pick(1000, 500_000, 10_000_000)


class History(Grown):
    name = 'history'
    what = 'deliveries into a database with a history of delivered events'
    variants = ('no history', 'a history')
    key = 'delivered'

    def grown(self):
        return self.pick(1000, 500_000, 20_000_000)


class Neighbours(Workload):
    name = 'neighbours'
    what = '180 healthy endpoints, with and without 20 beside them that never answer and have a backlog each'
    variants = ('alone', 'beside silent ones', 'paced alone', 'paced beside silent ones')

    def run(self, variant):
        bench = self.bench
        silent = 20 if variant.endswith('silent ones') else 0
        paced = variant.startswith('paced')
        rate, seconds = self.pick((360, 1), (2000, 8), (2000, 30))
        count = rate * seconds if paced else self.pick(360, 36_000, 180_000)
        sink = bench.sink(hosts=180 + silent, silent_hosts=silent, expect=count)
        database = bench.fill(port=sink.place['port'], hosts=180, endpoints=180, events=0)
        if silent:
            bench.fill(database, port=sink.place['port'], hosts=20, first_host=180, endpoints=20, first=1000,
                       events=self.pick(200, 200_000, 2_000_000))
        if paced:
            report = self.paced(database, sink, count, endpoints=180, rate=rate, seconds=seconds, in_flight=256)
        else:
            bench.fill(database, port=sink.place['port'], endpoints=0, accounts=180, events=count)
            report = self.drain(database, count, sink=sink, in_flight=256)
        bench.remove(database)
        return report

    def figures(self):
        alone, beside, paced_alone, paced_beside = self.variants
        for variant in (alone, beside):
            yield Figure(f'{variant}: healthy deliveries/s', '/s', value(variant, 'per_s'))
        yield Figure('beside silent ones / alone', 'x', ratio(beside, alone, 'per_s'), at_least=0.9)
        for variant in (paced_alone, paced_beside):
            for share in ('p50', 'p99'):
                yield Figure(f'{variant}: healthy {share}', 'us', value(variant, f'latency_{share}_us'))
        yield Figure('paced beside silent ones / alone, healthy p99', 'x',
                     ratio(paced_beside, paced_alone, 'latency_p99_us'), at_most=2)


class FanOut(Workload):
    name = 'fan_out'
    what = 'deliveries of events that go to one endpoint, and to ten'
    variants = ('to one', 'to ten')

    def run(self, variant):
        count = self.pick(200, 40_000, 200_000)
        ten = variant == 'to ten'
        bench = self.bench
        sink = bench.sink(hosts=1, expect=count)
        database = bench.fill(port=sink.place['port'], endpoints=10, events=count // 10 if ten else count,
                              one_account=1 if ten else None)
        report = self.drain(database, count, sink=sink, in_flight=64)
        report['file_bytes'] = os.path.getsize(database) / count
        bench.remove(database)
        return report

    def figures(self):
        for variant in self.variants:
            yield Figure(f'{variant}: deliveries/s', '/s', value(variant, 'per_s'))
            yield Figure(f'{variant}: file bytes for each delivery', 'bytes', value(variant, 'file_bytes'))
        yield Figure('to ten / to one', 'x', ratio('to ten', 'to one', 'per_s'), at_least=0.9)


class Idle(Workload):
    name = 'idle'
    what = 'an engine with nothing to do: empty; and with events held and others due tomorrow'
    variants = ('empty', 'held and later')

    def run(self, variant):
        bench = self.bench
        database = bench.fill(endpoints=1, events=0)
        if variant != 'empty':
            for first, key, events in ((10, {'paused': 1}, self.pick(1000, 300_000, 1_000_000)),
                                       (20, {'due_in_s': 86_400}, self.pick(100, 100_000, 100_000))):
                bench.fill(database, endpoints=1, first=first, events=events, **key)
        engine = subprocess.Popen([bench.outrider, 'serve', '--db', database, '--providers', bench.providers, '--quiet',
                                   '--plain'], stdout=subprocess.PIPE, text=True)
        bench.running.append(Stoppable(engine))
        engine.stdout.readline()
        settle(self.pick(0.2, 2, 2))
        before = process_seconds(engine.pid)
        span = self.pick(0.5, 10, 30)
        settle(span)
        report = {'cpu_share': 100 * (process_seconds(engine.pid) - before) / span,
                  'resident': process_resident(engine.pid)}
        bench.stop_all()
        bench.remove(database)
        return report

    def figures(self):
        yield Figure('empty: resident', 'MiB', value('empty', 'resident', 2**-20), at_most=20)
        yield Figure('held and later: resident', 'MiB', value('held and later', 'resident', 2**-20), at_most=40)
        for variant in self.variants:
            yield Figure(f'{variant}: processor', '%', value(variant, 'cpu_share'), at_most=0.1)


class Stoppable:
    def __init__(self, process):
        self.process = process

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.process.stdout.close()


class Size(Workload):
    name = 'size'
    what = 'the program itself'
    variants = ('outrider',)

    def run(self, variant):
        stripped = os.path.join(self.bench.folder, 'stripped')
        subprocess.run(['strip', '-o', stripped, self.bench.outrider], check=True)
        return {'bytes': os.path.getsize(stripped)}

    def figures(self):
        yield Figure('stripped', 'MiB', value('outrider', 'bytes', 2**-20), at_most=4)


WORKLOADS = {workload.name: workload for workload in
             (Deliver, DeliverTls, Loops, Hosts, Publish, Api, Latency, Insert, Backlog, History, Neighbours, FanOut, Idle, Size)}

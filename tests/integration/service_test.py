#!/usr/bin/env python3
"""serve as a service: what a service manager hears of it, and what a health check finds."""
import os
import signal
import socket
import sqlite3

from api_scenario import ApiScenario
from world import LOCAL, run_scenarios, wait_until

FAILED, USAGE = 1, 2


class Service(ApiScenario):
    def manager(self, name):
        """A service manager's socket; everything that `serve` tells it is in self.heard."""
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.setblocking(False)
        self.told.bind('\0' + name[1:] if name.startswith('@') else name)
        self.world.on_end.append(self.told.close)
        self.world.env['NOTIFY_SOCKET'] = name
        self.heard = []

    def listen(self):
        """Takes in what was told since; all of it."""
        while True:
            try:
                self.heard.append(self.told.recv(4096).decode())
            except BlockingIOError:
                return self.heard

    def health(self, *options, env=None, code=0):
        done = self.world.cli('health', *options, env=env)
        self.assertEqual(done.code, code, done.err)
        return done

    def test_the_service_manager_hears_when_it_is_ready_and_when_it_stops(self):
        for name in (self.world.path('notify'), f'@outrider-test-{os.getpid()}'):
            with self.subTest(name=name):
                self.manager(name)
                serve = self.world.serve(name='serve' + str(len(name)))
                wait_until(lambda: self.listen() == ['READY=1'], 'it says that it is ready')
                self.assertEqual(serve.stop(), 0)
                self.assertEqual(self.listen(), ['READY=1', 'STOPPING=1'])

    def test_what_does_not_start_is_never_ready(self):
        self.manager(self.world.path('notify'))
        self.assertNotEqual(self.world.cli('serve', '--listen', 'nonsense').code, 0)
        self.assertEqual(self.listen(), [])

    def test_the_watchdog_is_fed_while_turns_are_taken_and_hears_nothing_of_a_process_that_stands_still(self):
        self.manager(self.world.path('notify'))
        self.world.env['WATCHDOG_USEC'] = '400000'
        serve = self.world.serve()
        wait_until(lambda: self.listen().count('WATCHDOG=1') >= 5, 'it is fed')
        serve.signal(signal.SIGSTOP)
        # Stopped is a state that can be waited for; what was told before it is not what is looked for.
        def stopped():
            with open(f'/proc/{serve.pid}/stat', encoding='utf-8') as file:
                return file.read().rsplit(')', 1)[1].split()[0] == 'T'
        wait_until(stopped, 'it stands still')
        fed = len(self.listen())
        self.health('--listen', f'127.0.0.1:{self.port}', '--timeout', '1s', code=FAILED)  # a while
        self.assertEqual(len(self.listen()), fed)
        serve.signal(signal.SIGCONT)
        wait_until(lambda: len(self.listen()) > fed, 'it is fed again')
        self.assertEqual(serve.stop(), 0)

    def test_an_engine_that_cannot_go_on_ends_and_feeds_the_watchdog_no_more(self):
        self.manager(self.world.path('notify'))
        self.world.env['WATCHDOG_USEC'] = '400000'
        self.endpoint_by_cli()
        # From its second flush on, every one of the storage's thread fails: what a disk does that dies.
        serve = self.world.start('serve', ['strace', '-f', '-qq', '-o', self.world.path('strace'), '-e', 'trace=fdatasync',
                                           '-e', 'inject=fdatasync:error=EIO:when=1+', *self.world.command('serve', *LOCAL)])
        serve.ready_line()
        self.world.cli('send', '--account', 'acme', '--provider', 'standard-webhooks', '--type', 'loan.paid', stdin='{"n": 1}')
        code = serve.wait()
        self.assertNotEqual(code, 0)
        heard = self.listen()
        self.assertEqual(heard[0], 'READY=1')
        self.assertNotIn('STOPPING=1', heard)

    def endpoint_by_cli(self):
        return self.world.add_endpoint('standard-webhooks', self.receiver().url(), 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')

    def test_health_asks_where_serve_listens_by_the_same_settings(self):
        self.serve()
        unix = f'unix:{self.socket}'
        self.assertEqual(self.health('--listen', unix).out, 'ready\n')
        self.assertEqual(self.health('--alive', '--listen', f'127.0.0.1:{self.port}').out, 'alive\n')
        # A Unix socket is asked first: the other place is a wrong one.
        self.assertEqual(self.health(env={'OUTRIDER_LISTEN': f'127.0.0.1:1,{unix}'}).out, 'ready\n')
        path = self.world.write('outrider.toml', f'listen = ["{unix}"]\n')
        self.assertEqual(self.world.json('health', '--config', path), {'state': 'ready', 'place': unix})

    def test_health_asks_an_address_that_stands_for_all_at_loopback_and_looks_at_no_certificate(self):
        self.world.json('token', 'add', '--name', 'probe', '--role', 'read')
        certificate, key = self.world.certificate()
        self.world.serve('--listen', f'0.0.0.0:{self.port}', '--tls-cert', certificate, '--tls-key', key)
        env = {'OUTRIDER_LISTEN': f'0.0.0.0:{self.port}', 'OUTRIDER_TLS_CERT': certificate}
        self.assertEqual(self.health(env=env).out, 'ready\n')
        self.health('--listen', f'0.0.0.0:{self.port}', code=FAILED)  # plain, where TLS is spoken

    def test_health_fails_with_code_1_where_nobody_answers_and_2_where_there_is_nobody_to_ask(self):
        for place in (f'unix:{self.world.path("no.sock")}', f'127.0.0.1:{self.port}', f'[::1]:{self.port}'):
            done = self.health('--listen', place, code=FAILED)
            self.assertIn(f'({place})', done.err)
        self.assertIn('--listen', self.health(code=USAGE).err)
        self.assertIn('not a place', self.health('--listen', 'localhost:8480', code=USAGE).err)
        with socket.socket() as silent:  # accepts, by the kernel, and never answers
            silent.bind(('127.0.0.1', 0))
            silent.listen()
            place = f'127.0.0.1:{silent.getsockname()[1]}'
            self.assertIn('no answer', self.health('--listen', place, '--timeout', '200ms', code=FAILED).err)

    def test_health_says_unwell_where_the_database_takes_nothing(self):
        self.serve()
        self.health('--listen', f'unix:{self.socket}')
        holder = sqlite3.connect(self.world.database, isolation_level=None)
        holder.execute('BEGIN EXCLUSIVE')
        try:
            wait_until(lambda: self.world.cli('health', '--listen', f'unix:{self.socket}', '--timeout', '20s').code == FAILED,
                       'it is not ready')
            self.assertEqual(self.health('--alive', '--listen', f'unix:{self.socket}').out, 'alive\n')
        finally:
            holder.execute('ROLLBACK')
            holder.close()
        wait_until(lambda: self.world.cli('health', '--listen', f'unix:{self.socket}').code == 0, 'it is ready again')


if __name__ == '__main__':
    run_scenarios()

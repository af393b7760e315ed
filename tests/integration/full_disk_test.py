#!/usr/bin/env python3
"""A disk that fills up: a small tmpfs, mounted for this test alone in a mount namespace of its own.

What was acknowledged before stays. The refusal is one clear line. Once there is room again, everything goes on.
"""
import ctypes
import json
import os
import subprocess
import sys
import tempfile

from local_receiver import ScriptedReceiver
from world import Scenario, run_scenarios, wait_until

STORAGE = 6
SKIPPED = 77  # CTest's word for it, see CMakeLists.txt
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18
SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'


class FullDisk(Scenario):
    def setUp(self):
        super().setUp()
        self.disk = self.world.path('disk')
        os.mkdir(self.disk)
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=6m,mode=0700', 'tmpfs', self.disk], check=True)
        self.world.on_end.insert(0, lambda: subprocess.run(['umount', '-l', self.disk], check=False))
        self.world.database = os.path.join(self.disk, 'outrider.db')
        self.receiver = ScriptedReceiver(self.world.certificate(), lambda request: self.status)
        self.status = 200
        self.world.on_end.append(self.receiver.close)
        self.world.add_endpoint('standard-webhooks', self.receiver.url(), SECRET)

    def fill(self):
        """Takes all the room there is."""
        with open(os.path.join(self.disk, 'filler'), 'wb', buffering=0) as file:
            try:
                while True:
                    file.write(b'\0' * 4096)
            except OSError:
                pass

    def free(self):
        os.unlink(os.path.join(self.disk, 'filler'))

    def send(self, number):
        """One event of 20 KB; its outcome."""
        return self.world.cli('--json', 'send', '--account', 'acme', '--provider', 'standard-webhooks', '--type', 'loan.paid',
                              stdin=json.dumps({'n': number, 'pad': 'x' * 20_000}))

    def send_until_refused(self):
        """Events until there is no room; the ids of the acknowledged ones."""
        acknowledged = []
        for number in range(1000):
            done = self.send(number)
            if done.code != 0:
                self.assertEqual((done.code, done.out), (STORAGE, ''))
                self.assertTrue(done.err.startswith('outrider: '), done.err)
                self.assertEqual(done.err.count('\n'), 1, done.err)
                self.assertIn('full', done.err)
                self.assertIn(self.world.database, done.err)
                return acknowledged
            acknowledged.append(json.loads(done.out)['id'])
        self.fail('the disk was never full')

    def known(self):
        return {event['id'] for event in self.world.json('event', 'list', '--limit', '1000')['events']}

    def numbers(self):
        return {json.loads(body)['n'] for body in self.receiver.bodies()}

    def test_what_was_acknowledged_before_stays_and_is_delivered_once_there_is_room(self):
        acknowledged = self.send_until_refused()
        self.assertGreater(len(acknowledged), 20)
        self.fill()
        self.assertEqual(self.send(-1).code, STORAGE)
        self.free()
        self.assertEqual(self.known(), set(acknowledged))  # all of them, and nothing of what was refused
        self.assertEqual(self.world.sql('PRAGMA integrity_check'), [('ok',)])

    def test_serve_on_a_full_disk_goes_on_once_there_is_room(self):
        serve = self.world.serve()
        acknowledged = [json.loads(self.send(n).out)['id'] for n in range(5)]
        wait_until(lambda: self.world.json('queue')['delivered'] == 5, 'they are delivered')
        waiting = [json.loads(self.send(n).out)['id'] for n in range(100, 105)]
        wait_until(lambda: self.receiver.count() >= 10, 'they arrive')
        self.fill()
        refused = self.send(-1)
        if refused.code == 0:  # there was room in the log's own pages
            self.fail('the disk is full, and yet an event was acknowledged')
        self.assertEqual(refused.code, STORAGE)
        self.free()
        again = [json.loads(self.send(n).out)['id'] for n in range(200, 205)]
        if not serve.running():
            self.assertNotEqual(serve.wait(), 0)
            self.assertIn('full', serve.err())
            self.world.serve(name='after')
        wait_until(lambda: self.world.json('queue')['delivered'] == 15, 'all are delivered')
        self.assertEqual(self.known(), {*acknowledged, *waiting, *again})
        self.assertEqual(self.numbers(), {*range(5), *range(100, 105), *range(200, 205)})

    def test_results_that_cannot_be_written_are_written_once_there_is_room(self):
        """The receiver answers while the disk is full: the result waits in memory, and nothing is sent twice for it."""
        serve = self.world.serve()
        events = [self.send(n) for n in range(3)]
        wait_until(lambda: self.world.json('queue')['delivered'] == 3, 'they are delivered')
        gate = self.world.path('gate')
        count = self.receiver.count()
        self.receiver.answer = lambda request: wait_until(lambda: os.path.exists(gate), 'the gate opens') and 200
        last = json.loads(self.send(99).out)['id']
        wait_until(lambda: self.receiver.count() > count, 'the receiver has it')
        self.fill()
        self.world.write('gate', '')
        wait_until(lambda: 'record_delayed' in serve.err() or not serve.running(), 'the engine notices', limit_s=30)
        self.assertTrue(serve.running(), serve.err())
        self.free()
        self.world.wait_for_state(last, 'delivered')
        self.assertEqual(self.receiver.count(), count + 1)
        self.assertEqual(len(events), 3)

    def test_no_room_for_a_new_database_leaves_nothing_behind(self):
        self.fill()
        new = os.path.join(self.disk, 'new.db')
        before = sorted(os.listdir(self.disk))
        done = self.world.cli('send', '--account', 'acme', '--provider', 'standard-webhooks', '--type', 'loan.paid',
                              stdin='{}', database=new)
        self.assertEqual((done.code, done.out, done.err.count('\n')), (STORAGE, '', 1), done.err)
        self.assertEqual(sorted(os.listdir(self.disk)), before)


def take_own_mounts():
    """What this process mounts from now on nobody else sees. OSError: not allowed here.

    The same as tests/unit/own_mounts.h, which says why it goes by way of the namespace's own root.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def call(function, *arguments):
        if function(*arguments) != 0:
            raise OSError(ctypes.get_errno(), f'{function.__name__}: {os.strerror(ctypes.get_errno())}')

    before = os.getcwd()
    user, group = os.geteuid(), os.getegid()
    try:
        call(libc.unshare, CLONE_NEWNS)
    except PermissionError:
        call(libc.unshare, CLONE_NEWUSER | CLONE_NEWNS)
        for name, text in (('setgroups', 'deny'), ('uid_map', f'0 {user} 1'), ('gid_map', f'0 {group} 1')):
            with open(f'/proc/self/{name}', 'w', encoding='ascii') as file:
                file.write(text)
    root = os.open('/', os.O_PATH | os.O_DIRECTORY)
    with open('/proc/self/ns/mnt', 'rb') as own:
        call(libc.setns, own.fileno(), CLONE_NEWNS)
    call(libc.mount, b'none', b'/', None, MS_REC | MS_PRIVATE, None)
    os.fchdir(root)
    os.chroot('.')
    os.close(root)
    os.chdir(before)
    with tempfile.TemporaryDirectory() as somewhere:
        call(libc.mount, b'tmpfs', somewhere.encode(), b'tmpfs', 0, None)
        call(libc.umount, somewhere.encode())


if __name__ == '__main__':
    try:
        take_own_mounts()
    except OSError as error:
        print(f'skipped: nobody may mount in a namespace of his own here: {error.strerror}')
        sys.exit(SKIPPED)
    run_scenarios()

#!/usr/bin/env python3
"""Batches are read as they come: what a client gets when it is slow, stops in the middle, sends too much, or meets a database that
stands still; and that memory stays bounded whatever they do."""
import json
import sqlite3
import sys
import threading

try:
    from api_client import Api
except ImportError as missing:
    print(f'cannot run here: {missing}', file=sys.stderr)
    sys.exit(77)

from api_scenario import NDJSON, ApiScenario, line
from world import run_scenarios, wait_until

HEAD = b'POST /v1/events:batch HTTP/1.1\r\nHost: a\r\n%b\r\n'
CHUNKED = HEAD % b'Transfer-Encoding: chunked\r\n'


def chunk(data):
    return b'%x\r\n%b\r\n' % (len(data), data)


class Batch(ApiScenario):
    def rows(self):
        return self.world.sql('SELECT count(*) FROM outrider_event')[0][0]

    def post(self, body):
        answer = self.api.post('/v1/events:batch', body, headers=NDJSON)
        self.assertEqual(answer.status, 200, answer.body[:500])
        return [json.loads(text) for text in answer.body.splitlines()]

    def hold_writes(self):
        """Until the returned one is called: no commit goes through."""
        locker = sqlite3.connect(self.world.database, isolation_level=None, timeout=60)
        self.world.on_end.append(locker.close)
        locker.execute('BEGIN IMMEDIATE')
        return lambda: locker.execute('ROLLBACK')

    def test_lines_are_published_while_the_rest_is_still_to_come(self):
        self.serve()
        with self.raw() as client:
            client.sendall(CHUNKED + chunk((line(0) + '\n' + line(1) + '\r\n' + line(2)[:20]).encode()))
            wait_until(lambda: self.rows() == 2, 'two lines are published')
            client.sendall(chunk(line(2)[20:].encode() + b'\n') + chunk(line(3).encode()))
            wait_until(lambda: self.rows() == 3, 'the third one is')
            client.sendall(b'0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
            answers = self.all_of(client)
        head, body = answers.split(b'\r\n\r\n', 1)
        self.assertTrue(head.startswith(b'HTTP/1.1 200 '), head)
        ids = [json.loads(text)['id'] for text in body.split(b'HTTP/1.1')[0].splitlines()]
        self.assertEqual([json.loads(self.world.body(ident)) for ident in ids], [{'n': n} for n in range(4)])
        self.assertEqual(answers.count(b'HTTP/1.1 200 '), 2)

    def test_of_a_batch_cut_off_in_the_middle_whole_lines_count_and_it_can_be_sent_again(self):
        self.serve()
        lines = [line(n, idempotency_key=f'k{n}') for n in range(300)]
        with self.raw() as client:
            client.sendall(CHUNKED + chunk(('\n'.join(lines[:200]) + '\n' + lines[200][:30]).encode()))
            wait_until(lambda: self.rows() == 200, 'the whole lines are published')
        answers = self.post('\n'.join(lines).encode())
        self.assertEqual([answer['duplicate'] for answer in answers], [True] * 200 + [False] * 100)
        self.assertEqual(self.rows(), 300)

    def test_a_batch_that_breaks_the_framing_gets_one_answer_and_nothing_behind_it_is_read(self):
        self.serve()
        behind = line(7).encode()
        with self.raw() as client:
            client.sendall(CHUNKED + chunk(line(0).encode() + b'\n'))
            wait_until(lambda: self.rows() == 1, 'the line before it is published')
            client.sendall(b'zz\r\n' + HEAD % (b'Content-Length: %d\r\n' % len(behind)) + behind)
            answers = self.all_of(client)
        self.assertEqual((answers.count(b'HTTP/1.1'), answers.split(b' ', 2)[1]), (1, b'400'))
        self.assertEqual(self.rows(), 1)
        self.assertEqual(self.api.get('/healthz').status, 200)

    def test_what_is_too_long_or_too_much_is_refused_line_by_line(self):
        self.serve('--max-payload-bytes', str(2 * 1024 * 1024))
        long_line = line(1, payload='x' * (1024 * 1024))
        answers = self.post('\n'.join([line(0), long_line, line(2), long_line]).encode())
        self.assertEqual([answer.get('type', 'ok').rsplit(':', 1)[-1] for answer in answers], ['ok', 'too_large', 'ok', 'too_large'])
        # The same event, so that it is not fifty thousand.
        answers = self.post((line(3, idempotency_key='k') + '\n').encode() * 50_002)
        self.assertEqual((len(answers), answers[-1]['type'], 'id' in answers[-2]), (50_001, 'urn:outrider:problem:too_large', True))
        # An answer has a limit too; what is not answered was not read.
        answers = self.post(b'\n' * 200_000)
        self.assertEqual((answers[0]['status'], answers[-1]['type']), (400, 'urn:outrider:problem:too_large'))
        self.assertLess(len(answers), 50_000)
        self.assertEqual(self.rows(), 3)
        for body in (b'', None):
            self.refused(self.api.post('/v1/events:batch', body, headers=NDJSON), 400, 'bad_request')

    def test_many_batches_wait_for_a_database_that_stands_still_and_none_is_refused_or_lost(self):
        self.serve()
        release = self.hold_writes()
        answers = []

        def publish(number):
            answers.extend(self.post('\n'.join(line(f'{number}-{n}') for n in range(1000)).encode()))
        threads = [threading.Thread(target=publish, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        wait_until(lambda: self.api.get('/readyz').status != 200, 'the queue stands still')
        release()
        for thread in threads:
            thread.join()
        kept = [answer['id'] for answer in answers if 'id' in answer]
        self.assertEqual(len(answers), 12_000)
        # Only where the database stood still beyond its own patience, of a machine slower than that.
        self.assertLessEqual({answer['type'] for answer in answers if 'id' not in answer}, {'urn:outrider:problem:busy'})
        self.assertEqual(len(set(kept)), len(kept))
        self.assertEqual(self.rows(), len(kept))

    def test_memory_is_bounded_however_many_clients_send_however_much(self):
        server = self.serve()

        def resident():
            with open(f'/proc/{server.pid}/status', encoding='ascii') as status:
                return int(next(row for row in status if row.startswith('VmRSS')).split()[1]) / 1024
        padded = (line(1, payload={'text': 'x' * 8000}) + '\n').encode()
        body = padded * (8 * 1024 * 1024 // len(padded))
        self.post(padded * 100)
        before = resident()
        release = self.hold_writes()
        clients = [self.raw() for _ in range(30)]

        def send(client):
            try:
                client.sendall(HEAD % (b'Connection: close\r\nContent-Length: %d\r\n' % len(body)) + body)
            except OSError:
                pass
        threads = [threading.Thread(target=send, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        wait_until(lambda: self.api.get('/readyz').status != 200, 'the queue stands still')
        peak = resident() - before
        # 240 MiB are on their way; the old way of keeping them would have shown.
        self.assertLess(peak, 80)
        self.assertEqual(self.api.get('/healthz').status, 200)
        for client in clients[1:]:
            client.shutdown(2)
        release()
        self.assertTrue(self.all_of(clients[0]).startswith(b'HTTP/1.1 200'))
        for thread in threads:
            thread.join()
        for client in clients:
            client.close()
        self.assertEqual(Api(self.socket).get('/healthz').status, 200)


if __name__ == '__main__':
    run_scenarios()

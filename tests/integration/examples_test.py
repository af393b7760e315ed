#!/usr/bin/env python3
"""Runs an example of tools/examples/ as its reader would: beside `outrider serve`, with a receiver that verifies.

    examples_test.py OUTRIDER COMMAND...

COMMAND is run with the database and the account behind it. It commits loan 7 and rolls loan 8 back: the receiver must get
the event of loan 7, rightly signed, and nothing may be left of loan 8.
"""
import json
import os
import subprocess
import sys
import tempfile

SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
ACCOUNT = 'acme'


def outrider(binary, database, *arguments):
    done = subprocess.run([binary, '--db', database, '--json', *arguments], check=True, stdout=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, timeout=60)
    return json.loads(done.stdout)


def run(binary, command, folder):
    secret, ca, database = (os.path.join(folder, name) for name in ('secret', 'ca.pem', 'platform.db'))
    with open(secret, 'w', encoding='ascii') as file:
        file.write(SECRET)
    listen = subprocess.Popen([binary, '--json', 'listen', '--provider', 'standard-webhooks', '--secret-file', secret, '--tls',
                               '--ca-out', ca, '--count', '1'], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    serve = None
    try:
        url = json.loads(listen.stdout.readline())['listening']
        outrider(binary, database, 'endpoint', 'add', '--account', ACCOUNT, '--provider', 'standard-webhooks', '--url', url,
                 '--secret-file', secret)
        serve = subprocess.Popen([binary, '--db', database, 'serve', '--allow-net', '127.0.0.0/8', '--allow-net', '::1/128',
                                  '--allow-port', '0', '--ca-file', ca, '--quiet'], stdin=subprocess.DEVNULL)
        subprocess.run([*command, database, ACCOUNT], check=True, stdin=subprocess.DEVNULL, timeout=60)

        # Blocks until the event has come; the test's time limit is the limit.
        request = json.loads(listen.stdout.readline())
        assert request['verified'] is True, request
        assert json.loads(request['body']) == {'loan': 7, 'amount': 1200.5}, request

        serve.terminate()
        assert serve.wait(timeout=60) == 0, 'serve did not end with exit code 0'
        queue = outrider(binary, database, 'queue')
        totals = {name: queue[name] for name in ('delivered', 'waiting', 'inbox', 'rejected')}
        assert totals == {'delivered': 1, 'waiting': 0, 'inbox': 0, 'rejected': 0}, totals
        print('delivered and verified:', request['body'])
    finally:
        for process in (serve, listen):
            if process and process.poll() is None:
                process.kill()
                process.wait()


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as temporary:
        run(sys.argv[1], sys.argv[2:], temporary)

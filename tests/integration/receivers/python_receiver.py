#!/usr/bin/env python3
"""A receiver as its provider's customers write it in Python: hmac and hashlib over the bytes received, nothing of ours.

usage: python_receiver.py --provider NAME --secret-file FILE --ledger FILE [--cert FILE --key FILE] [--port N]
                          [--status N] [--fail-first N] [--hang]

Prints its port, then serves until it is killed. See README.md beside this file for the options and the ledger.
"""
import argparse
import base64
import hashlib
import hmac
import http.server
import json
import os
import socketserver
import ssl
import threading
import time

TOLERANCE_S = 300


def hexdigest(secret, message):
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def recent(timestamp):
    return abs(time.time() - int(timestamp)) <= TOLERANCE_S


def lossexpress(headers, body, secret):
    payoff_id = json.loads(body)['payoffId']
    expected = hexdigest(secret, body + b':' + payoff_id.encode())
    return hmac.compare_digest(expected, headers['X-LossExpress-Signature'])


def credit_app(headers, body, secret):
    return hmac.compare_digest(hexdigest(secret, body), headers['X-CREDIT-APP-SIGNATURE'])


def lender_spender(headers, body, secret):
    return hmac.compare_digest(hexdigest(secret, body), headers['Signature'])


def github(headers, body, secret):
    return hmac.compare_digest('sha256=' + hexdigest(secret, body), headers['X-Hub-Signature-256'])


def stripe(headers, body, secret):
    fields = [field.split('=', 1) for field in headers['Stripe-Signature'].split(',')]
    timestamp = dict(fields)['t']
    expected = hexdigest(secret, timestamp.encode() + b'.' + body)
    given = [value for name, value in fields if name == 'v1']
    return recent(timestamp) and any(hmac.compare_digest(expected, value) for value in given)


def standard_webhooks(headers, body, secret):
    key = base64.b64decode(secret.removeprefix('whsec_'), validate=True)
    timestamp = headers['webhook-timestamp']
    message = f'{headers["webhook-id"]}.{timestamp}.'.encode() + body
    expected = base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()
    given = [value[3:] for value in headers['webhook-signature'].split(' ') if value.startswith('v1,')]
    return recent(timestamp) and any(hmac.compare_digest(expected, value) for value in given)


VERIFIERS = {
    'lossexpress': lossexpress,
    'credit-app': credit_app,
    'lender-spender': lender_spender,
    'github': github,
    'stripe': stripe,
    'standard-webhooks': standard_webhooks,
}


class Ledger:
    """One JSON line per request, appended by one write before the answer: a sender that has an answer finds its line."""

    def __init__(self, path):
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.lock = threading.Lock()
        self.sequence = 0

    def append(self, **line):
        with self.lock:
            self.sequence += 1
            os.write(self.file, (json.dumps({'sequence': self.sequence, **line}) + '\n').encode())


class Answers:
    def __init__(self, options):
        self.status, self.failures_left, self.hang = options.status, options.fail_first, options.hang
        self.lock = threading.Lock()

    def status_for(self, verified):
        with self.lock:
            if self.hang:
                return 0
            if not verified:
                return 401
            if self.failures_left:
                self.failures_left -= 1
                return 500
            return self.status


def why_not(verifier, headers, body, secret):
    """Nothing when the request is genuine."""
    try:
        return None if verifier(headers, body, secret) else 'the signature does not match'
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        return f'{type(error).__name__}: {error}'


def handler(options, secret, ledger, answers, context):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'
        disable_nagle_algorithm = True
        timeout = 120

        def setup(self):
            if context:  # the handshake, in this connection's own thread
                self.request.settimeout(30)
                self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def do_POST(self):
            body = self.rfile.read(int(self.headers['Content-Length']))
            reason = why_not(VERIFIERS[options.provider], self.headers, body, secret)
            status = answers.status_for(reason is None)
            ledger.append(time=time.time(), path=self.path, webhook_id=self.headers['webhook-id'],
                          verified=reason is None, reason=reason, status=status,
                          sha256=hashlib.sha256(body).hexdigest())
            if status == 0:  # hangs: the sender has to give up
                self.close_connection = True
                self.connection.settimeout(None)
                while self.connection.recv(4096):
                    pass
                return
            self.send_response(status)
            self.send_header('Content-Length', '0')
            self.end_headers()

        def log_message(self, *_):
            pass

    return Handler


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def handle_error(self, request, client_address):
        pass  # a sender that hangs up is an ordinary thing here


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--provider', required=True, choices=VERIFIERS)
    parser.add_argument('--secret-file', required=True)
    parser.add_argument('--ledger', required=True)
    parser.add_argument('--cert')
    parser.add_argument('--key')
    parser.add_argument('--port', type=int, default=0)
    parser.add_argument('--status', type=int, default=200)
    parser.add_argument('--fail-first', type=int, default=0)
    parser.add_argument('--hang', action='store_true')
    options = parser.parse_args()
    with open(options.secret_file, encoding='utf-8') as file:
        secret = file.read().rstrip('\r\n')
    context = None
    if options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key)
    server = Server(('127.0.0.1', options.port),
                    handler(options, secret, Ledger(options.ledger), Answers(options), context))
    print(server.server_address[1], flush=True)
    server.serve_forever()


main()

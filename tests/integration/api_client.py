"""A client of the HTTP API that holds every answer against schemas/openapi.yaml as it comes.

An answer of a route or status that is not described, a body that is not as described, or a missing field that each
answer has, fails the scenario at the place where it came.
"""
import http.client
import json
import os
import re
import socket
import ssl

import jsonschema
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIMIT_S = 60

with open(os.path.join(ROOT, 'schemas', 'openapi.yaml'), encoding='utf-8') as _file:
    DESCRIPTION = yaml.safe_load(_file)
METHODS = ('get', 'post', 'put', 'patch', 'delete')


def described():
    """(method, path) of every operation."""
    return {(method.upper(), path) for path, item in DESCRIPTION['paths'].items() for method in item if method in METHODS}


def operation(method, target):
    """The operation that a request is one of, or None."""
    path = target.split('?', 1)[0]
    for template, item in DESCRIPTION['paths'].items():
        pattern = re.escape(template).replace(r'\{id\}', '[a-z0-9_]+')
        if re.fullmatch(pattern, path) and method.lower() in item:
            return item[method.lower()]
    return None


def resolved(node):
    while '$ref' in node:
        target = DESCRIPTION
        for step in node['$ref'].removeprefix('#/').split('/'):
            target = target[step]
        node = target
    return node


def check(schema, value):
    jsonschema.Draft202012Validator({**schema, 'components': DESCRIPTION['components']}).validate(value)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    @property
    def problem(self):
        """The last part of a problem's type."""
        assert self.headers['Content-Type'] == 'application/problem+json', (self.status, self.headers, self.body)
        return self.json()['type'].rsplit(':', 1)[1]


def hold_against_description(method, target, answer):
    found = operation(method, target)
    if found is None:
        assert answer.status in (400, 401, 404, 405), f'{method} {target} is not described and answered {answer.status}'
        response = resolved(DESCRIPTION['components']['responses']['Problem'])
    else:
        response = resolved(found['responses'].get(str(answer.status)) or found['responses']['default'])
        known = str(answer.status) in found['responses'] or answer.status >= 400
        assert known, f'{method} {target}: {answer.status} is not described'
    content = response.get('content')
    if not content:
        assert answer.body == b'', answer.body
        return
    kind = answer.headers['Content-Type']
    assert kind in content, f'{method} {target}: {kind} is not described'
    if kind.endswith('json') and 'x-ndjson' not in kind:
        check(content[kind]['schema'], answer.json())
    if kind == 'application/problem+json':
        assert answer.json()['status'] == answer.status
        assert ('Retry-After' in answer.headers) == (answer.status == 503), answer.headers


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('localhost', timeout=LIMIT_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT_S)
        self.sock.connect(self.path)


class Api:
    """Where the API listens: a path of a socket, or (host, port), with a CA file for TLS."""

    def __init__(self, place, token=None, ca=None):
        self.place, self.token, self.ca = place, token, ca

    def connect(self):
        if isinstance(self.place, str):
            return _UnixConnection(self.place)
        if self.ca:
            return http.client.HTTPSConnection(*self.place, timeout=LIMIT_S, context=ssl.create_default_context(cafile=self.ca))
        return http.client.HTTPConnection(*self.place, timeout=LIMIT_S)

    def ask(self, method, target, body=None, headers=None, connection=None):
        own = connection or self.connect()
        fields = {'Authorization': f'Bearer {self.token}'} if self.token else {}
        if isinstance(body, (dict, list)):
            body, fields['Content-Type'] = json.dumps(body).encode(), 'application/json'
        own.request(method, target, body=body, headers={**fields, **(headers or {})})
        got = own.getresponse()
        answer = Answer(got.status, got.headers, got.read())
        if not connection:
            own.close()
        assert answer.headers['X-Request-Id'] or answer.headers['Connection'] == 'close'
        if method != 'HEAD':
            hold_against_description(method, target, answer)
        return answer

    def get(self, target, **more):
        return self.ask('GET', target, **more)

    def post(self, target, body=None, **more):
        return self.ask('POST', target, body, **more)

    def must(self, method, target, body=None, status=200, **more):
        answer = self.ask(method, target, body, **more)
        assert answer.status == status, (method, target, answer.status, answer.body)
        return answer.json() if answer.body else None

    def publish(self, payload=None, status=202, **more):
        event = {'account': 'acme', 'provider': 'standard-webhooks', 'type': 'loan.paid',
                 'payload': {'loan': 7} if payload is None else payload, **more}
        return self.must('POST', '/v1/events', event, status)

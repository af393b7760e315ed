"""What the scenarios of the HTTP API share: the places it listens at, tokens, endpoints, and a raw socket."""
import json
import socket

from api_client import LIMIT_S, Api
from local_receiver import ScriptedReceiver
from world import Scenario

SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
NDJSON = {'Content-Type': 'application/x-ndjson'}


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def line(number, **more):
    return json.dumps({'account': 'acme', 'provider': 'standard-webhooks', 'type': 'loan.paid', 'payload': {'n': number}, **more})


class ApiScenario(Scenario):
    def setUp(self):
        super().setUp()
        self.socket = self.world.path('api.sock')
        self.port = free_port()
        self.api = Api(self.socket)
        self.tcp = ('127.0.0.1', self.port)

    def serve(self, *options, **more):
        return self.world.serve('--listen', f'unix:{self.socket}', '--listen', f'127.0.0.1:{self.port}', *options, **more)

    def token(self, role, *options, name='client'):
        return self.world.json('token', 'add', '--name', name, '--role', role, *options)['text']

    def receiver(self, **options):
        receiver = ScriptedReceiver(self.world.certificate(), **options)
        self.world.on_end.append(receiver.close)
        return receiver

    def endpoint(self, url, **more):
        spec = {'account': 'acme', 'provider': 'standard-webhooks', 'url': url, 'secret': SECRET, **more}
        self.world.canaries.add(SECRET)
        return self.api.must('POST', '/v1/endpoints', spec, 201)['endpoint']

    def refused(self, answer, status, problem):
        self.assertEqual((answer.status, answer.problem), (status, problem), answer.body)
        return answer.json()

    # --- raw sockets ------------------------------------------------------------------------------

    def raw(self):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(LIMIT_S)
        client.connect(self.socket)
        return client

    @staticmethod
    def all_of(client):
        received = b''
        while True:
            more = client.recv(65536)
            if not more:
                return received
            received += more

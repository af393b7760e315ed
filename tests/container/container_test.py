#!/usr/bin/env python3
"""The image, and what runs from it: looked at from outside, through podman, on a network shared with this host.

The container gets what a careful operator gives it: a root it cannot write to, no capability, no new privileges, /data;
and here an empty /usr/bin besides, so that there is no shell and no program but Outrider. tools/test-container builds
the image and calls this.

usage: container_test.py IMAGE BASE
"""
import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import tempfile
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'integration'))
from api_client import Api  # noqa: E402
from local_receiver import ScriptedReceiver  # noqa: E402
from world import wait_until  # noqa: E402

USER = 10001
OUTRIDER = '/usr/local/bin/outrider'
SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
MOST_OVER_BASE = 60_000_000
EVENTS = 50


def podman(*args, check=True, stdin=None, limit_s=120):
    done = subprocess.run(['podman', *args], input=stdin, capture_output=True, text=True, timeout=limit_s)
    if check and done.returncode != 0:
        raise AssertionError(f'podman {" ".join(args[:6])}: exit code {done.returncode}: {done.stderr}')
    return done


class Container:
    """One container after the other, on one /data."""

    def __init__(self, image, folder):
        self.image, self.folder, self.name, self.count = image, folder, None, 0
        self.data = os.path.join(folder, 'data')
        os.makedirs(self.data, exist_ok=True)
        os.chown(self.data, USER, USER)
        os.chmod(self.data, 0o700)
        self.api = Api(os.path.join(self.data, 'api.sock'))

    def start(self):
        self.count += 1
        self.name = f'outrider-test-{os.getpid()}-{self.count}'
        podman('run', '-d', '--name', self.name, '--network', 'host', '--read-only', '--read-only-tmpfs=false',
               '--tmpfs', '/usr/bin:notmpcopyup', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '-v', f'{self.data}:/data',
               '-v', f'{self.folder}/ca-test.pem:/etc/outrider/ca.pem:ro', '-e', 'OUTRIDER_CA_FILE=/etc/outrider/ca.pem',
               '-e', 'OUTRIDER_ALLOW_NET=127.0.0.0/8', '-e', 'OUTRIDER_ALLOW_PORT=0', self.image)
        wait_until(self.healthy, 'the container is healthy')

    def healthy(self):
        self.must_run()
        return podman('healthcheck', 'run', self.name, check=False).returncode == 0

    def must_run(self):
        if self.inspect('{{.State.Running}}') != 'true':
            raise AssertionError(f'the container ended: {podman("logs", self.name, check=False).stderr}')

    def inspect(self, what):
        return podman('inspect', self.name, '--format', what).stdout.strip()

    def run(self, *args, stdin=None, check=True):
        return podman('exec', '-i', self.name, OUTRIDER, *args, check=check, stdin=stdin)

    def json(self, *args, stdin=None):
        return json.loads(self.run('--json', *args, stdin=stdin).stdout)

    def ended(self):
        """Its exit code, once it has ended; then it is gone."""
        wait_until(lambda: self.inspect('{{.State.Running}}') == 'false', 'the container has ended')
        code = int(self.inspect('{{.State.ExitCode}}'))
        self.remove()
        return code

    def remove(self):
        if self.name:
            podman('rm', '-f', '-t', '0', self.name, check=False)
        self.name = None


def certificates(folder):
    """A certificate for localhost, of an authority made for this run."""
    def openssl(*args):
        subprocess.run(['openssl', *args], check=True, capture_output=True, cwd=folder, timeout=60)
    curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    openssl('req', '-x509', *curve, '-keyout', 'ca.key', '-out', 'ca-test.pem', '-subj', '/CN=authority', '-days', '2')
    openssl('req', *curve, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=receiver')
    with open(os.path.join(folder, 'names'), 'w', encoding='utf-8') as file:
        file.write('subjectAltName=DNS:localhost,IP:127.0.0.1\n')
    openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca-test.pem', '-CAkey', 'ca.key', '-days', '2', '-extfile', 'names',
            '-out', 'server.pem')
    os.chmod(os.path.join(folder, 'ca-test.pem'), 0o644)
    return os.path.join(folder, 'server.pem'), os.path.join(folder, 'server.key')


def signed_rightly(request):
    said = f'{request.headers["webhook-id"]}.{request.headers["webhook-timestamp"]}.'.encode() + request.body
    key = base64.b64decode(SECRET.removeprefix('whsec_'))
    return request.headers['webhook-signature'] == 'v1,' + base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()


# --- what the image says of itself -------------------------------------------------------------------------------------

def the_image_names_a_user_without_rights_a_health_check_and_how_to_stop(image):
    described = json.loads(podman('image', 'inspect', image).stdout)[0]
    config = described['Config']
    assert config['User'] == f'{USER}:{USER}', config['User']
    assert config['StopSignal'] in ('SIGTERM', '15'), config['StopSignal']
    assert config['Entrypoint'] == [OUTRIDER] and config['Cmd'] == ['serve'], config
    assert list(config['Volumes']) == ['/data'], config['Volumes']
    check = described['Healthcheck']['Test']
    assert check == ['CMD', OUTRIDER, 'health'], check  # not CMD-SHELL
    labels = config['Labels']
    for name in ('title', 'description', 'licenses', 'version', 'revision', 'base.name'):
        assert labels.get(f'org.opencontainers.image.{name}'), (name, labels)
    version = podman('run', '--rm', image, 'version').stdout
    assert version == f'outrider {labels["org.opencontainers.image.version"]}\n', version


def the_image_is_small(image, base):
    size, before = (int(podman('image', 'inspect', name, '--format', '{{.Size}}').stdout) for name in (image, base))
    over = size - before
    print(f'    the image is {over / 1e6:.1f} MB over its base ({before / 1e6:.1f} MB)')
    assert over < MOST_OVER_BASE, over


def its_packages_are_those_that_the_program_names(image, folder):
    """No library is missing from tools/packages/runtime, and none stands there that is not used."""
    podman('create', '--name', f'outrider-copy-{os.getpid()}', image)
    try:
        podman('cp', f'outrider-copy-{os.getpid()}:{OUTRIDER}', os.path.join(folder, 'outrider'))
    finally:
        podman('rm', f'outrider-copy-{os.getpid()}')
    dynamic = subprocess.run(['readelf', '-d', os.path.join(folder, 'outrider')], check=True, capture_output=True, text=True).stdout
    needed = set(re.findall(r'NEEDED.*\[(.*)\]', dynamic))
    with open(os.path.join(ROOT, 'tools', 'packages', 'runtime'), encoding='utf-8') as file:
        packages = [line.split()[0] for line in file if line.strip() and not line.startswith('#')]
    provided = set()
    for package in packages:
        files = podman('run', '--rm', '--entrypoint', '/usr/bin/dpkg-query', image, '-L', package).stdout
        here = {os.path.basename(path) for path in files.split()} & needed
        assert here or package == 'ca-certificates', f'{package}: the program names no library of it'
        provided |= here
    of_the_base = {name for name in needed if re.match(r'lib(c|m|gcc_s|stdc\+\+)\.so|ld-linux', name)}
    assert needed <= provided | of_the_base, needed - provided - of_the_base


def health_fails_where_nobody_serves(image):
    done = podman('run', '--rm', '--read-only', image, 'health', check=False)
    assert done.returncode == 1 and 'no answer' in done.stderr, (done.returncode, done.stderr)


# --- what runs from it ---------------------------------------------------------------------------------------------------

def it_runs_as_a_user_without_rights_on_a_root_it_cannot_write_to(container):
    pid = container.inspect('{{.State.Pid}}')
    with open(f'/proc/{pid}/status', encoding='utf-8') as file:
        status = dict(line.rstrip('\n').split(':\t', 1) for line in file if ':\t' in line)
    assert set(status['Uid'].split()) == {str(USER)}, status['Uid']
    assert int(status['CapEff'], 16) == 0 and int(status['CapPrm'], 16) == 0, status
    assert status['NoNewPrivs'] == '1', status['NoNewPrivs']
    done = container.run('--db', '/var/new.db', 'endpoint', 'add', '--account', 'a', '--provider', 'github', '--url',
                         'https://a.example/', check=False)
    assert done.returncode == 6 and 'Read-only' in done.stderr, (done.returncode, done.stderr)
    shell = podman('exec', container.name, '/bin/sh', '-c', 'true', check=False)
    assert shell.returncode != 0, 'there is a shell: this test does not show that none is needed'


def add_endpoint(container, receiver):
    added = container.json('endpoint', 'add', '--account', 'acme', '--provider', 'standard-webhooks', '--url',
                           receiver.url(), '--secret-stdin', stdin=SECRET)
    return added['endpoint']['id']


def publish(container, number):
    event = {'account': 'acme', 'provider': 'standard-webhooks', 'type': 'loan.paid', 'payload': {'n': number}}
    return container.api.must('POST', '/v1/events', event, 202)['id']


def state(container, event):
    deliveries = container.json('event', 'show', event)['deliveries']
    assert len(deliveries) == 1, deliveries
    return deliveries[0]['state']


def an_event_from_inside_reaches_a_receiver_outside(container, receiver):
    event = container.json('send', '--account', 'acme', '--provider', 'standard-webhooks', '--type', 'loan.paid',
                           stdin='{"loan": 7}')['id']
    request = wait_until(lambda: receiver.requests[:], 'the receiver has it')[0]
    assert request.body == b'{"loan":7}' and signed_rightly(request), request
    wait_until(lambda: state(container, event) == 'delivered', f'{event} is delivered')


def sigterm_lets_a_request_under_way_end(container, receiver, gate):
    gate.clear()
    before = len(receiver.requests)
    event = publish(container, 1)
    wait_until(lambda: len(receiver.requests) > before, 'the request is under way')
    podman('kill', '-s', 'TERM', container.name)
    wait_until(lambda: not os.path.exists(os.path.join(container.data, 'api.sock')) or 'refused' in connecting(container),
               'it takes no more')
    gate.set()
    assert container.ended() == 0
    container.start()
    assert state(container, event) == 'delivered'
    assert len(receiver.requests) == before + 1, 'it was sent again'


def connecting(container):
    try:
        container.api.get('/healthz')
        return 'answered'
    except OSError as error:
        return 'refused' if isinstance(error, (ConnectionError, FileNotFoundError)) else str(error)


def nothing_acknowledged_is_lost_when_it_is_killed(container, receiver, gate):
    gate.clear()
    events = [publish(container, number) for number in range(EVENTS)]
    podman('kill', '-s', 'KILL', container.name)
    assert container.ended() == 137
    gate.set()
    container.start()
    wait_until(lambda: container.json('queue')['waiting'] == 0, 'all are delivered')
    assert {state(container, event) for event in events} == {'delivered'}


def stop_ends_it_with_code_0(container):
    podman('stop', '-t', '10', container.name)
    assert container.ended() == 0


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    image, base = sys.argv[1:]

    def step(test, *args):
        test(*args)
        print(f'    ok: {test.__name__.replace("_", " ")}', flush=True)

    with tempfile.TemporaryDirectory(prefix='outrider-container-') as folder:
        os.chmod(folder, 0o755)
        step(the_image_names_a_user_without_rights_a_health_check_and_how_to_stop, image)
        step(the_image_is_small, image, base)
        step(its_packages_are_those_that_the_program_names, image, folder)
        step(health_fails_where_nobody_serves, image)
        gate = threading.Event()  # closed: what comes is not answered yet
        gate.set()
        receiver = ScriptedReceiver(certificates(folder), lambda request: 200 if gate.wait(60) else 503)
        container = Container(image, folder)
        try:
            container.start()
            step(it_runs_as_a_user_without_rights_on_a_root_it_cannot_write_to, container)
            add_endpoint(container, receiver)
            step(an_event_from_inside_reaches_a_receiver_outside, container, receiver)
            step(sigterm_lets_a_request_under_way_end, container, receiver, gate)
            step(nothing_acknowledged_is_lost_when_it_is_killed, container, receiver, gate)
            step(stop_ends_it_with_code_0, container)
        except AssertionError:
            if container.name:
                print(podman('logs', container.name, check=False).stderr[-4000:], file=sys.stderr)
            raise
        finally:
            gate.set()
            container.remove()
            receiver.close()


if __name__ == '__main__':
    main()

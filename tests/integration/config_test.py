#!/usr/bin/env python3
"""Settings by argument, variable and file: which one wins, what is refused and in which words, and what is told."""
import os
import re

from world import ROOT, Scenario, run_scenarios

USAGE, NOT_FOUND = 2, 3
FILE = '''# Everything a reader of TOML may write.
db = "x#y.db"   # a comment behind a value
listen = [      # a list over several lines
  "unix:/tmp/a,b.sock",
  '[::1]:8480',
]
max-in-flight = 1_000
allow-http = true
allow-port = [8443, 9443]
'''


class Config(Scenario):
    def setUp(self):
        super().setUp()
        self.world.command = lambda *args, database=None: [self.world.binary, *args]

    def file(self, text=FILE):
        return self.world.write('outrider.toml', text)

    def shown(self, *options, env=None):
        settings = self.world.json('config', 'show', *options, env=env)['settings']
        return {setting['name']: (setting['value'], setting['source'], setting['from']) for setting in settings}

    def refused(self, *options, env=None, code=USAGE):
        done = self.world.cli('config', 'show', *options, env=env)
        self.assertEqual((done.code, done.out), (code, ''), done.err)
        self.assertEqual(done.err.count('\n'), 1, done.err)
        # What keeps `config show` from showing keeps `serve` from starting.
        self.assertEqual(self.world.cli('serve', *options, env=env)._replace(out=''), done)
        return done.err

    def test_without_anything_each_setting_is_its_default(self):
        shown = self.shown()
        self.assertEqual({source for value, source, origin in shown.values()}, {'default', 'argument'})
        self.assertEqual(shown['json'], (True, 'argument', '--json'))
        self.assertEqual(shown['db'], ('outrider.db', 'default', None))
        self.assertEqual(shown['max-in-flight'], (256, 'default', None))
        self.assertEqual(shown['allow-http'], (False, 'default', None))
        self.assertEqual(shown['listen'], ([], 'default', None))
        self.assertEqual(shown['ca-file'], (None, 'default', None))

    def test_a_file_is_read_as_toml_and_each_value_shows_its_line(self):
        path = self.file()
        shown = self.shown('--config', path)
        self.assertEqual(shown['config'], (path, 'argument', '--config'))
        self.assertEqual(shown['db'], ('x#y.db', 'file', f'{path}:2'))
        self.assertEqual(shown['listen'], (['unix:/tmp/a,b.sock', '[::1]:8480'], 'file', f'{path}:3'))
        self.assertEqual(shown['max-in-flight'], (1000, 'file', f'{path}:7'))
        self.assertEqual(shown['allow-http'], (True, 'file', f'{path}:8'))
        self.assertEqual(shown['allow-port'], ([8443, 9443], 'file', f'{path}:9'))
        # The file may be named by a variable, too; the table says the same to people.
        self.assertEqual(self.shown(env={'OUTRIDER_CONFIG': path})['config'], (path, 'variable', 'OUTRIDER_CONFIG'))
        self.assertRegex(self.world.run('config', 'show', env={'OUTRIDER_CONFIG': path}),
                         rf'(?m)^max-in-flight +1000 +{re.escape(path)}:7$')

    def test_an_argument_wins_over_a_variable_and_a_variable_over_the_file(self):
        path = self.file()
        env = {'OUTRIDER_CONFIG': path, 'OUTRIDER_MAX_IN_FLIGHT': '7', 'OUTRIDER_ALLOW_HTTP': 'off',
               'OUTRIDER_LISTEN': 'unix:/a, 127.0.0.1:80', 'OUTRIDER_DB': 'variable.db'}
        shown = self.shown(env=env)
        self.assertEqual(shown['max-in-flight'], (7, 'variable', 'OUTRIDER_MAX_IN_FLIGHT'))
        self.assertEqual(shown['allow-http'], (False, 'variable', 'OUTRIDER_ALLOW_HTTP'))
        self.assertEqual(shown['listen'], (['unix:/a', '127.0.0.1:80'], 'variable', 'OUTRIDER_LISTEN'))
        self.assertEqual(shown['db'], ('variable.db', 'variable', 'OUTRIDER_DB'))
        self.assertEqual(shown['allow-port'], ([8443, 9443], 'file', f'{path}:9'))
        shown = self.shown('--max-in-flight', '8', '--listen', 'unix:/b', '--listen', 'unix:/c', '--db', 'argument.db',
                           '--allow-http', env=env)
        self.assertEqual(shown['max-in-flight'], (8, 'argument', '--max-in-flight'))
        self.assertEqual(shown['listen'], (['unix:/b', 'unix:/c'], 'argument', '--listen'))  # a list replaces a list
        self.assertEqual(shown['db'], ('argument.db', 'argument', '--db'))
        self.assertEqual(shown['allow-http'], (True, 'argument', '--allow-http'))
        shown = self.shown('--allow-http=0', env={'OUTRIDER_ALLOW_HTTP': 'on'})
        self.assertEqual(shown['allow-http'], (False, 'argument', '--allow-http'))

    def test_serve_runs_with_what_the_file_and_the_variables_say(self):
        database, socket = self.world.path('named.db'), self.world.path('api.sock')
        self.world.env['OUTRIDER_CONFIG'] = self.file(f'db = "{database}"\nlisten = "unix:{socket}"\nquiet = true\n')
        serve = self.world.serve(reach=[], ca=None)
        self.assertTrue(os.path.exists(database) and os.path.exists(socket))
        self.assertIn(database, serve.out())
        # Other commands know the file too, and heed what concerns them.
        self.assertTrue(self.world.json('queue')['engine_running'])
        self.assertEqual((serve.stop(), serve.err()), (0, ''))

    def test_an_empty_variable_is_one_that_is_not_set(self):
        path = self.file()
        shown = self.shown('--config', path, env={'OUTRIDER_MAX_IN_FLIGHT': '', 'OUTRIDER_LISTEN': '', 'OUTRIDER_UNKNOWN': ''})
        self.assertEqual(shown['max-in-flight'], (1000, 'file', f'{path}:7'))
        self.assertEqual(shown['listen'][1], 'file')

    def test_what_a_file_says_wrongly_is_one_error_with_its_line_and_what_to_do(self):
        for text, complaint in (
                ('max_in_flight = 5', ':1, max_in_flight): did you mean max-in-flight?'),
                ('\n\nno-such-thing = 5', 'unknown key ({}:3, no-such-thing): '),
                ('max-in-flight = "5"', 'wrong kind ({}:1, max-in-flight): give a whole number, without quotes'),
                ('max-in-flight = 5.5', 'wrong kind ({}:1, max-in-flight)'),
                ('max-in-flight = 99999', 'must be a whole number from 1 to 4096 ({}:1, max-in-flight)'),
                ('max-in-flight = -1', 'must be a whole number from 1 to 4096 ({}:1, max-in-flight)'),
                ('allow-port = [443, 70000]', 'must be a whole number from 0 to 65535 ({}:1, allow-port)'),
                ('allow-http = "true"', 'give true or false, without quotes'),
                ('db = 5', 'wrong kind ({}:1, db): give a text in quotes'),
                ('db = ["a"]', 'a list, where one value belongs ({}:1, db)'),
                ('listen = [1, "a"]', '({}:1, listen)'),
                ('db = 1979-05-27', 'no value that an option can have ({}:1, db)'),
                ('[serve]\nquiet = true', 'a table ({}:1, serve): '),
                ('quiet = true\nquiet = false', 'not TOML'),
                ('quiet', 'not TOML'),
                ('config = "other.toml"', 'unknown key ({}:1, config)'),
                ('help = true', 'unknown key ({}:1, help)'),
                ('egress-proxy = "http://h:1"\negress-proxy-file = "f"', 'exclude each other')):
            with self.subTest(text=text):
                path = self.file(text + '\n')
                self.assertIn(complaint.format(path), self.refused('--config', path))
        self.assertIn('No such file', self.refused('--config', self.world.path('missing.toml'), code=NOT_FOUND))
        self.assertIn('names no file (--config)', self.refused('--config', ''))

    def test_what_a_variable_says_wrongly_is_one_error_that_names_it(self):
        for variable, value, complaint in (
                ('OUTRIDER_MAX_IN_FLIGHT', '0x7', 'must be a whole number from 1 to 4096 (OUTRIDER_MAX_IN_FLIGHT)'),
                ('OUTRIDER_ALLOW_PORT', '443,x', '(OUTRIDER_ALLOW_PORT)'),
                ('OUTRIDER_ALLOW_HTTP', 'maybe', 'neither true nor false (OUTRIDER_ALLOW_HTTP)'),
                ('OUTRIDER_LISTEN', 'unix:/a,,unix:/b', 'an empty item in a list (OUTRIDER_LISTEN)'),
                ('OUTRIDER_MAX_INFLIGHT', '7', 'did you mean OUTRIDER_MAX_IN_FLIGHT?'),
                ('OUTRIDER_SOMETHING_ELSE', '7', 'unknown variable (OUTRIDER_SOMETHING_ELSE): ')):
            with self.subTest(variable=variable):
                self.assertIn(complaint, self.refused(env={variable: value}))
        # For the other commands an unknown one may be a script's own.
        self.world.run('version', env={'OUTRIDER_SOMETHING_ELSE': '7'})

    def test_what_kubernetes_sets_beside_a_service_of_this_name_is_no_mistake(self):
        self.shown(env={'OUTRIDER_SERVICE_HOST': '10.0.0.1', 'OUTRIDER_SERVICE_PORT': '8480', 'OUTRIDER_PORT': 'tcp://10.0.0.1:8480',
                        'OUTRIDER_SERVICE_PORT_HTTP': '8480', 'OUTRIDER_PORT_8480_TCP': 'tcp://10.0.0.1:8480',
                        'OUTRIDER_PORT_8480_TCP_PROTO': 'tcp', 'OUTRIDER_PORT_8480_TCP_ADDR': '10.0.0.1',
                        'OUTRIDER_API_SERVICE_HOST': '10.0.0.2', 'OUTRIDER_API_PORT': 'tcp://10.0.0.2:80'})
        self.assertIn('unknown variable', self.refused(env={'OUTRIDER_PORT': '8480'}))

    def test_of_two_that_exclude_each_other_the_nearer_one_is_taken(self):
        proxy = self.world.write('proxy', 'http://h:1')
        shown = self.shown('--egress-proxy-file', proxy, env={'OUTRIDER_EGRESS_PROXY': 'http://u:hunter2@h:1'})
        self.assertEqual(shown['egress-proxy'], (None, 'default', None))
        self.assertEqual(shown['egress-proxy-file'], (proxy, 'argument', '--egress-proxy-file'))

    def test_credentials_of_a_proxy_are_masked_and_have_no_place_in_the_file(self):
        for url, masked in (('http://user:hunter2@proxy.example:3128', 'http://[masked]@proxy.example:3128'),
                            ('user:hunter2@proxy.example:3128', '[masked]@proxy.example:3128')):
            env = {'OUTRIDER_EGRESS_PROXY': url}
            self.assertEqual(self.shown(env=env)['egress-proxy'], (masked, 'variable', 'OUTRIDER_EGRESS_PROXY'))
            self.assertNotIn('hunter2', self.world.run('config', 'show', env=env))
        path = self.file('egress-proxy = "http://user:hunter2@proxy.example:3128"\n')
        complaint = self.refused('--config', path)
        self.assertIn('give them in --egress-proxy-file', complaint)
        self.assertNotIn('hunter2', complaint)

    def test_every_option_of_serve_stands_in_the_documented_table_with_its_default(self):
        with open(os.path.join(ROOT, 'tools', 'deploy', 'README.md'), encoding='utf-8') as file:
            rows = re.findall(r'^\| `--([a-z-]+)`[^|]*\| ([^|]*) \|', file.read(), re.M)
        settings = {setting['name']: setting for setting in self.world.json('config', 'show')['settings']}
        self.assertEqual([name for name, default in rows], list(settings))
        named = set(re.findall(r'^ +(--[a-z-]+)', self.world.run('serve', '--help'), re.M)) - {'--help'}
        self.assertLessEqual({name[2:] for name in named}, set(settings))
        for name, default in rows:
            value = settings[name]['value']
            if name != 'json' and isinstance(value, (int, str)) and not isinstance(value, bool):
                self.assertEqual(default, f'`{value}`', name)
            # A secret is read from a file, and is no setting itself.
            self.assertNotRegex(name, '(secret|password|token)s?$' if name != 'unix-needs-token' else '^$')


if __name__ == '__main__':
    run_scenarios()

#!/usr/bin/env python3
"""tools/deploy/monitoring: the alerts and the dashboard ask for what /metrics really exports, each alert fires when it should
and is quiet when it should be, and has its line in the runbook."""
import json
import os
import re
import sys

try:
    import yaml
    from api_scenario import ApiScenario
except ImportError as missing:
    print(f'cannot run here: {missing}', file=sys.stderr)
    sys.exit(77)

from prometheus_tool import families, promtool
from world import ROOT, run_scenarios

FOLDER = os.path.join(ROOT, 'tools', 'deploy', 'monitoring')
ALERTS = os.path.join(FOLDER, 'alerts.yaml')
# What Prometheus itself adds to every sample, and the metric it makes of each scrape.
FROM_PROMETHEUS = {'instance', 'job'}
UP = 'up'
VARIABLES = {'$__rate_interval': '5m', '$instance': '.*', '$provider': '.*'}

NAME = r'(?:outrider|process)_\w+|\bup\b'
SELECTOR = re.compile(rf'({NAME})(?:\{{([^}}]*)\}})?')
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
GROUPING = re.compile(r'\b(?:by|without|on|ignoring) *\(([^)]*)\)')


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def rules():
    return [rule for group in yaml.safe_load(read(ALERTS))['groups'] for rule in group['rules']]


def dashboard():
    return json.loads(read(os.path.join(FOLDER, 'dashboard.json')))


def panel_expressions():
    found = [target['expr'] for panel in dashboard()['panels'] for target in panel.get('targets', [])]
    for name, value in VARIABLES.items():
        found = [expression.replace(name, value) for expression in found]
    return found


def exported(text):
    """{sample name: {label: its values}}."""
    found = {UP: {}}
    for family in families(text):
        for name, labels in family.samples:
            values = found.setdefault(name, {})
            for label, value in labels:
                values.setdefault(label, set()).add(value)
    return found


def complaints(expression, known):
    """What an expression asks for and nobody exports."""
    asked = SELECTOR.findall(expression)
    if not asked:
        yield 'asks for no metric'
    labels = set(FROM_PROMETHEUS)
    for name, selector in asked:
        if name not in known:
            yield f'no metric {name}'
            continue
        labels |= set(known[name])
        matched = MATCHER.findall(selector)
        if ','.join(f'{label}{kind}"{value}"' for label, kind, value in matched) != selector:
            yield f'not understood: {selector}'
        for label, kind, value in matched:
            if label in FROM_PROMETHEUS:
                continue
            if label not in known[name]:
                yield f'{name} has no label {label}'
            elif kind in ('=', '!=') and value not in known[name][label]:
                yield f'{name}: {label} is never "{value}"'
    for grouping in GROUPING.findall(expression):
        for label in (part.strip() for part in grouping.split(',')):
            if label not in labels:
                yield f'grouped by {label}, which nothing in it has'


class Monitoring(ApiScenario):
    def exported(self):
        self.serve()
        return exported(self.api.get('/metrics').body.decode())

    def test_every_alert_and_panel_asks_for_what_is_exported(self):
        known = self.exported()
        expressions = [rule['expr'] for rule in rules()] + panel_expressions()
        self.assertGreater(len(expressions), 40)
        wrong = [(expression, complaint) for expression in expressions for complaint in complaints(expression, known)]
        self.assertEqual(wrong, [])
        for variable in dashboard()['templating']['list']:
            if variable['type'] == 'query':
                name, label = re.fullmatch(r'label_values\((\w+), (\w+)\)', variable['definition']).groups()
                self.assertTrue(label in FROM_PROMETHEUS or label in known[name], variable['definition'])
        # The check can fail.
        for bad in ('outrider_nothing', 'outrider_healthy{state="x"}', 'outrider_endpoints{state="gone"}',
                    'sum by (route) (outrider_endpoints)', 'vector(1)'):
            self.assertTrue(list(complaints(bad, known)), bad)

    def test_every_metric_is_on_the_dashboard_or_in_an_alert(self):
        known = self.exported()
        asked = {name for expression in [rule['expr'] for rule in rules()] + panel_expressions()
                 for name, _ in SELECTOR.findall(expression)}
        asked = {re.sub('_(bucket|sum|count)$', '', name) for name in asked}
        # How old and how dear the queue's figures are is for whoever asks; the rest is what every process tells.
        spare = {'outrider_queue_read_duration_seconds', 'process_start_time_seconds', 'process_virtual_memory_bytes', UP}
        self.assertEqual({re.sub('_(bucket|sum|count)$', '', name) for name in known} - asked - spare, set())

    def test_every_expression_is_promql(self):
        checked = {'groups': [{'name': 'panels', 'rules': [{'record': f'panel_{number}', 'expr': expression}
                                                           for number, expression in enumerate(panel_expressions())]}]}
        path = self.world.write('panels.yaml', yaml.safe_dump(checked))
        for file in (ALERTS, path):
            code, said = promtool('check', 'rules', '--lint=all', '--lint-fatal', file)
            self.assertEqual(code, 0, said)

    def test_each_alert_fires_when_it_should_and_is_quiet_otherwise(self):
        tests = os.path.join(ROOT, 'tests', 'integration', 'alerts_promtool.yaml')
        code, said = promtool('test', 'rules', tests)
        self.assertEqual(code, 0, said)
        cases = yaml.safe_load(read(tests))['tests']
        for rule in rules():
            fires = [bool(one['exp_alerts']) for case in cases for one in case['alert_rule_test']
                     if one['alertname'] == rule['alert']]
            self.assertEqual(sorted(fires), [False, True], rule['alert'])

    def test_each_alert_has_its_line_in_the_runbook_and_no_other_has(self):
        lines = set(re.findall(r'^\| `(Outrider\w+)` \|', read(os.path.join(ROOT, 'tools', 'deploy', 'README.md')), re.M))
        self.assertEqual(lines, {rule['alert'] for rule in rules()})
        for rule in rules():
            self.assertIn(rule['labels']['severity'], ('warning', 'critical'), rule['alert'])
            self.assertTrue(rule['annotations']['runbook'].endswith(rule['alert']), rule['alert'])

    def test_the_dashboard_can_be_imported(self):
        board = dashboard()
        self.assertEqual((board['title'], board['uid']), ('Outrider', 'outrider'))
        ids = [panel['id'] for panel in board['panels']]
        self.assertEqual(len(ids), len(set(ids)))
        taken = set()
        for panel in board['panels']:
            at = panel['gridPos']
            self.assertLessEqual(at['x'] + at['w'], 24, panel['title'])
            cells = {(x, y) for x in range(at['x'], at['x'] + at['w']) for y in range(at['y'], at['y'] + at['h'])}
            self.assertFalse(cells & taken, panel['title'])
            taken |= cells
            for target in panel.get('targets', []):
                self.assertEqual(target['datasource']['uid'], '${datasource}')


if __name__ == '__main__':
    run_scenarios()

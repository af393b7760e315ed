#!/usr/bin/env python3
"""What becomes of measured values: medians, verdicts, tables, charts, comparisons. The values here are made up."""
import io
import json
import os
import tempfile
import unittest
import xml.etree.ElementTree as xml
from contextlib import redirect_stdout

import charts
import report
import run
from workloads import Figure, Workload, ratio, value


class Made(Workload):
    name, what, variants = 'made', 'of nothing & <nobody>', ('new', 'old')

    def __init__(self, values):
        super().__init__(None, 'tiny')
        self.values = {variant: iter(of) for variant, of in values.items()}
        self.order = []

    def run(self, variant):
        self.order.append(variant)
        return {'per_s': next(self.values[variant])}

    def figures(self):
        yield Figure('new / old', 'x', ratio('new', 'old', 'per_s'), at_least=0.9)
        yield Figure('new', '/s', value('new', 'per_s'), at_most=100)
        yield Figure('old', '/s', value('old', 'per_s'))


def measured(new, old):
    workload = Made({'new': new, 'old': old})
    rounds = run.measure(workload, len(new), lambda text: None)
    return workload, report.result(workload, rounds)


class Report(unittest.TestCase):
    def test_variants_take_turns(self):
        workload, _ = measured([1, 2, 3], [4, 5, 6])
        self.assertEqual(workload.order, ['new', 'old'] * 3)

    def test_a_ratio_is_made_in_each_round_and_then_its_median_is_taken(self):
        _, result = measured([10, 90, 50], [100, 100, 50])
        figure = result['figures'][0]
        self.assertEqual((figure['values'], figure['median']), ([0.1, 0.9, 1.0], 0.9))
        self.assertEqual((figure['least'], figure['most'], figure['reached']), (0.1, 1.0, True))

    def test_a_target_that_is_missed_is_told(self):
        _, result = measured([80, 120, 300], [100, 200, 400])
        self.assertEqual([figure['reached'] for figure in result['figures']], [False, False, None])
        table = report.table([result])
        self.assertIn('NOT reached', table)
        self.assertIn('>= 0.90', table)

    def test_a_result_is_written_read_and_compared(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ('old.json', 'new.json')]
            for path, values in zip(paths, ([10, 11, 12], [20, 21, 22])):
                report.write(path, [measured(values, [10, 11, 12])[1]], 'tiny')
            text = report.compare(*(report.read(path) for path in paths))
            other = os.path.join(folder, 'other.json')
            with open(other, 'w', encoding='utf-8') as file:
                json.dump({'format': 0}, file)
            with self.assertRaises(ValueError):
                report.read(other)
        changed, same = text.splitlines()[3:5]
        self.assertIn('+90.9 %', changed)
        self.assertIn('spans apart', changed)
        self.assertNotIn('spans apart', same)

    def test_a_chart_is_well_formed_and_shows_every_figure(self):
        _, result = measured([80, 120, 300], [100, 200, 400])
        texts = [element.text for element in xml.fromstring(charts.chart(result)).iter('{http://www.w3.org/2000/svg}text')]
        for words in ('made: of nothing & <nobody>', 'new / old', '120 /s  (target ≤ 100)'):
            self.assertIn(words, texts)

    def test_an_unknown_workload_is_named(self):
        with redirect_stdout(io.StringIO()), self.assertRaises(SystemExit) as ended:
            run.run(run.parsed(['run', 'nothing']))
        self.assertIn('no such workload: nothing', str(ended.exception))


if __name__ == '__main__':
    unittest.main()

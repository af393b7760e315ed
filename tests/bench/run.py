#!/usr/bin/env python3
"""Runs the workloads in alternating rounds, and compares results. `tools/bench` builds what it needs and calls it."""
import argparse
import os
import sys
import time

import charts
import report
from programs import Bench, Failed
from workloads import SIZES, WORKLOADS


def measure(workload, count, say):
    """A B A B …: what the machine does meanwhile happens to all variants alike."""
    rounds = []
    for number in range(count):
        reports = {}
        for variant in workload.variants:
            begun = time.monotonic()
            reports[variant] = workload.run(variant)
            say(f'    {workload.name}, round {number + 1} of {count}, {variant}: {time.monotonic() - begun:.1f} s')
        rounds.append(reports)
    return rounds


def run(options):
    names = options.workload or list(WORKLOADS)
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        sys.exit(f"no such workload: {', '.join(unknown)}; there is: {', '.join(WORKLOADS)}")
    if options.rounds < 1:
        sys.exit('--rounds is at least 1')
    say = (lambda text: print(text, flush=True)) if not options.quiet else lambda text: None
    results = []
    with Bench(options.build, options.folder) as bench:
        for name in names:
            workload = WORKLOADS[name](bench, options.size)
            results.append(report.result(workload, measure(workload, options.rounds, say)))
    print(report.table(results))
    if options.json:
        report.write(options.json, results, options.size)
        print(f'\n{options.json}')
    if options.charts:
        os.makedirs(options.charts, exist_ok=True)
        for one in results:
            path = os.path.join(options.charts, one['name'] + '.svg')
            with open(path, 'w', encoding='utf-8') as file:
                file.write(charts.chart(one))
            print(path)


def parsed(words):
    parser = argparse.ArgumentParser(prog='tools/bench', description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest='command', required=True)
    runs = commands.add_parser('run', help='measure (all workloads, or those named)')
    runs.add_argument('workload', nargs='*', help=', '.join(WORKLOADS))
    runs.add_argument('--size', choices=SIZES, default='standard', help='large takes hours and some 40 GB (default: %(default)s)')
    runs.add_argument('--rounds', type=int, default=5, help='(default: %(default)s)')
    runs.add_argument('--json', help='write the result there')
    runs.add_argument('--charts', metavar='FOLDER', help='write an SVG for each workload there')
    runs.add_argument('--folder', help='where the databases are made (default: the temporary folder)')
    runs.add_argument('--quiet', action='store_true')
    runs.add_argument('--build', default='build/bench', help=argparse.SUPPRESS)
    compares = commands.add_parser('compare', help='two results, figure by figure')
    compares.add_argument('old')
    compares.add_argument('new')
    commands.add_parser('list', help='the workloads')
    return parser.parse_args(words)


def main():
    options = parsed(sys.argv[1:])
    try:
        if options.command == 'list':
            print('\n'.join(f'{name:12} {workload.what}' for name, workload in WORKLOADS.items()))
        elif options.command == 'compare':
            print(report.compare(report.read(options.old), report.read(options.new)))
        else:
            run(options)
    except (Failed, OSError, ValueError) as error:
        sys.exit(f'failed: {error}')


if __name__ == '__main__':
    main()

#!/usr/bin/env python3
"""Every test that SECURITY.md names is there: a promise whose proof was renamed or dropped shows here.

usage: named_tests_test.py ROOT BUILD
"""
import os
import re
import subprocess
import sys


def named(text):
    """The names in code marks in the last column of the table, and in the paragraph on how it is built."""
    for line in text.splitlines():
        cells = line.split('|')
        if len(cells) > 4:
            yield from re.findall(r'`([A-Za-z_.]+)`', cells[-2])


def main():
    root, build = sys.argv[1:3]
    tests = subprocess.run(['ctest', '--test-dir', build, '-N'], check=True, stdout=subprocess.PIPE).stdout.decode()
    with open(os.path.join(root, 'SECURITY.md'), encoding='utf-8') as file:
        names = list(named(file.read()))
    assert len(names) > 15, names
    missing = [name for name in names if not re.search(r'#\d+: .*' + re.escape(name), tests)]
    if missing:
        sys.exit(f'SECURITY.md names tests that are not there: {", ".join(missing)}')
    print(f'{len(names)} names, all there')


if __name__ == '__main__':
    main()

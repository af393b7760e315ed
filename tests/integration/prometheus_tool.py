"""Prometheus' text format for the tests: a strict reader, and promtool, Prometheus' own checker, which has the last word on
whether a text is right."""
import os
import re
import shutil
import subprocess
import unittest
from collections import namedtuple

from world import ROOT

Family = namedtuple('Family', 'name type help samples')  # samples: {(name, labels sorted): value}

_SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)', re.I)
_LABEL = re.compile(r'([a-z_]\w*)="((?:[^"\\\n]|\\.)*)"(?:,|$)', re.I)
_PARTS = {'histogram': ('_bucket', '_sum', '_count'), 'counter': ('',), 'gauge': ('',)}


def series(name, **labels):
    return name, tuple(sorted(labels.items()))


def _labels(text):
    found, at = {}, 0
    while at < len(text):
        match = _LABEL.match(text, at)
        assert match, text
        assert match.group(1) not in found, text
        found[match.group(1)], at = match.group(2), match.end()
    return found


def families(text):
    """Every family, in order. What is out of place fails: a sample without its HELP and TYPE before it, one twice."""
    found = []
    assert text.endswith('\n')
    for line in text.splitlines():
        if line.startswith('# HELP '):
            name, words = line[7:].split(' ', 1)
            assert name not in {family.name for family in found}, name
            found.append(Family(name, '', words, {}))
        elif line.startswith('# TYPE '):
            name, kind = line[7:].split(' ')
            assert found[-1].name == name and kind in _PARTS, line
            found[-1] = found[-1]._replace(type=kind)
        else:
            match = _SAMPLE.fullmatch(line)
            assert match, line
            name, labels, value = match.groups()
            family = found[-1]
            assert name in [family.name + part for part in _PARTS[family.type]], line
            key = series(name, **_labels(labels or ''))
            assert key not in family.samples, line
            family.samples[key] = float(value)
    return found


def samples(text):
    return {key: value for family in families(text) for key, value in family.samples.items()}


def promtool(*arguments, **more):
    """Runs it; what it says on both outputs, and its exit code."""
    found = shutil.which('promtool') or os.path.join(ROOT, 'build', 'programs', 'promtool')
    if not os.access(found, os.X_OK):
        raise unittest.SkipTest('promtool is not here; ./tools/test brings it')
    done = subprocess.run([found, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **more)
    return done.returncode, done.stdout

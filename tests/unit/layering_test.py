#!/usr/bin/env python3
"""The house rules that a machine can check: who may include whom, sizes, names, and words that must not appear.

Each rule is a function from (path, text) to complaints, and is listed in RULES beside a sample that breaks it and one
that keeps it. `layering_test.py self` runs the samples, so that no rule can go blind; `layering_test.py repository
ROOT` runs the rules over the tree. Paths are relative to the root, with forward slashes.
"""
import fnmatch
import glob
import os
import re
import sys
from collections import namedtuple

CPP = ('.cc', '.h', '.c')
SKIPPED_FOLDERS = {'.git', 'build', 'node_modules', '__pycache__', '.cache'}
SKIPPED_FILES = {'LICENSE'}
# Data from elsewhere, kept byte for byte.
SKIPPED_PREFIXES = ('tests/vectors/', 'tests/data/')

MAX_LINES, WARN_LINES = 600, 400
MAX_COLUMNS = 100
MAX_FUNCTION, WARN_FUNCTION = 100, 70


def is_cpp(path):
    return path.endswith(CPP)


def is_product(path):
    return path.startswith(('engine/', 'storage/', 'tools/outrider/')) and is_cpp(path)


# Text between quotes is kept: a name in a string literal counts as code.
_CODE = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.S)


def without_comments(text):
    def blank(match):
        token = match.group(0)
        return '\n' * token.count('\n') if token.startswith('/') else token
    return _CODE.sub(blank, text)


def each_line(pattern, text, complaint):
    """One complaint per line that matches; {0} is what was found."""
    compiled = re.compile(pattern)
    for number, line in enumerate(text.split('\n'), 1):
        found = compiled.search(line)
        if found:
            yield f'{number}: ' + complaint.format(found.group(0))


# --- who may include whom -------------------------------------------------------------------------------------------

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

# Foreign headers and the only places that may include them. Tests and examples stand outside the product and may include
# what they need.
FOREIGN = [
    (('sqlite3.h', 'sqlite3ext.h'), ('storage/sqlite/*',)),
    (('libpq-fe.h', 'libpq/*', 'postgresql/*'), ('storage/postgres/*',)),
    (('uv.h', 'uv/*', 'curl/*', 'ares.h', 'ares_*', 'llhttp.h'), ('engine/net/*',)),
    (('openssl/*',), ('engine/crypto/*',)),
    (('rapidjson/*',), ('engine/core/json_text*', 'engine/core/provider*')),
    (('CLI/*',), ('tools/outrider/*',)),
    (('toml++/*',), ('tools/outrider/config_file*',)),
    (('prometheus/*',), ('engine/metrics*',)),
    (('gtest/*', 'gmock/*', 'benchmark/*'), ()),
]

# Our own headers: the first pattern that fits the including file says what it may include. Public headers are "outrider/…".
VALUES = ('outrider/types.h', 'outrider/result.h')
OWN = [
    ('engine/include/outrider/*', ('outrider/*',)),
    ('engine/core/*', ('core/*',) + VALUES),
    ('engine/crypto/*', ('crypto/*', 'core/*') + VALUES),
    ('engine/net/*', ('net/*', 'crypto/*', 'core/*') + VALUES),
    # Like net and crypto it stands on the core; its Database is the public one.
    ('engine/api/*', ('api/*', 'net/http_server.h', 'core/*', 'crypto/*', 'log.h', 'metrics.h', 'view_members.h', 'schemas/embedded.h',
                       'outrider/*')),
    # Joins core, net and storage, by their interfaces alone.
    ('engine/dispatcher*', ('dispatcher*.h', 'intake.h', 'storage_link.h', 'metrics.h', 'log.h', 'core/*', 'crypto/*',
                            'net/http_sender.h', 'storage/outbox.h', 'storage/commit_queue.h') + VALUES),
    # Wiring: the only file that knows the concrete sender, loop and database.
    ('engine/engine*', ('*',)),
    ('storage/*/*', ('storage/*', 'schemas/embedded.h', 'crypto/*', 'core/*', 'outrider/*')),
    ('storage/*', ('storage/*', 'core/*', 'crypto/*') + VALUES),
    # The JSON that the commands and the API write is written by one writer, and names the views' members in one place.
    ('tools/outrider/*', ('outrider/*', 'core/json_output.h', 'core/code_point.h', 'view_members.h')),
]
# The rest of engine/: either the network side or the storage side, never both. Asking for the time is neither.
NET_SIDE, STORAGE_SIDE, NEITHER = ('net/*',), ('storage/*', 'schemas/*'), ('net/wall_clock.h',)

# Nothing in core may see time, chance, threads or the outside world.
IMPURE = ('thread', 'mutex', 'shared_mutex', 'condition_variable', 'atomic', 'future', 'fstream', 'iostream', 'random', 'ctime', 'time.h', 'unistd.h', 'fcntl.h', 'sys/*', 'netinet/*', 'arpa/*', 'poll.h')
# RapidJSON's validators keep state while they work: a pool of them, so that an immutable provider serves any thread.
IMPURE_ALLOWED = {('engine/core/provider_schema.cc', 'mutex')}


def fits(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def own_header(path, name):
    """The name by which OWN knows a quoted include, or None where it is the file's own neighbour."""
    return None if '/' not in name and os.path.dirname(path) not in ('engine',) else name


def includes(path, text):
    if not is_cpp(path):
        return
    product = is_product(path)
    for match in INCLUDE.finditer(text):
        line = text.count('\n', 0, match.start()) + 1
        bracket, name = match.groups()
        for headers, places in FOREIGN:
            if fits(name, headers) and product and not fits(path, places):
                yield f'{line}: <{name}> belongs to {" ".join(places) or "tests/"} alone'
        if path.startswith('engine/core/') and bracket == '<' and fits(name, IMPURE) and \
                (path, name) not in IMPURE_ALLOWED:
            yield f'{line}: core is pure; <{name}> is not'
        if bracket == '"' and product:
            yield from own_include(path, line, name)


def own_include(path, line, name):
    for pattern, allowed in OWN:
        if fnmatch.fnmatchcase(path, pattern):
            known = own_header(path, name)
            if known and not fits(known, allowed):
                yield f'{line}: {pattern} may not include "{name}"'
            return


def pure(path, text):
    if path.startswith('engine/core/') and path != 'engine/core/assert.h':
        yield from each_line(r'std::filesystem::(?!path\b)|\bf(?:open|read|write|printf)\(|\bgetenv\(', without_comments(text),
                             'core is pure; {0} reaches outside')


def joins(path, text):
    """Only the dispatcher and the wiring know both the network and the storage."""
    if not fits(path, ('engine/*.cc', 'engine/*.h')) or path.count('/') != 1 or fits(path, ('engine/engine*', 'engine/dispatcher*')):
        return
    names = [match.group(2) for match in INCLUDE.finditer(text)]
    if any(fits(name, NET_SIDE) and not fits(name, NEITHER) for name in names) and any(fits(name, STORAGE_SIDE) for name in names):
        yield '1: joins net and storage, which is the dispatcher\'s part'


# --- sizes ----------------------------------------------------------------------------------------------------------

def file_size(path, text):
    if is_cpp(path) or path.endswith('.py'):
        lines = text.count('\n')
        if lines > MAX_LINES:
            yield f'{lines}: more than {MAX_LINES} lines; split it by meaning'


def line_length(path, text):
    if is_cpp(path):
        for number, line in enumerate(text.split('\n'), 1):
            if len(line) > MAX_COLUMNS:
                yield f'{number}: {len(line)} columns, more than {MAX_COLUMNS}'


def functions(text):
    """(line, length) of what clang-format lays out as a body: from a line that ends in `{` to its `}` at the same depth."""
    lines = text.split('\n')
    for start, line in enumerate(lines):
        opening = re.match(r'( *)\S.*\{$', line)
        if not opening or len(opening.group(1)) > 4 or re.match(r' *(namespace|class|struct|enum|union|extern)\b', line):
            continue
        if not any('(' in before for before in lines[max(0, start - 3):start + 1]):
            continue
        closing = opening.group(1) + '}'
        for end in range(start + 1, len(lines)):
            if lines[end].startswith(closing):
                yield start + 1, end - start + 1
                break
            if lines[end] and len(lines[end]) - len(lines[end].lstrip()) < len(opening.group(1)):
                break  # the brace was closed on a line of its own content: a list, not a body


def function_size(path, text):
    if is_cpp(path):
        for line, length in functions(text):
            if length > MAX_FUNCTION:
                yield f'{line}: a function of {length} lines, more than {MAX_FUNCTION}'


# --- names and words ------------------------------------------------------------------------------------------------

BANNED_NAMES = ('Manager', 'Helper', 'Util', 'Utils', 'Utility', 'Utilities', 'Common', 'Misc')


def names(path, text):
    for part in re.split(r'[/_.\-]', path.lower()):
        if part in {name.lower() for name in BANNED_NAMES} | {'helpers', 'managers'}:
            yield f'0: "{part}" says nothing about what is inside'
    if is_cpp(path):
        yield from each_line(r'\b(?:class|struct|enum(?: class)?|union|concept|using|namespace) +\w*?(?:' +
                             '|'.join(BANNED_NAMES + tuple(name.lower() for name in BANNED_NAMES)) +
                             r')s?(?=[A-Z_]|\b)', without_comments(text), '"{0}" says nothing about what it is')


# Put together here, so that this file keeps its own rule.
BANNED_WORDS = ('TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK')


def words(path, text):
    yield from each_line(r'\b(?:' + '|'.join(BANNED_WORDS) + r')\b', text, '"{0}": do it, or file it')
    yield from each_line('[Nn]ot ' + 'implemented|NOT ' + 'IMPLEMENTED|[Uu]n' + r'implemented\b', text, '"{0}": do it, or leave it out')


def machine_paths(path, text):
    yield from each_line(r'(?<![\w.])/(?:work/(?:main|shared|\.)|tmp/brief|root/|home/\w)', text,
                         '"{0}" exists on one machine only')


def registries(path, text):
    hosts = ('registry.npmjs' + '.org', 'npmjs' + '.com', 'pypi' + '.org', 'pythonhosted' + '.org', 'crates' + '.io',
             'deb.debian' + '.org', 'security.debian' + '.org', 'proxy.golang' + '.org', 'repo.maven' + '.apache.org',
             'docker' + '.io', 'ghcr' + '.io', 'quay' + '.io')
    yield from each_line('|'.join(re.escape(host) for host in hosts), text, '"{0}": no package registry is named here')


def nondeterminism(path, text):
    """Chance and time enter through their own seams; a seeded engine in a test is neither."""
    if not is_cpp(path):
        return
    code = without_comments(text)
    yield from each_line(r'\bstd::(?:random_device|\w+_distribution|shuffle\b|rand\b)|\bs?rand\(', code,
                         '{0} differs between machines or runs; tests use their own generator, secrets crypto/random')
    if is_product(path) and not path.startswith(('engine/net/', 'tools/outrider/')):
        yield from each_line(r'\bsystem_clock\b|\bgettimeofday\b|\btime\((?:NULL|nullptr|0)\)|\bclock_gettime\b', code,
                             '{0}: now is sampled by the loop and passed down')


def sleeping(path, text):
    if path.startswith('tests/') and is_cpp(path):
        yield from each_line(r'\bsleep_for\b|\bsleep_until\b|\bu?sleep\(|\bnanosleep\b', without_comments(text),
                             '{0}: use virtual time, or wait for a condition')


def provider_pattern(provider_names):
    """`lender-spender` also matches lender_spender, LenderSpender and "lender spender"."""
    spelled = ['[-_ ]?'.join(map(re.escape, name.split('-'))) for name in provider_names] or ['(?!)']
    return '(?i)(?<![a-z0-9])(?:' + '|'.join(spelled) + ')(?![a-z0-9])'


def provider_names_rule(provider_names):
    def provider_name_in_code(path, text):
        if is_product(path):
            yield from each_line(provider_pattern(provider_names), without_comments(text),
                                 '"{0}": a provider is data; no code knows its name')
    return provider_name_in_code


def include_guard(path, text):
    if path.endswith('.h') and '#pragma once' not in text:
        yield '1: a header begins with its essay and #pragma once'


def essay(path, text):
    # A .cc whose contract is the header of its name has its essay there.
    stem = os.path.basename(path).rsplit('.', 1)[0]
    in_header = path.endswith('.cc') and re.search(r'#include "(?:[\w/]+/)?' + re.escape(stem) + r'\.h"', text)
    if (is_product(path) or path.startswith('tests/')) and is_cpp(path) and not text.startswith('//') and not in_header:
        yield '1: a file begins with what it is, why this way, and what must hold'


Rule = namedtuple('Rule', 'check breaks keeps')  # breaks, keeps: lists of (path, text)

LONG = 'x\n' * (MAX_LINES + 1)
LONG_FUNCTION = '// e\nvoid f() {\n' + '  g();\n' * MAX_FUNCTION + '}\n'
DEEP_FUNCTION = '// e\nclass A {\n  void f() {\n' + '    g();\n' * MAX_FUNCTION + '  }\n};\n'

RULES = [
    Rule(includes,
         [('engine/dispatcher.cc', '#include <sqlite3.h>\n'),
          ('storage/sqlite/x.cc', '#include <curl/curl.h>\n'),
          ('engine/core/scheduler.cc', '#include <uv.h>\n'),
          ('engine/net/x.cc', '#include <openssl/ssl.h>\n'),
          ('storage/x.cc', '#include <libpq-fe.h>\n'),
          ('engine/core/scheduler.cc', '#include <rapidjson/reader.h>\n'),
          ('engine/core/scheduler.cc', '#include <thread>\n'),
          ('engine/core/scheduler.cc', '#include "storage/outbox.h"\n'),
          ('engine/include/outrider/x.h', '#include "core/time.h"\n'),
          ('engine/include/outrider/x.h', '#include <CLI/CLI.hpp>\n'),
          ('engine/net/x.cc', '#include "storage/outbox.h"\n'),
          ('engine/dispatcher.cc', '#include "net/curl_sender.h"\n'),
          ('engine/dispatcher.cc', '#include "storage/sqlite/sqlite_outbox.h"\n'),
          ('engine/api/x.cc', '#include "storage/outbox.h"\n'),
          ('engine/api/x.cc', '#include "net/loop.h"\n'),
          ('storage/commit_queue.cc', '#include "storage_thread/../net/loop.h"\n'),
          ('storage/commit_queue.cc', '#include "net/loop.h"\n'),
          ('tools/outrider/send.cc', '#include "core/json_text.h"\n'),
          ('tools/outrider/send.cc', '#include "crypto/random.h"\n'),
          ('engine/dispatcher.cc', '#include <prometheus/counter.h>\n'),
          ('engine/core/x.cc', '#include <gtest/gtest.h>\n')],
         [('storage/sqlite/x.cc', '#include <sqlite3.h>\n#include "storage/outbox.h"\n#include "crypto/public_id.h"\n'),
          ('engine/core/json_text.cc', '#include <rapidjson/reader.h>\n#include "core/json_text.h"\n#include <string>\n'),
          ('engine/dispatcher.cc', '#include "net/http_sender.h"\n#include "storage/outbox.h"\n#include "dispatcher.h"\n'),
          ('engine/engine.cc', '#include "net/curl_sender.h"\n#include "storage/sqlite/sqlite_outbox.h"\n'),
          ('tools/outrider/send.cc', '#include "command.h"\n#include "outrider/database.h"\n#include <CLI/CLI.hpp>\n'),
          ('engine/metrics_text.cc', '#include <prometheus/text_serializer.h>\n#include "metrics.h"\n'),
          ('tests/integration/x.cc', '#include <sqlite3.h>\n#include "core/time.h"\n')]),
    Rule(pure,
         [('engine/core/x.cc', 'if (std::filesystem::exists(p)) {}\n'), ('engine/core/x.cc', 'fopen("x", "r");\n')],
         [('engine/core/x.cc', 'std::filesystem::path(p).parent_path();\n'), ('engine/net/x.cc', 'getenv("X");\n')]),
    Rule(joins,
         [('engine/intake.cc', '#include "net/loop.h"\n#include "storage/outbox.h"\n')],
         [('engine/intake.cc', '#include "net/loop.h"\n#include "core/time.h"\n'),
          ('engine/database.cc', '#include "net/wall_clock.h"\n#include "storage/outbox.h"\n'),
          ('engine/dispatcher.cc', '#include "net/http_sender.h"\n#include "storage/outbox.h"\n')]),
    Rule(file_size, [('engine/x.cc', LONG), ('tests/x.py', LONG)],
         [('engine/x.cc', 'x\n' * MAX_LINES), ('README.md', LONG)]),
    Rule(line_length, [('engine/x.cc', 'int ' + 'x' * 97 + '\n')], [('engine/x.cc', 'x' * 100 + '\n')]),
    Rule(function_size, [('engine/x.cc', LONG_FUNCTION), ('engine/x.h', DEEP_FUNCTION)],
         [('engine/x.cc', 'void f() {\n' + '  g();\n' * (MAX_FUNCTION - 2) + '}\n'),
          ('engine/x.cc', 'namespace n {\n' + 'int x;\n' * 200 + '}\n')]),
    Rule(names,
         [('engine/core/string_utils.cc', ''), ('tools/common.h', ''), ('engine/x.h', 'class QueueManager {\n'),
          ('engine/x.h', 'struct HttpHelper;\n'), ('engine/x.h', 'namespace util {\n')],
         [('engine/core/lifecycle.h', 'struct Commit {}; class Utilization;\n// a Manager of sorts\n')]),
    Rule(words, [('README.md', '// ' + BANNED_WORDS[0] + ': later\n'), ('engine/x.cc', '"not ' + 'implemented"\n')],
         [('engine/x.cc', '// the whole to-do list\n')]),
    Rule(machine_paths, [('README.md', 'see /work/' + 'shared/design.md\n'), ('tools/x', 'cat /tmp/' + 'brief/x\n')],
         [('README.md', 'the framework/main file; https://x.example/work/main\n')]),
    Rule(registries, [('tools/x', 'curl https://' + 'pypi' + '.org/simple\n')], [('tools/x', 'npm ci\n')]),
    Rule(nondeterminism,
         [('tests/unit/x.cc', 'std::random_device seed;\n'), ('engine/core/x.cc', 'std::uniform_int_distribution<> d;\n'),
          ('engine/core/x.cc', 'auto t = std::chrono::system_clock::now();\n')],
         [('engine/net/loop.cc', 'std::chrono::system_clock::now();\n'), ('engine/core/x.cc', '// no system_clock here\n')]),
    Rule(sleeping, [('tests/unit/x.cc', 'std::this_thread::sleep_for(1ms);\n'), ('tests/unit/x.cc', 'usleep(5);\n')],
         [('tests/unit/x.cc', 'condition.wait_for(lock, 30s, done);\n'), ('tests/unit/x.cc', '// no sleep(1)\n')]),
    Rule(provider_names_rule(['acme-pay', 'github']),
         [('engine/x.cc', 'if (name == "acme-pay") {\n'), ('storage/x.cc', 'int acme_pay = 1;\n'),
          ('tools/outrider/x.cc', 'bool is_github();  \n'.replace('is_', 'is ')), ('engine/x.h', 'class AcmePay;\n')],
         [('engine/x.cc', '// as github does\nint githubber = 1;\n'), ('tests/unit/x.cc', '"github"\n')]),
    Rule(include_guard, [('engine/x.h', '// essay\nint x;\n')], [('engine/x.h', '// essay\n#pragma once\n'), ('engine/x.cc', '')]),
    Rule(essay, [('engine/x.cc', '#include <string>\n'), ('engine/x.h', '#pragma once\n')],
         [('engine/x.cc', '// Why.\n#include <string>\n'), ('engine/net/x.cc', '#include "net/x.h"\n')]),
]


# --- running --------------------------------------------------------------------------------------------------------

def self_test():
    faults = 0
    for rule in RULES:
        for path, text in rule.breaks:
            if not list(rule.check(path, text)):
                faults += 1
                print(f'{rule.check.__name__} does not see the fault in {path}: {text[:80]!r}')
        for path, text in rule.keeps:
            for complaint in rule.check(path, text):
                faults += 1
                print(f'{rule.check.__name__} complains wrongly about {path}: {complaint}')
    samples = sum(len(rule.breaks) + len(rule.keeps) for rule in RULES)
    print(f'{len(RULES)} rules, {samples} samples, {faults} faults')
    return faults == 0


def files(root):
    for folder, folders, names_here in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        for name in sorted(names_here):
            path = os.path.relpath(os.path.join(folder, name), root).replace(os.sep, '/')
            if name not in SKIPPED_FILES and not path.startswith(SKIPPED_PREFIXES):
                yield path


def repository_test(root):
    definitions = glob.glob(os.path.join(root, 'schemas/providers/*.json'))
    known = sorted(os.path.basename(path)[:-len('.json')] for path in definitions if not path.endswith('.schema.json'))
    rules = [provider_names_rule(known) if rule.check.__name__ == 'provider_name_in_code' else rule.check for rule in RULES]
    faults = seen = 0
    if not known:
        faults += 1
        print('schemas/providers holds no provider: the rule about their names sees nothing')
    for path in files(root):
        with open(os.path.join(root, path), 'rb') as file:
            raw = file.read()
        try:
            text = raw.decode('utf-8')
        except UnicodeDecodeError:
            continue
        seen += 1
        for rule in rules:
            for complaint in rule(path, text):
                faults += 1
                print(f'{path}:{complaint}')
        if is_cpp(path):
            lines = text.count('\n')
            if WARN_LINES < lines <= MAX_LINES:
                print(f'note: {path} has {lines} lines, more than {WARN_LINES}')
            for line, length in functions(text):
                if WARN_FUNCTION < length <= MAX_FUNCTION:
                    print(f'note: {path}:{line} is a function of {length} lines')
    print(f'{seen} files, {len(rules)} rules, {faults} faults')
    return faults == 0 and seen > 0


if __name__ == '__main__':
    passed = self_test() if sys.argv[1] == 'self' else repository_test(sys.argv[2])
    sys.exit(0 if passed else 1)

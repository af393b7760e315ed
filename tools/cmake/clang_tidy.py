#!/usr/bin/env python3
"""Runs clang-tidy over the sources that a build tree's compile commands name, as many at once as there are cores.

usage: clang_tidy.py BUILD [--deep]

Without --deep, the few checks that take more than half of the time are left out (DEAR_CHECKS).

What was found clean is remembered in BUILD/clean by a digest of everything the verdict depends on: the source after
preprocessing, its flags, the checks and clang-tidy itself. Ends with 1 when there are complaints.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys

TIDY = 'clang-tidy-19'
# By --enable-check-profile: the first alone takes a third to a half where a file has many lambdas. They visit each
# declaration of every header, the system's too. What a standalone empty() or an undelegated constructor means, the
# compiler says as well.
DEAR_CHECKS = ('performance-unnecessary-value-param', 'bugprone-reserved-identifier', 'bugprone-standalone-empty',
               'bugprone-stringview-nullptr', 'bugprone-undelegated-constructor', 'cert-dcl16-c', 'cert-dcl58-cpp')
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def output_of(command, cwd=None):
    return subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def digest(entry, common):
    command = [word for word in shlex.split(entry['command']) if 'ccache' not in word]
    at = command.index('-o')
    del command[at:at + 2]
    command[command.index('-c')] = '-E'
    # Line markers name directories of this machine, which mean nothing.
    text = re.sub(rb'(?m)^# .*$', b'', output_of(command, entry['directory']))
    flags = ' '.join(word for word in command if not os.path.isabs(word.lstrip('-I'))).encode()
    return hashlib.sha256(common + flags + text).hexdigest()


def check(entry, build, checks, common):
    """The complaints about one file; nothing: it is clean."""
    stamp = os.path.join(build, 'clean', digest(entry, common))
    if os.path.exists(stamp):
        return None
    done = subprocess.run([TIDY, '--quiet', '--warnings-as-errors=*', f'--checks={checks}', '-p', build, entry['file']], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        return (done.stdout + done.stderr).decode(errors='replace')
    with open(stamp, 'w', encoding='utf-8') as file:
        file.write(os.path.relpath(entry['file'], ROOT) + '\n')
    return ''


def main():
    deep = sys.argv[2:] == ['--deep']
    if len(sys.argv) != 2 and not deep:
        sys.exit(__doc__)
    checks = '' if deep else ','.join('-' + name for name in DEAR_CHECKS)
    build = os.path.abspath(sys.argv[1])
    os.makedirs(os.path.join(build, 'clean'), exist_ok=True)
    with open(os.path.join(build, 'compile_commands.json'), encoding='utf-8') as file:
        entries = [entry for entry in json.load(file)
                   if entry['file'].endswith('.cc') and not entry['file'].startswith(build)]
    if not entries:
        sys.exit(f'{build}/compile_commands.json names no source')
    with open(os.path.join(ROOT, '.clang-tidy'), 'rb') as file:
        common = file.read() + checks.encode() + output_of([TIDY, '--version'])
    looked_at = complaints = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for verdict in pool.map(lambda entry: check(entry, build, checks, common), entries):
            looked_at += verdict is not None
            if verdict:
                complaints += 1
                print(verdict, end='', flush=True)
    print(f'    clang-tidy: {len(entries)} files, {looked_at} of them looked at anew, {complaints} with complaints')
    sys.exit(1 if complaints else 0)


if __name__ == '__main__':
    main()

"""What must never be seen: gathered from everything a world sends, and looked for, when it ends, in everything Outrider
wrote: the database and its log, the key file, its output and errors, and whatever a crash left behind.

What plain SQL brought is in the write-ahead log until the engine has emptied it; that has scenarios of its own.
"""
import json
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHORTEST = 8        # shorter texts are found by chance
SHOWN = 'financial'  # amounts are for operators to see
# Commands that show what they are given, because that is what they are for.
SHOWS = {'--reveal', 'listen', 'verify'}


def _sensitive(provider):
    """The pointers that a built-in provider marks; None for another one, whose payloads are masked whole."""
    path = os.path.join(ROOT, 'schemas', 'providers', provider + '.json')
    if not os.path.exists(path):
        return None
    with open(path, encoding='utf-8') as file:
        return [pointer for pointer, kind in json.load(file).get('sensitive', {}).items() if kind != SHOWN]


def _reached(value, steps):
    if not steps:
        yield value
    elif steps[0] == '*' and isinstance(value, list):
        for item in value:
            yield from _reached(item, steps[1:])
    elif isinstance(value, dict) and steps[0] in value:
        yield from _reached(value[steps[0]], steps[1:])


def _leaves(value):
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield str(value)


class Canaries:
    def __init__(self):
        self.texts = {}     # text: how much had been said before it was known here
        self.said = []

    def add(self, text):
        if len(text) >= SHORTEST and not text.startswith(('evt_', 'dlv_', 'ep_')):
            self.texts.setdefault(text, len(self.said))

    def in_payload(self, provider, payload):
        """What is marked sensitive in it; all of its longer texts where the provider's payloads are opaque."""
        try:
            value = json.loads(payload) if isinstance(payload, str) else payload
        except ValueError:
            return
        pointers = _sensitive(provider)
        for pointer in [''] if pointers is None else pointers:
            for part in _reached(value, pointer.split('/')[1:]):
                for leaf in _leaves(part):
                    self.add(leaf)

    def heard(self, words, outcome):
        if not SHOWS.intersection(words):
            self.said.append((' '.join(words), outcome.out + outcome.err))

    def look(self, folder, database, processes):
        """Complaints: where a canary was seen."""
        # What a command showed before (a secret that it generated) is not what is looked for.
        places = [(words, text.encode(), number) for number, (words, text) in enumerate(self.said)]
        paths = [database + suffix for suffix in ('', '-wal', '-shm', '-journal', '.key')]
        paths += [os.path.join(folder, name) for name in os.listdir(folder) if name.startswith('core')]
        for process in processes:
            if not SHOWS.intersection(process.command):
                paths += [process.out_path, process.err_path]
        for path in paths:
            if os.path.isfile(path):
                with open(path, 'rb') as file:
                    places.append((os.path.basename(path), file.read(), len(self.said)))
        for where, content, said in places:
            for text, known in self.texts.items():
                at = content.find(text.encode())
                if at >= 0 and said >= known:
                    yield f'{where} shows {text!r}: …{content[max(0, at - 100):at + 40]!r}…'

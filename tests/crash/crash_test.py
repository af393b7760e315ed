#!/usr/bin/env python3
"""Kills `outrider serve` with SIGKILL at random moments under load, and then asks an independent ledger what arrived.

A receiver (its own process, plain HTTP on loopback, its own HMAC) writes down each request. A publisher (its own process) inserts
events by plain SQL and notes each number once its COMMIT returned: that is the acknowledgement. `outrider send` adds some more.
serve is killed again and again, sometimes while it starts, sometimes in the middle of its work. In the end:

  - every acknowledged event arrived, and verified;
  - each event has one webhook-id, however often it was sent;
  - the attempts of each delivery are numbered 1, 2, 3, … and never go back;
  - no event was sent more often than its recorded attempts and the kills can explain;
  - the database is whole (integrity check), nothing waits, nothing is torn.

usage: crash_test.py OUTRIDER [--kills N] [--seed N]
"""
import argparse
import hashlib
import hmac
import http.server
import json
import multiprocessing
import os
import random
import shutil
import signal
import socketserver
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

SECRET = "crash-test-secret"
PROVIDER = {
    "format": 1,
    "name": "crash-test",
    "title": "Crash test",
    "signature": {
        "schemes": [{"algorithm": "hmac-sha256", "key": {"form": "text"}, "signed": "{id}.{body}",
                     "encoding": "hex", "value": "{digest}"}],
        "headers": {"X-Crash-Signature": "{signatures}"},
    },
    "body": "compact",
    "retry": {"delays_s": [1], "max_attempts": 1000},
    "deactivate": {"consecutive": 0, "window": {"failures": 0, "seconds": 900}},
    "events": {"*": {}},
}
FAIL_EVERY = 29      # the receiver answers 500 to one request in so many
LIMIT_S = 240        # for what must come in the end


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ledger = None
    lock = threading.Lock()
    count = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        ident = self.headers["webhook-id"]
        want = hmac.new(SECRET.encode(), ident.encode() + b"." + body, hashlib.sha256).hexdigest()
        good = hmac.compare_digest(want, self.headers.get("X-Crash-Signature", ""))
        with Receiver.lock:
            Receiver.count += 1
            status = 401 if not good else 500 if Receiver.count % FAIL_EVERY == 0 else 200
            Receiver.ledger.write(json.dumps({"n": json.loads(body)["n"], "id": ident,
                                              "status": status}) + "\n")
            Receiver.ledger.flush()
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # a killed sender resets its connections: that is the test


def run_receiver(ledger_path, port):
    Receiver.ledger = open(ledger_path, "a", encoding="utf-8")
    server = Server(("127.0.0.1", 0), Receiver)
    port.value = server.server_address[1]
    server.serve_forever()


def run_publisher(database, acknowledged, stop, seed):
    """Inserts events in small transactions until told to stop; a number is acknowledged once its COMMIT returned."""
    rng = random.Random(seed)
    number = 0
    db = sqlite3.connect(database, isolation_level=None, timeout=60)
    while not stop.is_set():
        rows = [number + i for i in range(rng.randint(1, 12))]
        number += len(rows)
        db.execute("BEGIN IMMEDIATE")
        for n in rows:
            db.execute("INSERT INTO outrider_outbox (account, provider, type, payload) VALUES (?, ?, ?, ?)",
                       ("acme", "crash-test", "loan.changed", json.dumps({"n": n, "pad": "x" * rng.randint(0, 900)})))
        if rng.random() < 0.05:
            db.execute("ROLLBACK")  # a host that changes its mind: these must never arrive
            acknowledged.put(("rolled_back", rows))
            continue
        db.execute("COMMIT")
        acknowledged.put(("committed", rows))
        stop.wait(rng.random() * 0.02)
    db.close()
    acknowledged.put(("end", []))


class Test:
    def __init__(self, binary, kills, seed):
        self.binary, self.kills, self.seed = binary, kills, seed
        self.rng = random.Random(seed)
        self.folder = tempfile.mkdtemp(prefix="outrider-crash-")
        self.database = os.path.join(self.folder, "crash.db")
        self.ledger = os.path.join(self.folder, "ledger.jsonl")
        self.errors = open(os.path.join(self.folder, "serve.err"), "ab")
        self.committed, self.rolled_back = set(), set()

    def cli(self, *args, stdin=None):
        return subprocess.run([self.binary, "--db", self.database, "--providers", self.folder, *args], input=stdin,
                              capture_output=True, text=True, timeout=LIMIT_S)

    def serve(self):
        return subprocess.Popen(
            [self.binary, "--db", self.database, "--providers", self.folder, "serve", "--allow-http",
             "--allow-net", "127.0.0.0/8", "--allow-port", "0", "--quiet"],
            stdout=subprocess.PIPE, stderr=self.errors)

    def set_up(self, port):
        with open(os.path.join(self.folder, "crash-test.json"), "w", encoding="utf-8") as file:
            json.dump(PROVIDER, file)
        added = self.cli("endpoint", "add", "--account", "acme", "--provider", "crash-test", "--url",
                         f"http://127.0.0.1:{port}/hook", "--secret-stdin", stdin=SECRET)
        assert added.returncode == 0, added.stderr

    def arrived(self):
        with open(self.ledger, encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    def wait_for_requests(self, more, limit_s):
        """Until so many more requests arrived, or the limit: a random moment measured in work, not in seconds."""
        size = os.path.getsize(self.ledger)
        end = time.monotonic() + limit_s
        want = size + more * 40
        while os.path.getsize(self.ledger) < want and time.monotonic() < end:
            time.sleep(0.0005)

    def kill_again_and_again(self):
        sent = 0
        for round_number in range(self.kills):
            process = self.serve()
            if round_number % 4 == 0:  # while it starts
                time.sleep(self.rng.random() * 0.05)
            else:
                process.stdout.readline()
                self.wait_for_requests(self.rng.randint(0, 40), 2)
            process.kill()
            code = process.wait()
            assert code == -signal.SIGKILL, f"serve ended by itself with {code}, see its errors: {self.tail_errors()}"
            process.stdout.close()
            if round_number % 10 == 0:
                n = 10_000_000 + round_number
                answer = self.cli("send", "--account", "acme", "--provider", "crash-test", "--type", "loan.changed",
                                  stdin=json.dumps({"n": n}))
                assert answer.returncode == 0, answer.stderr
                self.committed.add(n)
                sent += 1
            if (round_number + 1) % 50 == 0:
                print(f"  {round_number + 1} kills, {len(self.arrived())} requests at the receiver", flush=True)

    def tail_errors(self):
        self.errors.flush()
        with open(self.errors.name, "rb") as file:
            return file.read()[-2000:].decode(errors="replace")

    def finish(self):
        process = self.serve()
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            good = {row["n"] for row in self.arrived() if row["status"] == 200}
            if self.committed <= good and self.nothing_waits():
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=60)
        process.stdout.close()
        assert code == 0, f"serve did not stop cleanly: {code} {self.tail_errors()}"

    def nothing_waits(self):
        db = sqlite3.connect(self.database, timeout=60)
        try:
            waiting = db.execute("SELECT (SELECT count(*) FROM outrider_due) + "
                                 "(SELECT count(*) FROM outrider_outbox WHERE state = 'new')").fetchone()[0]
        finally:
            db.close()
        return waiting == 0

    def judge(self):
        rows = self.arrived()
        good = {row["n"] for row in rows if row["status"] == 200}
        missing = self.committed - good
        assert not missing, f"{len(missing)} acknowledged events never arrived, for example {sorted(missing)[:5]}"
        assert not self.rolled_back & {row["n"] for row in rows}, "an event of a rolled back transaction was sent"
        assert not [row for row in rows if row["status"] == 401], "a signature did not verify"
        ids, times = {}, {}
        for row in rows:
            ids.setdefault(row["n"], set()).add(row["id"])
            times[row["n"]] = times.get(row["n"], 0) + 1
        assert all(len(found) == 1 for found in ids.values()), "an event was sent under two ids"

        db = sqlite3.connect(self.database)
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        verified = self.cli("audit", "verify")
        assert verified.returncode == 0, f"the chain of attempts is broken: {verified.stdout}{verified.stderr}"
        events = db.execute("SELECT count(*) FROM outrider_event").fetchone()[0]
        assert events == len(self.committed), f"{events} events for {len(self.committed)} acknowledged"
        torn = db.execute("SELECT count(*) FROM outrider_delivery WHERE state != 2 OR finished_at IS NULL").fetchone()[0]
        assert torn == 0, f"{torn} deliveries are not delivered"
        attempts = 0
        last = None
        for ident, error, status in db.execute("SELECT id, error, status FROM outrider_attempt ORDER BY id"):
            delivery, number = divmod(ident, 65536)
            expected = last[1] + 1 if last and last[0] == delivery else 1
            assert number == expected, f"delivery {delivery}: attempt {number} where {expected} was due"
            last = (delivery, number)
            attempts += 1
        recorded = dict(db.execute("SELECT id, attempts FROM outrider_delivery"))
        assert sum(recorded.values()) == attempts, "a delivery's count does not match its attempts"
        again = len(rows) - attempts
        print(f"  {len(self.committed)} acknowledged, all arrived; {len(rows)} requests, {attempts} recorded attempts, "
              f"{again} sent again after a kill; {len(self.rolled_back)} rolled back and never sent")
        # Each kill can lose the records of what was in flight, at most one window (32) of this endpoint.
        assert 0 <= again <= self.kills * 32, f"{again} requests without a record"

    def run(self):
        port = multiprocessing.Value("i", 0)
        open(self.ledger, "w", encoding="utf-8").close()
        receiver = multiprocessing.Process(target=run_receiver, args=(self.ledger, port), daemon=True)
        receiver.start()
        while port.value == 0:
            time.sleep(0.001)
        self.set_up(port.value)
        stop, acknowledged = multiprocessing.Event(), multiprocessing.Queue()
        publisher = multiprocessing.Process(target=run_publisher, args=(self.database, acknowledged, stop, self.seed),
                                            daemon=True)
        publisher.start()
        try:
            self.kill_again_and_again()
        finally:
            stop.set()
        while True:
            kind, rows = acknowledged.get(timeout=LIMIT_S)
            if kind == "end":
                break
            (self.committed if kind == "committed" else self.rolled_back).update(rows)
        publisher.join()
        self.finish()
        receiver.kill()
        self.judge()
        shutil.rmtree(self.folder)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("outrider")
    parser.add_argument("--kills", type=int, default=int(os.environ.get("OUTRIDER_CRASH_KILLS", "200")))
    parser.add_argument("--seed", type=int, default=20260901)
    args = parser.parse_args()
    test = Test(args.outrider, args.kills, args.seed)
    print(f"crash test: {args.kills} kills, seed {args.seed}")
    try:
        test.run()
    except AssertionError as failure:
        print(f"FAILED: {failure}\n  (files kept in {test.folder})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""An application in Python that announces what it does, in the transaction that does it.

    insert_python.py DATABASE ACCOUNT

DATABASE is the application's own SQLite file, in which Outrider keeps its tables too (`outrider endpoint add` or
`outrider serve` makes them). Nothing of Outrider's is imported: the way in is one INSERT. Whatever becomes of the
application's row becomes of the event: committed together, or rolled back together.
"""
import json
import sqlite3
import sys


def pay_loan(db, account, loan, amount):
    db.execute('INSERT INTO loan_payment (loan, amount) VALUES (?, ?)', (loan, amount))
    db.execute(
        'INSERT INTO outrider_outbox (account, provider, type, payload, idempotency_key) VALUES (?, ?, ?, ?, ?)',
        (account, 'standard-webhooks', 'loan.paid', json.dumps({'loan': loan, 'amount': amount}), f'loan-{loan}-paid'))


def main(path, account):
    # isolation_level None: transactions begin and end where they are written. The timeout is how long to wait for
    # another writer; SQLite has one at a time.
    db = sqlite3.connect(path, isolation_level=None, timeout=5)
    db.execute('PRAGMA synchronous = FULL')  # what is committed survives a power cut, as Outrider's own commits do
    db.execute('CREATE TABLE IF NOT EXISTS loan_payment (loan INTEGER, amount REAL)')

    db.execute('BEGIN IMMEDIATE')
    pay_loan(db, account, 7, 1200.5)
    db.execute('COMMIT')
    print('loan 7 is paid: committed, and the event with it')

    db.execute('BEGIN IMMEDIATE')
    pay_loan(db, account, 8, 900)
    db.execute('ROLLBACK')
    print('loan 8 is not paid after all: rolled back, and no event exists')
    db.close()


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

// An application in Node that announces what it does, in the transaction that does it.
//
//     node insert_node.mjs DATABASE ACCOUNT
//
// DATABASE is the application's own SQLite file, in which Outrider keeps its tables too (`outrider endpoint add` or
// `outrider serve` makes them). Nothing of Outrider's is imported: the way in is one INSERT. Whatever becomes of the
// application's row becomes of the event: committed together, or rolled back together.
//
// Node has SQLite built in from version 22.5 on; before that the npm package below has the same interface. With
// better-sqlite3 the lines that matter read the same.

// By number, not by trying: where node:sqlite is only there behind a flag, its import fails in a way of its own.
const [major, minor] = process.versions.node.split('.').map(Number);
const builtIn = major > 22 || (major === 22 && minor >= 13);
const { DatabaseSync } = await import(builtIn ? 'node:sqlite' : '@photostructure/sqlite');

function payLoan(db, account, loan, amount) {
  db.prepare('INSERT INTO loan_payment (loan, amount) VALUES (?, ?)').run(loan, amount);
  db.prepare(
    'INSERT INTO outrider_outbox (account, provider, type, payload, idempotency_key) VALUES (?, ?, ?, ?, ?)'
  ).run(account, 'standard-webhooks', 'loan.paid', JSON.stringify({ loan, amount }), `loan-${loan}-paid`);
}

const [path, account] = process.argv.slice(2);
if (!account) {
  console.error('usage: node insert_node.mjs DATABASE ACCOUNT');
  process.exit(2);
}

const db = new DatabaseSync(path);
db.exec('PRAGMA busy_timeout = 5000'); // how long to wait for another writer; SQLite has one at a time
db.exec('PRAGMA synchronous = FULL'); // what is committed survives a power cut, as Outrider's own commits do
db.exec('CREATE TABLE IF NOT EXISTS loan_payment (loan INTEGER, amount REAL)');

db.exec('BEGIN IMMEDIATE');
payLoan(db, account, 7, 1200.5);
db.exec('COMMIT');
console.log('loan 7 is paid: committed, and the event with it');

db.exec('BEGIN IMMEDIATE');
payLoan(db, account, 8, 900);
db.exec('ROLLBACK');
console.log('loan 8 is not paid after all: rolled back, and no event exists');
db.close();

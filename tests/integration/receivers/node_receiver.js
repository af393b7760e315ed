// A receiver as its provider's customers write it in Node: for LossExpress and the application export by hand with crypto,
// for the rest with the libraries that the providers give to their users. Nothing of it is ours but the frame.
//
// usage: node node_receiver.js --provider NAME --secret-file FILE --ledger FILE [--cert FILE --key FILE] [--port N]
//                              [--status N] [--fail-first N] [--hang]
//
// Prints its port, then serves until it is killed. See README.md beside this file for the options and the ledger.
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const { parseArgs } = require('node:util');

const { values: options } = parseArgs({
  options: {
    provider: { type: 'string' },
    'secret-file': { type: 'string' },
    ledger: { type: 'string' },
    cert: { type: 'string' },
    key: { type: 'string' },
    port: { type: 'string', default: '0' },
    status: { type: 'string', default: '200' },
    'fail-first': { type: 'string', default: '0' },
    hang: { type: 'boolean', default: false },
  },
});

// Each says whether the request is genuine, or throws. `req.body` is what a body parser makes of the bytes, `req.rawBody`
// the bytes themselves.
const verifiers = {
  // "STRINGIFIED_REQUEST_BODY:PAYOFF_ID", an SHA256 HMAC signed with the API key.
  lossexpress(req, secret) {
    const expected = crypto
      .createHmac('sha256', secret)
      .update(`${JSON.stringify(req.body)}:${req.body.payoffId}`)
      .digest('hex');
    return sameText(req.headers['x-lossexpress-signature'], expected);
  },

  // "HMAC signature for verifying request authenticity": some keep the bytes, some stringify again; both must succeed.
  'credit-app'(req, secret) {
    const overBytes = crypto.createHmac('sha256', secret).update(req.rawBody).digest('hex');
    const overJson = crypto.createHmac('sha256', secret).update(JSON.stringify(req.body)).digest('hex');
    const given = req.headers['x-credit-app-signature'];
    return sameText(given, overBytes) && sameText(given, overJson);
  },

  'standard-webhooks'(req, secret) {
    const { Webhook } = require('standardwebhooks');
    new Webhook(secret).verify(req.rawBody.toString('utf8'), req.headers);
    return true;
  },

  stripe(req, secret) {
    const stripe = require('stripe')('sk_test_not_used');
    stripe.webhooks.constructEvent(req.rawBody, req.headers['stripe-signature'], secret);
    return true;
  },

  async github(req, secret) {
    const { verify } = await import('@octokit/webhooks-methods');
    return verify(secret, req.rawBody.toString('utf8'), req.headers['x-hub-signature-256'] ?? '');
  },
};

function sameText(given, expected) {
  const a = Buffer.from(given ?? '');
  const b = Buffer.from(expected);
  return a.length === b.length && crypto.timingSafeEqual(a, b);
}

const verifier = verifiers[options.provider];
if (!verifier || !options['secret-file'] || !options.ledger) {
  console.error(`usage: --provider ${Object.keys(verifiers).join('|')} --secret-file FILE --ledger FILE`);
  process.exit(2);
}
const secret = fs.readFileSync(options['secret-file'], 'utf8').trimEnd();
// Appended by one write before the answer goes out: a sender that has an answer finds its line.
const ledger = fs.openSync(options.ledger, 'a');
let sequence = 0;
let failuresLeft = Number(options['fail-first']);

async function verified(req) {
  try {
    req.body = JSON.parse(req.rawBody.toString('utf8'));
    return (await verifier(req, secret)) ? null : 'the signature does not match';
  } catch (error) {
    return error.message;
  }
}

function statusFor(reason) {
  if (options.hang) return 0;
  if (reason !== null) return 401;
  if (failuresLeft > 0) {
    failuresLeft -= 1;
    return 500;
  }
  return Number(options.status);
}

async function receive(req, res) {
  const reason = await verified(req);
  const status = statusFor(reason);
  sequence += 1;
  const line = {
    sequence,
    time: Date.now() / 1000,
    path: req.url,
    webhook_id: req.headers['webhook-id'] ?? null,
    verified: reason === null,
    reason,
    status,
    sha256: crypto.createHash('sha256').update(req.rawBody).digest('hex'),
  };
  fs.writeSync(ledger, JSON.stringify(line) + '\n');
  if (status === 0) return; // hangs: the sender has to give up
  res.statusCode = status;
  res.end();
}

function listener(req, res) {
  const chunks = [];
  req.on('data', (chunk) => chunks.push(chunk));
  req.on('error', () => {}); // a sender that hangs up has said nothing
  req.on('end', () => {
    req.rawBody = Buffer.concat(chunks);
    receive(req, res).catch((error) => {
      console.error(error);
      process.exit(1);
    });
  });
}

const server = options.cert
  ? https.createServer({ cert: fs.readFileSync(options.cert), key: fs.readFileSync(options.key) }, listener)
  : http.createServer(listener);
server.keepAliveTimeout = 120_000; // longer than any test: no request meets a connection that is being closed
server.listen(Number(options.port), '127.0.0.1', () => console.log(server.address().port));

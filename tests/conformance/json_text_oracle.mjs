// The judge of json_text_oracle_test.cc: JavaScript's own JSON. Reads lines from stdin:
//   A <original, hex> <body>      the engine made `body` of the original
//   R <original, hex> <reason>    the engine refused the original
// and prints its findings: `mismatch …` for each (the first twenty), then the counts.
// A body must be what JavaScript makes of the original, and its own fixed point. A refusal of what
// JavaScript accepts must be true: the reason is looked for here, by other means than the engine's.
import { readFileSync } from 'node:fs';

const MAX_DEPTH = 64;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
// With the flag u a pair is one code point, so that this finds only the halves without one.
// (String.isWellFormed, which says the same, came with Node 20.)
const LONE_SURROGATE = /\p{Surrogate}/u;
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[[\]{}:,]|true|false|null/g;

// Everything about a valid text that the engine must refuse.
function faults(text) {
  const found = new Set();
  const open = [];
  const tokens = text.match(TOKEN);
  tokens.forEach((token, i) => {
    if (token === '{' || token === '[') {
      open.push(new Set());
      if (open.length > MAX_DEPTH) found.add('nested too deep');
    } else if (token === '}' || token === ']') {
      open.pop();
    } else if (token[0] === '"') {
      const string = JSON.parse(token);
      if (LONE_SURROGATE.test(string)) found.add('lone surrogate');
      if (tokens[i + 1] !== ':') return;
      const keys = open.at(-1);
      if (keys.has(string)) found.add('duplicate key');
      keys.add(string);
      const index = Number(string);
      if (index >= 0 && index < 2 ** 32 - 1 && String(index) === string && Number.isInteger(index)) {
        found.add('key is an array index');
      }
      if (string === '__proto__') found.add('key __proto__');
    } else if (/^-?\d+$/.test(token)) {
      const magnitude = BigInt(token.replace('-', ''));
      if (magnitude > 2n ** 53n) found.add('integer beyond 2^53');
    } else if (/^-?\d/.test(token)) {
      if (!Number.isFinite(Number(token))) found.add('number overflows');
    }
  });
  return [...found];
}

function parsed(bytes) {
  try {
    const text = decoder.decode(bytes);
    return { text, value: JSON.parse(text) };
  } catch {
    return null;
  }
}

const counts = { accepted: 0, refused_by_both: 0, refused_here_only: 0, mismatches: 0 };
const reasons = {};
function mismatch(what, original, detail) {
  counts.mismatches += 1;
  if (counts.mismatches <= 20) console.log(`mismatch ${what}: ${JSON.stringify(original)} ${detail}`);
}

function judge_body(original, bytes, body) {
  counts.accepted += 1;
  const theirs = parsed(bytes);
  if (theirs === null) return mismatch('accepted what JavaScript refuses', original, body);
  if (JSON.stringify(theirs.value) !== body) {
    return mismatch('another body', original, `${body} is not ${JSON.stringify(theirs.value)}`);
  }
  if (JSON.stringify(JSON.parse(body)) !== body) return mismatch('no fixed point', original, body);
  const found = faults(theirs.text);
  if (found.length > 0) mismatch('accepted in spite of', original, found.join());
}

function judge_refusal(original, bytes, reason) {
  const theirs = parsed(bytes);
  if (theirs === null) {
    counts.refused_by_both += 1;
    return;
  }
  counts.refused_here_only += 1;
  const known = faults(theirs.text).find((fault) => reason.startsWith(fault));
  if (known === undefined) return mismatch('refused without cause', original, reason);
  reasons[known] = (reasons[known] ?? 0) + 1;
}

const input = readFileSync(0);
for (let begin = 0; begin < input.length; ) {
  const end = input.indexOf(10, begin);
  const hex_end = input.indexOf(32, begin + 2);
  const bytes = Buffer.from(input.toString('latin1', begin + 2, hex_end), 'hex');
  const rest = decoder.decode(input.subarray(hex_end + 1, end));
  const judge = input[begin] === 'A'.charCodeAt(0) ? judge_body : judge_refusal;
  judge(bytes.toString('utf8').slice(0, 300), bytes, rest);
  begin = end + 1;
}
for (const [name, count] of Object.entries(counts)) console.log(`${name} ${count}`);
for (const [name, count] of Object.entries(reasons)) console.log(`reason ${count} ${name}`);

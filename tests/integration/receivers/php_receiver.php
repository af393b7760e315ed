<?php
// A receiver as the Lender & Spender document tells its customers to write it: hash_hmac over the body, compared with the
// Signature header. PHP's built-in web server speaks no TLS, so this listens by itself, one request per connection.
//
// usage: php php_receiver.php --provider NAME --secret-file FILE --ledger FILE [--cert FILE --key FILE] [--port N]
//                             [--status N] [--fail-first N] [--hang]
//
// Prints its port, then serves until it is killed. See README.md beside this file for the options and the ledger.
declare(strict_types=1);
error_reporting(E_ALL);
ini_set('display_errors', 'stderr');

const HEADERS = ['lender-spender' => 'signature', 'credit-app' => 'x-credit-app-signature'];
const TIME_LIMIT_S = 10;  // for one client to say its request; the others wait

function is_genuine(string $payload, string $signature, string $secret): bool
{
    $computedSignature = hash_hmac('sha256', $payload, $secret);
    return hash_equals($computedSignature, $signature);
}

// [target, headers by lower-case name, body]; null when the client has said something else, or nothing.
function read_request($connection): ?array
{
    $line = fgets($connection, 16384);
    if ($line === false || !preg_match('#^POST (\S+) HTTP/1\.[01]\r\n$#', $line, $match)) {
        return null;
    }
    $headers = [];
    while (($line = fgets($connection, 16384)) !== false && $line !== "\r\n") {
        [$name, $value] = explode(':', $line, 2) + [1 => ''];
        $headers[strtolower($name)] = trim($value);
    }
    $length = (int) ($headers['content-length'] ?? '0');
    $body = $length > 0 ? stream_get_contents($connection, $length) : '';
    return $body !== false && strlen($body) === $length ? [$match[1], $headers, $body] : null;
}

function answer($connection, int $status): void
{
    fwrite($connection, "HTTP/1.1 $status Answer\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    fclose($connection);
}

$options = getopt('', ['provider:', 'secret-file:', 'ledger:', 'cert:', 'key:', 'port:', 'status:', 'fail-first:', 'hang']);
if (!isset($options['provider'], $options['secret-file'], $options['ledger'], HEADERS[$options['provider']])) {
    fwrite(STDERR, 'usage: --provider ' . implode('|', array_keys(HEADERS)) . " --secret-file FILE --ledger FILE\n");
    exit(2);
}
$header = HEADERS[$options['provider']];
$secret = rtrim(file_get_contents($options['secret-file']), "\r\n");
$ledger = fopen($options['ledger'], 'a');
$failures_left = (int) ($options['fail-first'] ?? 0);
$hangs = isset($options['hang']);
$hanging = [];
$sequence = 0;

$tls = isset($options['cert']);
$context = stream_context_create($tls ? ['ssl' => ['local_cert' => $options['cert'], 'local_pk' => $options['key']]] : []);
$server = stream_socket_server('tcp://127.0.0.1:' . ($options['port'] ?? '0'), $error, $message,
    STREAM_SERVER_BIND | STREAM_SERVER_LISTEN, $context);
if ($server === false) {
    fwrite(STDERR, "cannot listen: $message\n");
    exit(1);
}
echo explode(':', stream_socket_get_name($server, false))[1], "\n";

while (true) {
    $connection = @stream_socket_accept($server, -1);
    if ($connection === false) {
        continue;
    }
    stream_set_timeout($connection, TIME_LIMIT_S);
    if ($tls && !@stream_socket_enable_crypto($connection, true, STREAM_CRYPTO_METHOD_TLS_SERVER)) {
        fclose($connection);
        continue;
    }
    $request = read_request($connection);
    if ($request === null) {
        fclose($connection);
        continue;
    }
    [$target, $headers, $payload] = $request;
    $verified = is_genuine($payload, $headers[$header] ?? '', $secret);
    $status = $hangs ? 0 : (!$verified ? 401 : ($failures_left > 0 ? 500 : (int) ($options['status'] ?? 200)));
    if ($verified && $failures_left > 0) {
        $failures_left--;
    }
    // Appended by one write before the answer goes out: a sender that has an answer finds its line.
    fwrite($ledger, json_encode([
        'sequence' => ++$sequence,
        'time' => microtime(true),
        'path' => $target,
        'webhook_id' => $headers['webhook-id'] ?? null,
        'verified' => $verified,
        'reason' => $verified ? null : 'the signature does not match',
        'status' => $status,
        'sha256' => hash('sha256', $payload),
    ], JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES) . "\n");
    fflush($ledger);
    if ($hangs) {
        $hanging[] = $connection;  // kept open: the sender has to give up
    } else {
        answer($connection, $status);
    }
}

// Outrider for C, and for every language that can call C. The same engine as outrider.h, with the
// same contracts.
//
// Strings are UTF-8 and end with NUL; optional ones may be NULL. They are copied; nothing given is
// kept. Functions return 0 (OUTRIDER_OK) or an error code, and fill `error` where it is not NULL.
// Threads: outrider_publish and outrider_notify may be called from any thread, the rest from the
// thread that opened the engine; outrider_enqueue from the thread that uses the connection. No
// function throws.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sqlite3;
typedef struct outrider_engine outrider_engine;

// The values of outrider::ErrorCode plus one.
enum {
  OUTRIDER_OK = 0,
  OUTRIDER_INVALID_ARGUMENT = 1,
  OUTRIDER_INVALID_PAYLOAD = 2,
  OUTRIDER_NOT_FOUND = 3,
  OUTRIDER_CONFLICT = 4,
  OUTRIDER_REFUSED = 5,
  OUTRIDER_OVERLOADED = 6,
  OUTRIDER_BUSY = 7,
  OUTRIDER_LOCKED = 8,
  OUTRIDER_CORRUPT = 9,
  OUTRIDER_TOO_NEW = 10,
  OUTRIDER_IO = 11,
  OUTRIDER_UNKNOWN_OUTCOME = 12,
  OUTRIDER_STOPPED = 13,
  OUTRIDER_INTERNAL = 14,
  OUTRIDER_KEY = 15
};

typedef struct {
  int code;
  char message[512];  // one line: what (where): what to do; cut to fit, always ends with NUL
} outrider_error;

// Something that happened, as outrider::Notice; texts that do not apply are "". Alive during the
// call only.
typedef struct {
  size_t size;
  const char* id;    // the cursor to go on with: outrider_options.notices_after
  int64_t at;        // UTC milliseconds
  const char* kind;  // "delivery.exhausted"
  const char* account;
  const char* provider;
  const char* endpoint;
  const char* delivery;
  const char* event;
  const char* event_type;
  int64_t row;  // of outrider_outbox, where that was rejected; else 0
  const char* detail;
} outrider_notice;

// Set `size` to sizeof(outrider_options): fields that a later version adds then keep their
// defaults, and a library that is older than the program refuses what it does not know. A zero
// means the default.
typedef struct {
  size_t size;
  const char* database;       // required
  const char* providers_dir;  // extra provider definitions
  const char* ca_file;        // extra trusted CA bundle
  const char* allow_nets;     // CIDRs, separated by commas
  const char* allow_ports;    // ports beside 443, separated by commas; "0": all
  int allow_http;
  uint32_t max_in_flight;
  uint64_t max_payload_bytes;
  void (*log)(void* context, const char* line);  // called on the engine's threads
  void* log_context;
  const char* key_file;  // what is sealed hangs on it; default: the service manager's credential
                         // outrider.key, else <database>.key, made for a new database
  int plain;             // keep a new database unsealed, for good
  const char* egress_proxy;  // "http://[user:password@]host:port"; never the environment's
  // Called once the notice is durable, on the engine's loop thread; as Options::on_notice.
  void (*notice)(void* context, const outrider_notice* notice);
  void* notice_context;
  const char* notices_after;  // begin behind the notice with this id, ""; at the oldest; NULL: with
                              // the next one
  uint64_t loops;             // threads that send, 1-16
} outrider_options;

typedef struct {
  size_t size;  // sizeof(outrider_event)
  const char* account;
  const char* provider;
  const char* type;
  const char* payload;  // JSON
  const char* idempotency_key;
  const char* ordering_key;
  int64_t expires_at;       // UTC milliseconds; 0: never
  const char* traceparent;  // W3C Trace Context, sent on with every attempt
  const char* tracestate;
} outrider_event;

typedef struct {
  char id[32];  // evt_…
  uint32_t deliveries;
  int duplicate;
} outrider_receipt;

const char* outrider_version(void);

// Opens and starts. On success *engine must be given to outrider_close.
int outrider_open(const outrider_options* options, outrider_engine** engine, outrider_error* error);
// Returns once the event is durable. `receipt` may be NULL.
int outrider_publish(outrider_engine* engine, const outrider_event* event,
                     outrider_receipt* receipt, outrider_error* error);
// OUTRIDER_OK while the engine can go on; otherwise why not.
int outrider_health(const outrider_engine* engine, outrider_error* error);
// Stops (requests in flight finish or time out) and frees. NULL is ignored.
int outrider_close(outrider_engine* engine, outrider_error* error);

// Into the host's own open transaction; *row is the row id in outrider_outbox, and may be NULL.
int outrider_enqueue(struct sqlite3* db, const outrider_event* event, int64_t* row,
                     outrider_error* error);
void outrider_notify(const char* database);

#ifdef __cplusplus
}
#endif

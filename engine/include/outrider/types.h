// The values a user of Outrider meets: events, endpoints, deliveries, attempts.
//
// Times are UTC milliseconds since 1970-01-01 (field names end in `_at`); durations are
// milliseconds (`_ms`). Ids are short opaque text: `evt_…`, `dlv_…`, `ep_…`. They are stable, and
// carry no meaning beyond identity.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace outrider {

// What a publisher says. Limits: account, type, keys: 1-255 bytes of printable UTF-8; payload: JSON
// text, at most Options::max_payload_bytes (default 256 KiB).
struct Event {
  std::string account;   // whose endpoints hear of it
  std::string provider;  // name of a provider definition, for example "standard-webhooks"
  std::string type;      // one of the provider's event types
  std::string payload;   // JSON text; the body that is sent is its canonical form by the provider's
                         // `body` rule
  std::optional<std::string> idempotency_key;  // unique per account and provider
  std::optional<std::string>
      ordering_key;  // deliveries with one key go out one at a time, in publish order
  std::optional<std::int64_t> expires_at;  // no attempt starts after this
  std::vector<std::string> endpoints;      // only to these endpoints (ids); empty: all that match
  // W3C Trace Context, sent on with every attempt as it is: receivers' spans hang below the one
  // that published. What is not valid is kInvalidArgument.
  std::optional<std::string> traceparent = {};
  std::optional<std::string> tracestate = {};  // needs a traceparent; at most 512 bytes
};

// What the publisher gets back once the event is durable.
struct EventReceipt {
  std::string id;                // evt_…
  std::uint32_t deliveries = 0;  // endpoints it goes to
  bool duplicate = false;        // the idempotency key was known: this is the first event's receipt
  friend bool operator==(const EventReceipt&, const EventReceipt&) = default;
};

enum class EndpointState : std::uint8_t { kActive, kPaused, kDeactivated };
enum class DeliveryState : std::uint8_t {
  kPending,
  kHeld,  // pending, while its endpoint is not active
  kDelivered,
  kExhausted,
  kExpired,
  kCancelled,
};
// Why an attempt did not succeed; a closed list, the same in the database, the CLI, logs and
// metrics.
enum class ErrorClass : std::uint8_t {
  kNone,      // it succeeded
  kDns,       // the name did not resolve
  kConnect,   // refused or unreachable
  kTls,       // handshake or certificate
  kTimeout,   // no complete answer within the time limit
  kReset,     // the connection died before a complete answer
  kProtocol,  // the answer was not HTTP, or broke its rules
  kTooLarge,  // headers or body beyond any sense
  kBlocked,   // the target is not one the operator allows
  kStatus,    // a complete answer whose status is not a success
  kRedirect,  // a redirect; never followed
  kAborted,   // we gave up: shutting down, or the connection could not be trusted
};

[[nodiscard]] std::string_view state_name(EndpointState state) noexcept;  // "active"
[[nodiscard]] std::string_view state_name(DeliveryState state) noexcept;  // "pending"
[[nodiscard]] std::string_view error_class_name(
    ErrorClass error) noexcept;  // "dns"; kNone is "none"
[[nodiscard]] std::optional<EndpointState> endpoint_state_from(std::string_view name) noexcept;
[[nodiscard]] std::optional<DeliveryState> delivery_state_from(std::string_view name) noexcept;
[[nodiscard]] std::optional<ErrorClass> error_class_from(std::string_view name) noexcept;

struct HeaderField {
  std::string name;
  std::string value;
  friend bool operator==(const HeaderField&, const HeaderField&) = default;
};

// A signing secret. `text` is as the provider's key form wants it (plain text, base64, hex,
// `whsec_…`).
struct Secret {
  std::string text;
  std::int64_t created_at = 0;
  std::optional<std::int64_t> expires_at;  // unset: lives until replaced
  friend bool operator==(const Secret&, const Secret&) = default;
};

enum class TlsVersion : std::uint8_t { k12 = 12, k13 = 13 };

// How an endpoint is met over TLS, beyond what holds for all. Texts are PEM.
struct TlsIdentity {
  std::string ca;  // authorities that are trusted for this endpoint, and no others: neither
                   // the system's nor those of the engine's ca_file; empty: these
  std::string certificate;  // client certificate, its chain after it; empty: none
  std::string key;          // its private key, not encrypted; never shown
  TlsVersion at_least = TlsVersion::k12;
  friend bool operator==(const TlsIdentity&, const TlsIdentity&) = default;
};

// What is to become of an endpoint's TLS settings. Not set: stays; empty: goes. A new certificate
// alone must be one for the key that the endpoint has; a certificate takes its key along when it
// goes.
struct TlsChange {
  std::optional<std::string> ca, certificate, key;
  std::optional<TlsVersion> at_least;
};

// What a certificate says of itself; see certificate.h.
struct CertificateSummary {
  std::string subject;  // as RFC 4514 writes names: "CN=acme client,O=Acme"; the words of whoever
                        // made the certificate: not for a terminal as they are
  std::string issuer;
  std::int64_t valid_from = 0;
  std::int64_t valid_through = 0;  // the last second that counts
  std::string sha256;              // of its DER bytes, 64 lowercase hex digits
  friend bool operator==(const CertificateSummary&, const CertificateSummary&) = default;
};

// What an operator says when adding an endpoint.
struct EndpointSpec {
  std::string account;
  std::string provider;
  std::string url;     // https://host[:port]/path; see core/target.h for what is refused
  std::string secret;  // signing secret; empty: one is generated where the key form allows it
  std::vector<std::string> types;  // event types it wants; empty: all
  std::vector<HeaderField>
      headers;  // extra headers; hop-by-hop, signature and engine headers are refused
  std::string description;
  double rate_per_second = 0;        // 0: unlimited
  std::uint32_t max_in_flight = 32;  // 1-1024
  TlsIdentity tls;
};

// A signing secret, without its text.
struct SecretView {
  std::int64_t created_at = 0;
  std::optional<std::int64_t> expires_at;  // not valid from then on; unset: lives until replaced
};

struct EndpointView {
  std::string id;
  std::string account;
  std::string provider;
  std::string url;
  std::vector<std::string> types;
  std::vector<HeaderField> headers;  // values masked: they often carry tokens
  std::string description;
  double rate_per_second = 0;
  std::uint32_t max_in_flight = 32;
  EndpointState state = EndpointState::kActive;
  std::string state_reason;
  std::int64_t created_at = 0;
  std::int64_t state_changed_at = 0;
  std::uint32_t consecutive_failures = 0;
  std::uint32_t recent_failures = 0;  // failures remembered for the sliding window
  std::uint32_t live_secrets = 0;     // the texts are never shown
  TlsIdentity tls;                    // without its key
  std::string unreadable;  // not empty: why what is sealed of it cannot be read; it sends nothing
  std::vector<SecretView> secrets = {};  // the live ones, newest first
};

struct AttemptView {
  std::uint32_t number = 0;  // 1 is the first
  std::int64_t started_at = 0;
  std::int64_t duration_ms = 0;
  ErrorClass error = ErrorClass::kNone;
  int status = 0;          // 0: no status line arrived
  std::string peer;        // address:port actually connected to
  std::string detail;      // what happened, in words
  std::string response;    // the answer's first bytes, bounded
  std::string unreadable;  // not empty: why the response cannot be read
};

struct DeliveryView {
  std::string id;
  std::string event;
  std::string endpoint;
  std::string url;
  DeliveryState state = DeliveryState::kPending;
  std::string reason;                   // why it is in this state, where there is more to say
  std::uint32_t attempts = 0;           // made so far
  std::optional<std::int64_t> next_at;  // when the next attempt is due
  std::optional<std::int64_t> finished_at;
  std::vector<AttemptView> log;
};

struct EventView {
  std::string id;
  std::string account;
  std::string provider;
  std::string type;
  std::int64_t created_at = 0;
  bool has_idempotency_key = false;  // only a keyed digest of it is kept
  std::optional<std::string> ordering_key;
  std::optional<std::int64_t> expires_at;
  std::string payload;  // masked unless revealed; empty once purged
  bool payload_purged = false;
  std::string unreadable;  // not empty: why the payload cannot be read (forgotten, no key, damaged)
  std::vector<DeliveryView> deliveries;
  std::optional<std::string> traceparent = {};
  std::optional<std::string> tracestate = {};
};

// What the feed of notices tells. Stored: the numbers stay.
enum class NoticeKind : std::uint8_t {
  kEndpointDeactivated = 1,  // by its provider's rules
  kEndpointActivated = 2,    // by an operator
  kDeliveryExhausted = 3,    // no attempt is left
  kDeliveryExpired = 4,      // its date has passed
  kEventRejected = 5,        // a row of outrider_outbox was refused
};
[[nodiscard]] std::string_view notice_kind_name(NoticeKind kind) noexcept;  // "delivery.exhausted"
[[nodiscard]] std::optional<NoticeKind> notice_kind_from(std::string_view name) noexcept;

// One thing that happened, written in the commit that made it so. Notices come in the order of
// their commits and are removed with the attempts of their time.
struct Notice {
  std::string id;  // ntc_…; also the cursor: what follows it is newer
  std::int64_t at = 0;
  NoticeKind kind = NoticeKind::kEndpointDeactivated;
  std::string account;  // both empty where a rejected row has none that can be shown
  std::string provider;
  std::string endpoint;  // ep_…, dlv_…, evt_…: those it is about; empty: none
  std::string delivery;
  std::string event;
  std::string event_type;           // of the delivery's event, or of the rejected row
  std::optional<std::int64_t> row;  // of outrider_outbox, where that was rejected
  std::string detail;               // why, in our own words
  friend bool operator==(const Notice&, const Notice&) = default;
};

struct NoticeFilter {
  std::string cursor;                 // only newer than the notice with this id; empty: all
  std::optional<std::int64_t> since;  // UTC milliseconds
  std::optional<NoticeKind> kind;
  std::string account;
  bool newest = false;       // the last ones of all that match, instead of the first
  std::uint32_t limit = 50;  // 1-1000
};

// Oldest first.
struct NoticePage {
  std::vector<Notice> notices;
  std::string cursor;  // to go on with, also when nothing was found
  bool more = false;   // the limit cut it off
};

// What a token of the HTTP API allows. Operating includes publishing and reading; those include
// nothing else. Stored: the numbers stay.
enum class Role : std::uint8_t { kNone = 0, kPublish = 1, kRead = 2, kOperate = 3 };
[[nodiscard]] std::string_view role_name(Role role) noexcept;                 // "publish"
[[nodiscard]] std::optional<Role> role_from(std::string_view name) noexcept;  // kNone has no name

struct TokenView {
  std::string id;  // part of the token, by which it is found: no secret
  std::string name;
  Role role = Role::kNone;
  std::string account;  // not empty: it sees and does only this account's
  std::int64_t created_at = 0;
  std::string sha256;  // 32 bytes, of the whole token
};

// What is to change of an endpoint; unset: as it is.
struct EndpointChange {
  std::optional<std::string> url;
  std::optional<std::vector<std::string>> types;
  std::optional<std::vector<HeaderField>> headers;  // all of them
  std::optional<std::string> description;
  std::optional<double> rate_per_second;
  std::optional<std::uint32_t> max_in_flight;
  TlsChange tls = {};
};

struct EventFilter {
  std::string account;
  std::string provider;
  std::string type;
  std::optional<DeliveryState> state;  // events with a delivery in this state
  std::string endpoint;                // events with a delivery to this endpoint
  std::string idempotency_key;         // needs account and provider
  std::string before;                  // cursor: only events older than this id
  std::uint32_t limit = 50;            // 1-1000
};

// What an endpoint is to get again, or for the first time.
struct ReplayFilter {
  std::optional<std::int64_t> since;  // events accepted at or after; unset: from the first on
  std::optional<std::int64_t> until;  // and before; unset: now
  std::vector<std::string> types;     // empty: all
  // Events whose delivery to this endpoint ended in one of these; others are left alone.
  std::vector<DeliveryState> states = {DeliveryState::kExhausted, DeliveryState::kExpired,
                                       DeliveryState::kCancelled};
  // Also events that have no delivery to it, though it would get them today: published before it
  // was there, or before it wanted their type. Not those that named other endpoints.
  bool missed = true;
  std::vector<std::string> events;  // only these, at most 1000 ids; empty: all
  std::uint32_t limit = 10'000;     // deliveries of one call, 1-100000
  bool dry_run = false;             // counts and changes nothing
  std::string cursor;               // of the answer before: goes on behind it
};
struct ReplayReport {
  std::uint64_t replayed = 0;   // deliveries made due, or that would be
  std::uint64_t waiting = 0;    // not: they are pending already
  std::uint64_t expired = 0;    // not: their date has passed
  std::uint64_t purged = 0;     // not: retention has removed the payload
  std::uint64_t too_often = 0;  // not: tried too often to be tried again
  std::uint64_t unknown = 0;    // of the events named: not of its account and provider, or gone
  std::int64_t until = 0;       // the range's end, as it was taken
  std::optional<std::string> cursor;  // set: there may be more; call again with it
};

struct EndpointQueue {
  std::string endpoint;
  std::string url;
  EndpointState state = EndpointState::kActive;
  std::uint64_t waiting = 0;  // rows due now or later (held ones included)
  std::uint64_t due = 0;      // due now, endpoint active
  std::uint64_t held = 0;
  std::uint64_t exhausted = 0;
  std::optional<std::int64_t> oldest_at;  // acceptance time of the oldest waiting event
  std::optional<std::int64_t> next_at;    // earliest next attempt
};

struct QueueView {
  std::uint64_t waiting = 0;
  std::uint64_t due = 0;
  std::uint64_t held = 0;
  std::uint64_t exhausted = 0;
  std::uint64_t delivered = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t expired = 0;
  std::uint64_t inbox = 0;                 // rows of outrider_outbox not picked up yet
  std::uint64_t rejected = 0;              // rows of outrider_outbox refused, with their reason
  std::optional<std::uint64_t> in_flight;  // known only while an engine runs and says so
  bool engine_running = false;
  std::optional<std::int64_t> oldest_at;
  std::optional<std::int64_t> next_at;
  std::vector<EndpointQueue> endpoints;
};

}  // namespace outrider

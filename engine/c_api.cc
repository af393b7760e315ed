// The C face: copies values across, turns Result into a code and a line of text, and lets no
// exception out.
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "outrider/outrider.h"
#include "outrider/outrider_c.h"

struct outrider_engine {
  std::unique_ptr<outrider::Engine> engine;
};

namespace {

using outrider::Error;
using outrider::ErrorCode;
using outrider::Result;

constexpr int code_of(ErrorCode code) { return static_cast<int>(code) + 1; }
static_assert(code_of(ErrorCode::kInvalidArgument) == OUTRIDER_INVALID_ARGUMENT);
static_assert(code_of(ErrorCode::kLocked) == OUTRIDER_LOCKED);
static_assert(code_of(ErrorCode::kInternal) == OUTRIDER_INTERNAL);
static_assert(code_of(ErrorCode::kKey) == OUTRIDER_KEY);

int answer(const Error& from, outrider_error* to) noexcept {
  const int code = code_of(from.code);
  if (to == nullptr) return code;
  to->code = code;
  const std::string text = from.to_string();
  const std::size_t size = std::min(text.size(), sizeof to->message - 1);
  std::memcpy(to->message, text.data(), size);
  to->message[size] = '\0';
  return code;
}

int succeed(outrider_error* error) noexcept {
  if (error != nullptr) {
    error->code = OUTRIDER_OK;
    error->message[0] = '\0';
  }
  return OUTRIDER_OK;
}

// Out of memory is the one exception that our own code lets rise.
template <class F>
int guarded(outrider_error* error, F call) noexcept {
  try {
    return call();
  } catch (const std::exception&) {
    if (error != nullptr) {
      error->code = OUTRIDER_INTERNAL;
      std::strncpy(error->message, "out of memory", sizeof error->message);
    }
    return OUTRIDER_INTERNAL;
  }
}

std::string text(const char* value) { return value == nullptr ? std::string() : value; }

std::optional<std::string> optional_text(const char* value) {
  if (value == nullptr) return std::nullopt;
  return value;
}

std::vector<std::string> split(const char* list) {
  std::vector<std::string> parts;
  std::string_view rest = list == nullptr ? std::string_view() : list;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    if (comma > 0) parts.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return parts;
}

// As many bytes as the first version had; every later field comes after them.
constexpr std::size_t kFirstOptionsSize = offsetof(outrider_options, key_file);
constexpr std::size_t kFirstEventSize = offsetof(outrider_event, traceparent);
constexpr std::size_t kMostSize = 4096;  // beyond it nobody has set it

// The caller's struct as this version has it: what an older program does not know is zero, and what
// a newer one knows and we do not must be. `name` is "options" or "event".
template <class Struct>
Result<Struct> known_part(const Struct* from, std::size_t first_size, const std::string& name) {
  if (from == nullptr || from->size < first_size || from->size > kMostSize) {
    return outrider::fail(ErrorCode::kInvalidArgument, name + ": missing or of another version",
                          name + ".size", "set it to sizeof(outrider_" + name + ")");
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(from);
  const std::size_t known = std::min(from->size, sizeof(Struct));
  if (std::any_of(bytes + known, bytes + from->size,
                  [](unsigned char byte) { return byte != 0; })) {
    return outrider::fail(ErrorCode::kInvalidArgument,
                          name + ": a field is set that this version of the library does not know",
                          name + ".size", "use the library that belongs to the header");
  }
  Struct copy{};
  std::memcpy(&copy, bytes, known);
  return copy;
}

using TellNotice = void (*)(void* context, const outrider_notice* notice);

void tell(TellNotice call, void* context, const outrider::Notice& notice) {
  const std::string kind(outrider::notice_kind_name(notice.kind));
  const outrider_notice told{.size = sizeof(outrider_notice),
                             .id = notice.id.c_str(),
                             .at = notice.at,
                             .kind = kind.c_str(),
                             .account = notice.account.c_str(),
                             .provider = notice.provider.c_str(),
                             .endpoint = notice.endpoint.c_str(),
                             .delivery = notice.delivery.c_str(),
                             .event = notice.event.c_str(),
                             .event_type = notice.event_type.c_str(),
                             .row = notice.row.value_or(0),
                             .detail = notice.detail.c_str()};
  call(context, &told);
}

Result<outrider::Options> options_of(const outrider_options* given) {
  const auto from = known_part(given, kFirstOptionsSize, "options");
  if (!from) return tl::unexpected(from.error());
  outrider::Options options;
  options.database = text(from->database);
  options.providers_dir = text(from->providers_dir);
  options.ca_file = text(from->ca_file);
  options.key_file = text(from->key_file);
  options.seal = from->plain == 0;
  options.egress_proxy = text(from->egress_proxy);
  options.targets.allow_nets = split(from->allow_nets);
  options.targets.allow_http = from->allow_http != 0;
  for (const std::string& port : split(from->allow_ports)) {
    std::uint16_t number = 0;
    const char* end = port.data() + port.size();
    const auto read = std::from_chars(port.data(), end, number);
    if (read.ec != std::errc() || read.ptr != end) {
      return outrider::fail(ErrorCode::kInvalidArgument, "not a port number",
                            "options.allow_ports");
    }
    options.targets.allow_ports.push_back(number);
  }
  if (from->max_in_flight != 0) options.max_in_flight = from->max_in_flight;
  if (from->loops != 0) {
    options.loops = static_cast<std::uint32_t>(std::min<std::uint64_t>(from->loops, UINT32_MAX));
  }
  if (from->max_payload_bytes != 0) options.max_payload_bytes = from->max_payload_bytes;
  if (from->notice != nullptr) {
    options.on_notice = [call = from->notice, context = from->notice_context](
                            const outrider::Notice& notice) { tell(call, context, notice); };
  }
  options.notices_after = optional_text(from->notices_after);
  if (from->log != nullptr) {
    options.log = [log = from->log, context = from->log_context](std::string_view line) {
      log(context, std::string(line).c_str());
    };
  }
  return options;
}

Result<outrider::Event> event_of(const outrider_event* given) {
  const auto from = known_part(given, kFirstEventSize, "event");
  if (!from) return tl::unexpected(from.error());
  outrider::Event event{.account = text(from->account),
                        .provider = text(from->provider),
                        .type = text(from->type),
                        .payload = text(from->payload),
                        .idempotency_key = optional_text(from->idempotency_key),
                        .ordering_key = optional_text(from->ordering_key),
                        .expires_at = std::nullopt,
                        .endpoints = {},
                        .traceparent = optional_text(from->traceparent),
                        .tracestate = optional_text(from->tracestate)};
  if (from->expires_at != 0) event.expires_at = from->expires_at;
  return event;
}

}  // namespace

extern "C" {

const char* outrider_version(void) { return outrider::version().data(); }

int outrider_open(const outrider_options* options, outrider_engine** engine,
                  outrider_error* error) {
  return guarded(error, [&] {
    auto wanted = options_of(options);
    if (!wanted) return answer(wanted.error(), error);
    auto opened = outrider::Engine::open(std::move(*wanted));
    if (!opened) return answer(opened.error(), error);
    if (auto started = (*opened)->start(); !started) return answer(started.error(), error);
    *engine = new outrider_engine{std::move(*opened)};
    return succeed(error);
  });
}

int outrider_publish(outrider_engine* engine, const outrider_event* event,
                     outrider_receipt* receipt, outrider_error* error) {
  return guarded(error, [&] {
    auto wanted = event_of(event);
    if (!wanted) return answer(wanted.error(), error);
    auto published = engine->engine->publish(*wanted);
    if (!published) return answer(published.error(), error);
    if (receipt != nullptr) {
      *receipt = {};
      published->id.copy(receipt->id, sizeof receipt->id - 1);
      receipt->deliveries = published->deliveries;
      receipt->duplicate = published->duplicate ? 1 : 0;
    }
    return succeed(error);
  });
}

int outrider_health(const outrider_engine* engine, outrider_error* error) {
  return guarded(error, [&] {
    auto health = engine->engine->health();
    return health ? succeed(error) : answer(health.error(), error);
  });
}

int outrider_close(outrider_engine* engine, outrider_error* error) {
  if (engine == nullptr) return succeed(error);
  return guarded(error, [&] {
    const std::unique_ptr<outrider_engine> owned(engine);
    auto stopped = owned->engine->stop();
    return stopped ? succeed(error) : answer(stopped.error(), error);
  });
}

int outrider_enqueue(struct sqlite3* db, const outrider_event* event, int64_t* row,
                     outrider_error* error) {
  return guarded(error, [&] {
    auto wanted = event_of(event);
    if (!wanted) return answer(wanted.error(), error);
    auto enqueued = outrider::enqueue(db, *wanted);
    if (!enqueued) return answer(enqueued.error(), error);
    if (row != nullptr) *row = *enqueued;
    return succeed(error);
  });
}

void outrider_notify(const char* database) {
  guarded(nullptr, [&] {
    outrider::notify(text(database));
    return OUTRIDER_OK;
  });
}

}  // extern "C"

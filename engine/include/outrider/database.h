// The operator's side: everything the CLI does, on the database file, from any process, whether or
// not an engine runs. Every change is one durable transaction; a running engine hears of it within
// milliseconds. Threads: one Database is used by one thread at a time. Ids are the public text ids;
// an id of a different database or a misspelt one is kNotFound.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "outrider/provider.h"
#include "outrider/result.h"
#include "outrider/types.h"

namespace outrider {

struct DatabaseOptions {
  std::string path;
  bool create =
      false;  // make it where it is missing (endpoint add, send, serve); otherwise kNotFound
  std::uint64_t max_payload_bytes = 256 * 1024;
  std::uint32_t busy_timeout_ms = 5000;
};

class Database {
 public:
  // Errors: kNotFound, kCorrupt (not a database, or damaged), kTooNew, kIo, kBusy.
  [[nodiscard]] static Result<std::unique_ptr<Database>> open(DatabaseOptions options,
                                                              Providers providers);
  // Publishing without an engine: durable when it returns; delivered when one runs.
  [[nodiscard]] Result<EventReceipt> publish(const Event& event);

  // `generated_secret` is set when the secret was generated: the only time it is seen.
  struct Added {
    EndpointView endpoint;
    std::optional<std::string> generated_secret;
  };
  [[nodiscard]] Result<Added> add_endpoint(const EndpointSpec& spec);
  [[nodiscard]] Result<std::vector<EndpointView>> endpoints(const std::string& account = {},
                                                            const std::string& provider = {});
  [[nodiscard]] Result<EndpointView> endpoint(const std::string& id);
  [[nodiscard]] Result<EndpointView> pause_endpoint(const std::string& id,
                                                    const std::string& reason);
  // From paused or deactivated; clears its failure counts; what was held is released.
  [[nodiscard]] Result<EndpointView> activate_endpoint(const std::string& id);
  // Its pending deliveries are cancelled, its secrets erased; history stays.
  [[nodiscard]] Result<void> remove_endpoint(const std::string& id);
  // A new signing secret (empty: generated). The old ones stay valid for `overlap_s` seconds (0:
  // they end now); at most 10 live. Returns the secret where it was generated.
  [[nodiscard]] Result<std::optional<std::string>> rotate_secret(const std::string& id,
                                                                 const std::string& secret,
                                                                 std::int64_t overlap_s);
  // Enqueues the provider's test event to this endpoint alone: tried once, never counted.
  [[nodiscard]] Result<EventReceipt> test_endpoint(const std::string& id);

  // `with_endpoints` adds the per-endpoint rows.
  [[nodiscard]] Result<QueueView> queue(bool with_endpoints = true);

  [[nodiscard]] Result<std::vector<EventView>> events(const EventFilter& filter);
  // With deliveries and attempts. Accepts an event id or a delivery id. Sensitive fields are masked
  // unless `reveal`.
  [[nodiscard]] Result<EventView> event(const std::string& id, bool reveal = false);
  // Makes deliveries due now: of the event (or the one delivery) those that are exhausted, expired,
  // cancelled or waiting for a later attempt; `failed_only` false also resends delivered ones;
  // events kept without an endpoint are matched again. Returns how many.
  [[nodiscard]] Result<std::uint32_t> retry(const std::string& id, bool failed_only = true);
  // Ends what is still pending. Returns how many.
  [[nodiscard]] Result<std::uint32_t> cancel(const std::string& id, const std::string& reason);

  struct RejectedRow {
    std::int64_t row = 0;
    std::string account, provider, type, reason;
    std::int64_t created_at = 0;
  };
  // Rows of outrider_outbox that were refused, newest first.
  [[nodiscard]] Result<std::vector<RejectedRow>> rejected(std::uint32_t limit = 50);

  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

 private:
  class Impl;
  explicit Database(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrider

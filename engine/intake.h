// The one way an event becomes an Enqueue mutation, whoever brings it: Engine::publish, the CLI, or
// a row of outrider_outbox. Every check that can be made without the database is made here; the
// rest is the transaction's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "core/provider.h"
#include "crypto/public_id.h"
#include "outrider/result.h"
#include "outrider/types.h"
#include "storage/outbox.h"

namespace outrider {

// A rule said no to the event, and would again: not a full queue, a busy or a broken disk.
[[nodiscard]] constexpr bool is_refusal(ErrorCode code) noexcept {
  return code == ErrorCode::kInvalidArgument || code == ErrorCode::kInvalidPayload ||
         code == ErrorCode::kNotFound || code == ErrorCode::kConflict ||
         code == ErrorCode::kRefused;
}

struct IntakeLimits {
  std::uint64_t max_payload_bytes = 256 * 1024;
};

class Intake {
 public:
  // `providers` must outlive it. Copies of `ids` are cheap.
  Intake(const core::ProviderSet& providers, crypto::PublicIds ids, IntakeLimits limits)
      : providers_(&providers), ids_(std::move(ids)), limits_(limits) {}

  // Any thread. Errors: kInvalidArgument (a field, named), kInvalidPayload (JSON pointer),
  // kNotFound (provider, endpoint).
  [[nodiscard]] Result<storage::Enqueue> check(const Event& event, std::int64_t now_ms) const;
  // A row that came by plain SQL: the mutation that accepts it, or the one that rejects it with the
  // reason.
  [[nodiscard]] storage::Mutation check(const storage::InboxRow& row, std::int64_t now_ms) const;

  [[nodiscard]] const crypto::PublicIds& ids() const { return ids_; }
  [[nodiscard]] EventReceipt receipt(const storage::Enqueued& enqueued) const;

 private:
  const core::ProviderSet* providers_;
  crypto::PublicIds ids_;
  IntakeLimits limits_;
};

}  // namespace outrider

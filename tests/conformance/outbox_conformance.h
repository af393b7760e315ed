// What every Outbox must do, whatever database it is on: one suite, parameterised by a maker of
// empty stores. A new database instantiates it (see sqlite_conformance_test.cc) and is done when it
// passes.
//
// The tests speak through the Outbox alone; the one thing beside it is the plain SQL way in, which
// is a host application's and so is the store's to show.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/outbox.h"

namespace outrider::storage {

// One empty database. Opened several times, it is several connections to the same data.
class OutboxStore {
 public:
  virtual ~OutboxStore() = default;
  [[nodiscard]] virtual std::unique_ptr<Outbox> open() = 0;

  // What a host application inserts into outrider_outbox, committed. Returns its row.
  struct PlainRow {
    std::string account = "acme", provider = "shop", type = "loan.paid";
    std::optional<std::string> payload = R"({"loan":7})";
    std::optional<std::string> idempotency_key, ordering_key;
    std::optional<std::string> expires_at;  // an SQL literal
  };
  virtual std::int64_t insert_plain(const PlainRow& row) = 0;
  // State, reason, payload (empty when erased) and event of such a row.
  struct PlainState {
    std::string state, reason, payload;
    std::optional<EventRow> event;
  };
  virtual PlainState plain_state(std::int64_t row) = 0;
};
using MakeStore = std::unique_ptr<OutboxStore> (*)();

class OutboxConformance : public ::testing::TestWithParam<MakeStore> {
 protected:
  void SetUp() override;
  void reopen();  // closes and opens: what is remembered now comes from the database

  // One mutation in a batch of its own. The first three fail the test when it is refused.
  Changed changed(const Mutation& mutation);
  Enqueued enqueued(const Mutation& mutation);
  Finished finished(const Mutation& mutation);
  Outcome outcome(const Mutation& mutation);
  ErrorCode refusal(const Mutation& mutation);  // fails the test when it is not refused

  // The value, or a failed test and a default.
  template <class T>
  static T value(Result<T> result) {
    EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().to_string());
    return result ? std::move(*result) : T{};
  }

  [[nodiscard]] AddEndpoint endpoint_of(const std::string& account = "acme") const;
  EndpointRow add_endpoint(const std::string& account = "acme");
  [[nodiscard]] Enqueue event_of(const std::string& account = "acme") const;
  // Enqueues for "acme"; exactly one delivery becomes due and is returned.
  DueRow due_event(const std::string& ordering_key = {});
  [[nodiscard]] AttemptFinished success(const DueRow& due) const;
  [[nodiscard]] AttemptFinished failure(const DueRow& due, std::int64_t next_at) const;
  [[nodiscard]] AttemptFinished exhaustion(const DueRow& due) const;
  [[nodiscard]] AttemptFinished deactivating(const DueRow& due, core::DeactivationScope scope,
                                             core::PendingRule pending) const;
  void change_endpoint(EndpointRow endpoint, ChangeEndpoint::Kind kind);

  // An endpoint with `count` waiting deliveries, every second one with an ordering key, deactivated
  // with the rule cancel by a failure of the first: more than one commit's worth of cancellations.
  struct Backlog {
    EndpointRow endpoint = 0;
    std::vector<DeliveryRow> deliveries;
    DueRow in_flight;  // claimed when the deactivation came
  };
  Backlog cancelled_backlog(std::uint32_t count);
  std::uint32_t maintain();  // until nothing is left; returns how many steps did something

  DeliveryRecord delivery(DeliveryRow row);
  EndpointRecord endpoint(EndpointRow row);
  std::vector<DeliveryRow> due_now(EndpointRow endpoint);  // deliveries of due(), in its order

  std::unique_ptr<OutboxStore> store_;
  std::unique_ptr<Outbox> outbox_;
  std::int64_t now_ = 1'700'000'000'000;
};

// Several mutations in one batch.
class OutboxBatch : public OutboxConformance {
 protected:
  // The test fails when one is refused.
  std::vector<Applied> all_of(const std::vector<Mutation>& batch);
  [[nodiscard]] ChangeEndpoint change(EndpointRow endpoint, ChangeEndpoint::Kind kind) const;
  std::vector<DueRow> due_events(int count);
};

bool operator==(const DueRow& a, const DueRow& b);

}  // namespace outrider::storage

// A history of attempts and of what operators did, to be tampered with and verified.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sqlite_files.h"
#include "storage/sqlite/sqlite_outbox.h"

namespace outrider::storage {

inline std::string text_of(const ChainFault& fault) {
  switch (fault.row) {
    case ChainFault::Row::kAttempt:
      return "delivery " + std::to_string(fault.id) + " attempt " + std::to_string(fault.attempt);
    case ChainFault::Row::kAudit:
      return "audit " + std::to_string(fault.id);
    case ChainFault::Row::kNone:
      break;
  }
  return "chain";
}

inline std::vector<std::string> places(const ChainReport& report) {
  std::vector<std::string> found;
  for (const ChainFault& fault : report.faults) found.push_back(text_of(fault));
  return found;
}

inline std::string words(const ChainReport& report) {
  std::string text;
  for (const ChainFault& fault : report.faults) text += text_of(fault) + ": " + fault.what + "\n";
  return text;
}

class ChainHistory : public ::testing::Test {
 protected:
  static constexpr std::int64_t kBegin = 1'700'000'000'000;

  void SetUp() override { open(true); }
  void open(bool seal) {
    auto opened =
        open_sqlite_outbox({.path = directory_.file("x.db"), .create = true, .seal = seal});
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    outbox_ = std::move(*opened);
  }

  Applied apply(const Mutation& mutation) {
    auto outcomes = outbox_->apply({&mutation, 1});
    EXPECT_TRUE(outcomes.has_value()) << (outcomes ? "" : outcomes.error().to_string());
    if (!outcomes || !outcomes->front()) return Changed{};
    return std::move(outcomes->front().value());
  }

  void apply_all(const std::vector<Mutation>& batch) {
    const auto outcomes = outbox_->apply(batch);
    ASSERT_TRUE(outcomes.has_value()) << outcomes.error().to_string();
    for (const Outcome& outcome : *outcomes) ASSERT_TRUE(outcome) << outcome.error().to_string();
  }

  void add_endpoint() {
    AddEndpoint add;
    add.spec = {.account = "acme", .provider = "shop", .url = "https://x.example/", .secret = "s"};
    add.now = kBegin;
    add.actor = "anna";
    apply(add);
  }
  static ChangeEndpoint pause(ChangeEndpoint::Kind kind = ChangeEndpoint::Kind::kPause) {
    return {.endpoint = 1, .kind = kind, .reason = "because", .now = kBegin, .actor = "ben"};
  }
  void pause_and_activate() {
    apply(pause());
    apply(pause(ChangeEndpoint::Kind::kActivate));
  }

  // In one commit.
  std::vector<DueRow> enqueue(std::size_t count) {
    std::vector<DueRow> due;
    Enqueue event = sample_event();
    event.now = now_;
    const auto outcomes = outbox_->apply(std::vector<Mutation>(count, event));
    EXPECT_TRUE(outcomes.has_value());
    for (const Outcome& outcome : *outcomes) {
      due.push_back(std::get<Enqueued>(outcome.value()).due.at(0));
    }
    return due;
  }
  [[nodiscard]] AttemptFinished success(const DueRow& due) const {
    AttemptFinished finished;
    finished.claimed = due;
    finished.attempt = {.number = due.attempt,
                        .started_at = now_ + due.attempt,
                        .duration_ms = 12,
                        .error = ErrorClass::kNone,
                        .status = 200,
                        .peer = "192.0.2.1:443",
                        .detail = "said so",
                        .response = "{\"ok\":true}"};
    finished.step = core::DeliveryStep::kSucceed;
    finished.now = now_ + due.attempt;
    return finished;
  }
  [[nodiscard]] AttemptFinished failure(const DueRow& due) const {
    AttemptFinished finished = success(due);
    finished.attempt.error = ErrorClass::kStatus;
    finished.attempt.status = 500;
    finished.step = core::DeliveryStep::kFailAgain;
    finished.next_at = finished.now + 1;
    return finished;
  }
  // In one commit; returns what is due after it.
  std::vector<DueRow> try_all(const std::vector<DueRow>& due, core::DeliveryStep step) {
    std::vector<Mutation> batch;
    for (const DueRow& row : due) {
      batch.emplace_back(step == core::DeliveryStep::kSucceed ? success(row) : failure(row));
    }
    now_ += 1000;
    std::vector<DueRow> again;
    const auto outcomes = outbox_->apply(batch);
    EXPECT_TRUE(outcomes.has_value());
    for (const Outcome& outcome : *outcomes) {
      const auto& finished = std::get<Finished>(outcome.value());
      again.insert(again.end(), finished.due.begin(), finished.due.end());
    }
    return again;
  }

  void write_as_anybody(const std::string& sql) {
    HostConnection writable(directory_.file("x.db"));
    ASSERT_EQ(writable.run(sql), SQLITE_OK) << sql << ": " << sqlite3_errmsg(writable.get());
  }
  std::string ask(const std::string& sql) {
    return HostConnection(directory_.file("x.db")).ask(sql);
  }

  ChainReport verify(const std::optional<ChainPoint>& expected = {}) {
    auto report = outbox_->verify_chain(expected);
    EXPECT_TRUE(report.has_value()) << (report ? "" : report.error().to_string());
    return report ? std::move(*report) : ChainReport{};
  }
  std::uint32_t maintain(std::int64_t attempts_before, std::uint32_t limit = 500) {
    return std::get<Changed>(
               apply(Maintain{.attempts_before = attempts_before, .limit = limit, .now = now_}))
        .count;
  }
  void maintain_all(std::int64_t attempts_before, std::uint32_t limit = 500) {
    for (int step = 0; step < 1000; ++step) {
      if (maintain(attempts_before, limit) == 0) return;
    }
    FAIL() << "housekeeping finds no end";
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Outbox> outbox_;
  std::int64_t now_ = kBegin;
};

}  // namespace outrider::storage

// Rows that came by plain SQL are checked here, and accepted or rejected.
#include "housekeeper.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

namespace outrider {
namespace {

constexpr std::size_t kInboxPage = 256;
constexpr core::Duration kNextMaintenanceStep{20};

}  // namespace

Housekeeper::Housekeeper(Parts parts, HousekeeperOptions options)
    : parts_(std::move(parts)), options_(options) {}

Housekeeper::~Housekeeper() { parts_.timers.cancel(maintain_timer_); }

void Housekeeper::start(std::function<void()> ready) {
  const std::int64_t now = core::to_ms(parts_.clock.wall());
  parts_.storage.read<std::vector<storage::EndpointRecord>>(
      [now](storage::Outbox& outbox) { return outbox.endpoints(now); },
      [this, ready = std::move(ready)](Result<std::vector<storage::EndpointRecord>> records) {
        if (!records) {
          stopped_ = true;
          parts_.failed(records.error());
          ready();
          return;
        }
        for (storage::EndpointRecord& record : *records) put_endpoint(std::move(record));
        on_foreign_commit();
        maintain();
        ready();
      });
}

void Housekeeper::stop() {
  stopped_ = true;
  parts_.timers.cancel(maintain_timer_);
  maintain_timer_ = 0;
}

void Housekeeper::load_endpoint(storage::EndpointRow row) {
  const std::int64_t now = core::to_ms(parts_.clock.wall());
  parts_.storage.read<std::optional<storage::EndpointRecord>>(
      [row, now](storage::Outbox& outbox) { return outbox.endpoint(row, now); },
      [this, row](Result<std::optional<storage::EndpointRecord>> record) {
        if (!record) {
          parts_.timers.start(options_.storage_retry, [this, row] { load_endpoint(row); });
          return;
        }
        if (!record->has_value() || (*record)->removed) {
          forget_endpoint(row);
        } else {
          put_endpoint(std::move(**record));
        }
      });
}

void Housekeeper::put_endpoint(storage::EndpointRecord record) {
  const core::Provider* provider = parts_.providers.find(record.spec.provider);
  if (provider != nullptr && provider->notices) listeners_[provider->name].insert(record.row);
  parts_.dispatchers.put(std::move(record), provider);
}

void Housekeeper::forget_endpoint(storage::EndpointRow row) {
  for (auto it = listeners_.begin(); it != listeners_.end();) {
    it->second.erase(row);
    it = it->second.empty() ? listeners_.erase(it) : std::next(it);
  }
  parts_.dispatchers.forget(row);
}

void Housekeeper::on_foreign_commit() {
  if (stopped_) return;
  if (follow_running_) {  // one look at a time; what comes meanwhile needs one more
    follow_again_ = true;
    return;
  }
  follow_running_ = true;
  parts_.storage.read<storage::ForeignChanges>(
      [](storage::Outbox& outbox) { return outbox.foreign_changes(); },
      [this](Result<storage::ForeignChanges> changes) {
        follow_running_ = false;
        if (changes) follow(*changes);
        if (follow_again_) {
          follow_again_ = false;
          on_foreign_commit();
        }
      });
}

void Housekeeper::noticed() const {
  if (parts_.noticed) parts_.noticed();
}

void Housekeeper::follow(const storage::ForeignChanges& changes) {
  if (!changes.endpoints.empty()) noticed();  // activated, perhaps
  for (const storage::EndpointRow row : changes.endpoints) load_endpoint(row);
  for (const storage::EndpointRow row : changes.work) parts_.dispatchers.more_on_disk(row);
  if (!changes.deliveries.empty()) look_at(changes.deliveries);
  if (changes.inbox) pick_up_inbox();
}

// An operator retried or cancelled these: what waits in memory may be out of date, the disk is
// right.
void Housekeeper::look_at(std::vector<storage::DeliveryRow> deliveries) {
  std::sort(deliveries.begin(), deliveries.end());
  parts_.storage.read<std::vector<storage::DeliveryJob>>(
      [deliveries = std::move(deliveries)](storage::Outbox& outbox) {
        return outbox.jobs(deliveries);
      },
      [this](Result<std::vector<storage::DeliveryJob>> jobs) {
        if (!jobs) return;
        for (const storage::DeliveryJob& job : *jobs) {
          parts_.dispatchers.moved(job.endpoint, job.delivery);
        }
      });
}

void Housekeeper::pick_up_inbox() {
  if (inbox_running_ || stopped_) return;
  inbox_running_ = true;
  parts_.storage.read<std::vector<storage::InboxRow>>(
      [](storage::Outbox& outbox) { return outbox.inbox(kInboxPage); },
      [this](Result<std::vector<storage::InboxRow>> rows) {
        inbox_running_ = false;
        if (rows && !rows->empty() && !stopped_) take_in(*rows);
      });
}

// The page's last answer asks for the next page: all of them are durable then, in order. A row that
// got no answer (the disk is full) is tried again a little later.
void Housekeeper::take_in(const std::vector<storage::InboxRow>& rows) {
  struct Page {
    std::size_t left;
    bool answered = true;
  };
  const auto page = std::make_shared<Page>(Page{.left = rows.size()});
  inbox_running_ = true;
  const std::int64_t now = core::to_ms(parts_.clock.wall());
  for (const storage::InboxRow& row : rows) {
    parts_.storage.submit(
        parts_.intake.check(row, now),
        [this, page, id = row.row,
         series = parts_.metrics.provider(row.provider)](const storage::Outcome& outcome) {
          if (outcome) {
            picked_up(*outcome, series);
          } else if (is_refusal(outcome.error().code)) {
            refused_at_commit(id, series, outcome.error());
          } else {
            page->answered = false;
          }
          if (--page->left == 0) taken_in(page->answered);
        });
  }
}

void Housekeeper::taken_in(bool all) {
  inbox_running_ = false;
  maintain_within(options_.plain_in_log);
  if (all) {
    pick_up_inbox();
  } else {
    parts_.timers.start(options_.storage_retry, [this] { pick_up_inbox(); });
  }
}

void Housekeeper::picked_up(const storage::Applied& applied, Metrics::Provider series) {
  const auto* enqueued = std::get_if<storage::Enqueued>(&applied);
  if (enqueued == nullptr) {
    parts_.metrics.event(series, EventFate::kRejected);
    noticed();
    return;
  }
  parts_.metrics.event(series, enqueued->duplicate ? EventFate::kDuplicate : EventFate::kAccepted);
  if (!enqueued->due.empty()) parts_.dispatchers.due(enqueued->due, parts_.clock.wall());
}

// The transaction said no (a conflicting key, no endpoint): that is an answer to the row.
void Housekeeper::refused_at_commit(std::int64_t inbox_row, Metrics::Provider series,
                                    const Error& error) {
  parts_.storage.submit(
      storage::RejectInboxRow{
          .row = inbox_row, .reason = error.to_string(), .now = core::to_ms(parts_.clock.wall())},
      [this, series](const storage::Outcome& outcome) {
        noticed();
        if (outcome) parts_.metrics.event(series, EventFate::kRejected);
      });
}

void Housekeeper::maintain() {
  if (stopped_) return;
  constexpr std::int64_t kDayMs = 86'400'000;
  const std::int64_t now = core::to_ms(parts_.clock.wall());
  const auto before = [&](std::uint32_t days) { return days == 0 ? 0 : now - days * kDayMs; };
  parts_.storage.submit(storage::Maintain{.payloads_before = before(options_.retain_payload_days),
                                          .attempts_before = before(options_.retain_attempt_days),
                                          .now = now},
                        [this](storage::Outcome outcome) {
                          if (stopped_) return;
                          const auto* changed =
                              outcome ? std::get_if<storage::Changed>(&*outcome) : nullptr;
                          const bool more = changed != nullptr && changed->count > 0;
                          maintain_at_.reset();
                          maintain_within(more ? kNextMaintenanceStep : options_.maintain_every);
                        });
}

void Housekeeper::maintain_within(core::Duration after) {
  const core::Instant at = parts_.clock.now() + after;
  if (stopped_ || (maintain_at_ && *maintain_at_ <= at)) return;
  parts_.timers.cancel(maintain_timer_);
  maintain_at_ = at;
  maintain_timer_ = parts_.timers.start(after, [this] {
    maintain_timer_ = 0;
    maintain_at_.reset();
    maintain();
  });
}

}  // namespace outrider

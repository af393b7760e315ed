// The lane's bookkeeping. What must hold: a delivery is claimed at most once at a time; a row that
// is on disk is either in the window, claimed, or admitted to be unknown (knowledge below kAll, or
// behind the window's last row); never simply forgotten.
#include "core/lane.h"

#include <algorithm>

#include "core/assert.h"

namespace outrider::core {

bool comes_before(const DueItem& a, const DueItem& b) {
  if (a.next_at_ms != b.next_at_ms) return a.next_at_ms < b.next_at_ms;
  return a.delivery < b.delivery;
}

// ---- DueWindow

void DueWindow::pop_front() {
  ++front_;
  if (front_ == rows_.size()) clear();
}

void DueWindow::pop_back() {
  rows_.pop_back();
  if (front_ == rows_.size()) clear();
}

void DueWindow::clear() {
  rows_.clear();
  front_ = 0;
}

bool DueWindow::insert(const DueItem& row) {
  // The free places at the front are used before the vector grows.
  if (rows_.size() == rows_.capacity() && front_ != 0) {
    rows_.erase(rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(front_));
    front_ = 0;
  }
  if (empty() || comes_before(rows_.back(), row)) {
    rows_.push_back(row);
    return true;
  }
  const auto first = rows_.begin() + static_cast<std::ptrdiff_t>(front_);
  const auto place = std::lower_bound(first, rows_.end(), row, comes_before);
  if (place != rows_.end() && !comes_before(row, *place)) return false;
  rows_.insert(place, row);
  return true;
}

std::optional<DueItem> DueWindow::remove(DeliveryKey delivery) {
  const auto first = rows_.begin() + static_cast<std::ptrdiff_t>(front_);
  const auto place = std::find_if(first, rows_.end(),
                                  [&](const DueItem& row) { return row.delivery == delivery; });
  if (place == rows_.end()) return std::nullopt;
  const DueItem row = *place;
  rows_.erase(place);
  if (front_ == rows_.size()) clear();
  return row;
}

// ---- Lane

void Lane::refill(std::span<const DueItem> rows, bool complete, std::size_t window) {
  refill_state = RefillState::kNone;
  waiting.clear();
  knowledge = complete ? Knowledge::kAll : Knowledge::kPrefix;
  bool skipped_settled = false;
  for (const DueItem& row : rows) {
    if (Claimed* claim = find_claim(row.delivery)) {
      claim->offered_again |= claim->next_at_ms != row.next_at_ms;
    } else if (is_settled(row)) {
      skipped_settled = true;
    } else {
      keep(row, window);
    }
  }
  // A row that was added since has not been read, or it is among the rows and recognised.
  for (const DueItem& row : added) take_in(row, window);
  if (doubted || skipped_settled) knowledge = Knowledge::kNothing;
  forget_reading();
}

void Lane::ignore_refill() {
  refill_state = RefillState::kNone;
  forget_reading();
}

void Lane::forget_reading() {
  doubted = false;
  added.clear();
  settled.clear();
}

void Lane::add(const DueItem& row, std::size_t window) {
  if (Claimed* claim = find_claim(row.delivery)) {
    claim->offered_again = true;
    return;
  }
  if (refill_state == RefillState::kAsked) {
    if (added.size() < window) {
      added.push_back(row);
    } else {
      doubted = true;
    }
  }
  take_in(row, window);
}

// Takes the row if everything before it is known, else admits that there is more on disk.
void Lane::take_in(const DueItem& row, std::size_t window) {
  const bool known =
      knowledge == Knowledge::kAll ||
      (knowledge == Knowledge::kPrefix && !waiting.empty() && comes_before(row, waiting.back()));
  // Where it is not kept, knowledge is below kAll: that there is more on disk is admitted already.
  if (known) keep(row, window);
}

void Lane::keep(const DueItem& row, std::size_t window) {
  waiting.insert(row);
  if (waiting.size() > window) {
    waiting.pop_back();
    knowledge = Knowledge::kPrefix;
  }
}

void Lane::drop(DeliveryKey delivery) {
  const auto row = waiting.remove(delivery);
  std::erase_if(added, [&](const DueItem& item) { return item.delivery == delivery; });
  if (refill_state != RefillState::kAsked) return;
  settled.push_back({delivery, row ? std::optional(row->next_at_ms) : std::nullopt});
}

void Lane::forget_window() {
  waiting.clear();
  forget_reading();
  knowledge = Knowledge::kNothing;
  if (refill_state == RefillState::kAsked) {
    doubted = true;  // what is being read is of before; its answer is still to come
  } else {
    refill_state = RefillState::kNone;
  }
}

void Lane::doubt() {
  knowledge = Knowledge::kNothing;
  if (refill_state == RefillState::kAsked) doubted = true;
}

std::vector<Lane::Claimed>::iterator Lane::claim_place(DeliveryKey delivery) {
  return std::lower_bound(
      claims.begin(), claims.end(), delivery,
      [](const Claimed& claim, DeliveryKey wanted) { return claim.delivery < wanted; });
}

Lane::Claimed* Lane::find_claim(DeliveryKey delivery) {
  const auto found = claim_place(delivery);
  return found != claims.end() && found->delivery == delivery ? &*found : nullptr;
}

DueItem Lane::claim_front() {
  const DueItem row = waiting.front();
  waiting.pop_front();
  std::erase_if(added, [&](const DueItem& item) { return item.delivery == row.delivery; });
  claims.insert(claim_place(row.delivery),
                Claimed{.delivery = row.delivery, .next_at_ms = row.next_at_ms});
  ++open;
  return row;
}

void Lane::answer(DeliveryKey delivery, SlotResult result) {
  Claimed* claim = find_claim(delivery);
  OUTRIDER_ASSERT(claim != nullptr && !claim->answered);
  claim->answered = true;
  --open;
  if (result == SlotResult::kSuccess) concurrency.on_success();
  if (result == SlotResult::kFailure) concurrency.on_failure();
}

void Lane::settle(DeliveryKey delivery, SlotResult result) {
  Claimed* claim = find_claim(delivery);
  OUTRIDER_ASSERT(claim != nullptr && claim->answered);
  if (refill_state == RefillState::kAsked) settled.push_back({delivery, claim->next_at_ms});
  // A claim that was given up leaves its row on disk; so does another row of the same delivery that
  // was passed over.
  if (claim->offered_again || result == SlotResult::kNeutral) doubt();
  claims.erase(claims.begin() + (claim - claims.data()));
}

bool Lane::wants_refill(std::size_t window, Instant now) const {
  if (!active || refill_state != RefillState::kNone || knowledge == Knowledge::kAll) return false;
  if (waiting.size() <= window / 4) return true;
  // What is unknown may be due before what waits for later; behind what is due already it can wait
  // for the low-water mark.
  return knowledge == Knowledge::kNothing && waiting.back().due > now;
}

bool Lane::is_settled(const DueItem& row) const {
  return std::any_of(settled.begin(), settled.end(), [&](const Settled& s) {
    return s.delivery == row.delivery && s.next_at_ms.value_or(row.next_at_ms) == row.next_at_ms;
  });
}

}  // namespace outrider::core

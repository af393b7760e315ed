// How one connection learns what others committed: by their marks in the file, never by a
// conversation.
//   - `PRAGMA data_version` changes when another connection has committed; that is the cheap
//   question.
//   - outrider_change says what operators did, whichever connection did it (an operator's change
//   through this very
//     outbox too: whoever follows need not tell the two apart).
//   - deliveries with an id above the last one seen were enqueued by others, since this
//   connection's own move that mark.
//   - new rows of outrider_outbox are found by their index.
#pragma once

#include <cstdint>
#include <optional>

#include "storage/engine_records.h"
#include "storage/sqlite/db.h"
#include "storage/sqlite/transaction.h"

namespace outrider::storage {

class Follower {
 public:
  // From now on. What happened before is what the engine reads at its start; only the inbox is
  // asked for anew.
  void start(Db& writer);
  // The writer's own commit. Between its first and last new delivery nobody else's can lie, but
  // before them may.
  void own_commit(const Transaction& tx);
  [[nodiscard]] ForeignChanges look(Db& writer);
  [[nodiscard]] std::int64_t followed_through() const { return last_change_; }

 private:
  void read_changes(Db& writer, ForeignChanges& changes);
  void read_deliveries(Db& writer, ForeignChanges& changes);

  std::optional<std::int64_t> data_version_;  // unset: look, whatever it is
  std::int64_t last_change_ = 0;
  DeliveryRow last_delivery_ = 0;
};

}  // namespace outrider::storage

#include "engine_readings.h"

#include <algorithm>
#include <filesystem>

#include "net/wall_clock.h"
#include "process_readings.h"
#include "storage/sqlite/sqlite_outbox.h"

namespace outrider {
namespace {

constexpr std::chrono::seconds kPause{5};
constexpr int kShare = 20;  // of the time may go into reading
constexpr std::uint32_t kBusyTimeoutMs = 1000;

std::optional<std::uint64_t> size_of(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return std::nullopt;
  return size;
}

FileReadings read_files(const std::string& database) {
  FileReadings files{.database_bytes = size_of(database),
                     .wal_bytes = size_of(storage::wal_path(database)),
                     .disk_free_bytes = {},
                     .disk_size_bytes = {}};
  std::error_code error;
  const auto folder = std::filesystem::absolute(database, error).parent_path();
  const auto space = std::filesystem::space(folder, error);
  if (!error) {
    files.disk_free_bytes = space.available;
    files.disk_size_bytes = space.capacity;
  }
  return files;
}

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

StoredReadings readings_of(const storage::QueueCounts& counts, std::int64_t now) {
  StoredReadings stored;
  stored.due = counts.due;
  stored.held = counts.held;
  stored.scheduled = counts.waiting - std::min(counts.waiting, counts.due + counts.held);
  stored.inbox_new = counts.inbox;
  stored.inbox_rejected = counts.rejected;
  stored.endpoints = counts.endpoints;
  if (counts.next_at && *counts.next_at < now) {
    stored.oldest_due_age_s = static_cast<double>(now - *counts.next_at) / 1000;
  }
  return stored;
}

}  // namespace

Readings EngineReadings::take(bool healthy, std::uint32_t in_flight, ReadProcess process) {
  return {.healthy = healthy,
          .in_flight = in_flight,
          .stored = stored(),
          .files = read_files(place_.database),
          .process = process == ReadProcess::kYes ? read_process() : std::nullopt};
}

std::optional<StoredReadings> EngineReadings::kept(Clock::time_point now) const {
  if (!kept_ || !kept_->stored) return std::nullopt;
  StoredReadings stored = *kept_->stored;
  stored.age_s = seconds(now - kept_->read_at);
  return stored;
}

std::optional<StoredReadings> EngineReadings::stored() {
  std::unique_lock reading(reading_, std::try_to_lock);
  const auto begun = Clock::now();
  {
    const std::lock_guard lock(mutex_);
    if (kept_ && (!reading || begun < again_at_)) return kept(begun);
  }
  if (!reading) {  // somebody reads for the first time: there is nothing older to show
    reading.lock();
    const std::lock_guard lock(mutex_);
    return kept(Clock::now());
  }
  if (closed_) return std::nullopt;
  auto found = read();
  const auto ended = Clock::now();
  if (found) found->took_s = seconds(ended - begun);
  const std::lock_guard lock(mutex_);
  kept_ = Kept{.stored = found, .read_at = ended};
  again_at_ = ended + std::max<Clock::duration>(kPause, (kShare - 1) * (ended - begun));
  return found;
}

// What cannot be read is not shown; the next one to ask tries again.
std::optional<StoredReadings> EngineReadings::read() {
  if (!outbox_) {
    auto opened = storage::open_sqlite_outbox(
        {.path = place_.database, .busy_timeout_ms = kBusyTimeoutMs, .key_file = place_.key_file});
    if (!opened) return std::nullopt;
    outbox_ = std::move(*opened);
  }
  const std::int64_t now = core::to_ms(net::wall_now());
  const auto counts = outbox_->queue(now);
  if (!counts) return std::nullopt;
  return readings_of(*counts, now);
}

void EngineReadings::close() {
  const std::lock_guard reading(reading_);
  outbox_.reset();
  closed_ = true;
  const std::lock_guard lock(mutex_);
  kept_.reset();
}

}  // namespace outrider

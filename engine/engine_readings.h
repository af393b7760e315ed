// What metrics show that is not counted as it happens: the queue, files, disk, process.
//
// The queue is counted by walking over what waits, which takes a while where that is millions. So
// it is read at most every five seconds and at most a twentieth of the time, on a connection of its
// own, by whoever asks first; whoever asks meanwhile gets what was read before. Neither the loop
// nor the storage thread takes part. The connection is opened when somebody asks for the first
// time.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "metrics.h"
#include "storage/outbox.h"

namespace outrider {

enum class ReadProcess : std::uint8_t { kNo, kYes };

class EngineReadings {
 public:
  struct Place {
    std::string database;
    std::string key_file;
  };
  explicit EngineReadings(Place place) : place_(std::move(place)) {}

  // Any thread, several at once.
  [[nodiscard]] Readings take(bool healthy, std::uint32_t in_flight, ReadProcess process);
  // The database is let go of; the queue is not read any more.
  void close();

 private:
  using Clock = std::chrono::steady_clock;
  struct Kept {
    std::optional<StoredReadings> stored;
    Clock::time_point read_at;
  };

  std::optional<StoredReadings> stored();
  std::optional<StoredReadings> read();
  [[nodiscard]] std::optional<StoredReadings> kept(Clock::time_point now) const;

  const Place place_;
  std::mutex reading_;  // held while somebody reads; guards the two below
  std::unique_ptr<storage::Outbox> outbox_;
  bool closed_ = false;
  mutable std::mutex mutex_;  // guards the two below
  std::optional<Kept> kept_;
  Clock::time_point again_at_;
};

}  // namespace outrider

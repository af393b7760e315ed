// Timers by their time: a binary heap over places that are used again, so that starting and
// cancelling one allocates nothing once there were as many at once. Equal times come in the order
// of their start.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace outrider::net {

class TimerHeap {
 public:
  // A place and how often it was used: the id of a timer that has fired names nothing any more.
  using Id = std::uint64_t;  // never 0
  using Callback = std::function<void()>;

  Id add(std::uint64_t due_ms, Callback callback);
  void remove(Id id);  // unknown: ignored
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  [[nodiscard]] std::uint64_t first_due() const;  // requires: not empty
  // How many were ever added.
  [[nodiscard]] std::uint64_t added() const noexcept { return added_; }
  // The first one, if it is due at `now` and was among the first `among` that were added.
  [[nodiscard]] std::optional<Callback> take(std::uint64_t now, std::uint64_t among);

 private:
  struct Place {
    std::uint64_t due_ms = 0;
    std::uint64_t number = 0;  // among all that were added
    std::uint32_t uses = 0;
    std::uint32_t at = 0;  // in the heap
    Callback callback;
  };
  [[nodiscard]] bool before(std::uint32_t a, std::uint32_t b) const;
  void put(std::uint32_t at, std::uint32_t place);
  void rise(std::uint32_t at);
  void sink(std::uint32_t at);
  Callback take_out(std::uint32_t place);

  std::vector<Place> places_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> heap_;  // of places
  std::uint64_t added_ = 0;
};

}  // namespace outrider::net

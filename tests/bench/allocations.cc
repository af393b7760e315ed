#include "allocations.h"

#include <unistd.h>
#ifdef OUTRIDER_COUNTS_ALLOCATIONS
#include <mimalloc.h>
#endif

#include <array>
#include <atomic>
#include <cstddef>
#include <fstream>
#include <map>
#include <new>

namespace {

// A cache line of its own: two threads that count on one line would wait for each other.
struct alignas(64) Slot {
  std::atomic<pid_t> thread = 0;
  std::atomic<std::uint64_t> count = 0;
};
// Threads beyond these share the last.
constexpr std::size_t kSlots = 256;
std::array<Slot, kSlots> slots;

}  // namespace

#ifdef OUTRIDER_COUNTS_ALLOCATIONS
namespace {

std::atomic<std::size_t> slots_taken = 0;
thread_local Slot* own_slot = nullptr;

void count_one() noexcept {
  if (own_slot == nullptr) {
    const std::size_t index = slots_taken.fetch_add(1, std::memory_order_relaxed);
    own_slot = &slots[index < kSlots ? index : kSlots - 1];
    own_slot->thread.store(gettid(), std::memory_order_relaxed);
  }
  // Its thread alone writes it (those that share the last slot may miss some).
  own_slot->count.store(own_slot->count.load(std::memory_order_relaxed) + 1,
                        std::memory_order_relaxed);
}

}  // namespace

extern "C" {
void* malloc(std::size_t size) {
  count_one();
  return mi_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  count_one();
  return mi_calloc(count, size);
}
void* realloc(void* old, std::size_t size) {
  count_one();
  return mi_realloc(old, size);
}
}
void* operator new(std::size_t size) {
  count_one();
  return mi_new(size);
}
void operator delete(void* memory) noexcept { mi_free(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { mi_free(memory); }
#endif

namespace outrider::bench {

std::vector<std::pair<std::string, std::uint64_t>> allocations_by_thread() {
  std::map<std::string, std::uint64_t> by_name;
  for (const Slot& slot : slots) {
    const pid_t thread = slot.thread.load(std::memory_order_relaxed);
    std::ifstream comm("/proc/self/task/" + std::to_string(thread) + "/comm");
    std::string name;
    if (thread != 0 && std::getline(comm, name)) by_name[name] += slot.count;
  }
  return {by_name.begin(), by_name.end()};
}

}  // namespace outrider::bench

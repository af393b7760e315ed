// How often each thread has asked for memory: malloc, calloc, realloc and what is built on them
// (operator new), in every library of the process. Linking this counts, in front of mimalloc; a
// sanitizer's build has its own malloc, and counts nothing.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace outrider::bench {

// Since the start, of the threads that live, by their names; those of one name summed.
[[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> allocations_by_thread();

}  // namespace outrider::bench

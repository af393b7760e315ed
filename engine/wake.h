// Between processes on one database file: a datagram to the engine's Unix socket. Losing one costs
// a millisecond (the engine also watches the WAL), so nothing here waits, retries or fails loudly.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace outrider {

inline constexpr const char* kStatusQuestion = "status";
inline constexpr const char* kCommitted = "committed";

struct EngineStatus {
  std::uint32_t in_flight = 0;
};
[[nodiscard]] std::string format_status(const EngineStatus& status);

// "Something was committed": to the engine on `database`, if one runs.
void send_committed(const std::string& database) noexcept;

// Asks the engine on `database`; nothing when none answers within 500 ms.
[[nodiscard]] std::optional<EngineStatus> ask_status(const std::string& database);

}  // namespace outrider

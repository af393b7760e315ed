// The system's wall clock for code that runs outside the loop (publish() on a host's thread, the
// CLI). Code on the loop asks Loop::wall(), which is sampled once per turn.
#pragma once

#include "core/time.h"

namespace outrider::net {

[[nodiscard]] core::WallTime wall_now() noexcept;

}  // namespace outrider::net

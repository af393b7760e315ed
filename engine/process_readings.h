// This process as the kernel sees it.
#pragma once

#include <optional>

#include "metrics.h"

namespace outrider {

// Nothing where /proc is not to be read.
[[nodiscard]] std::optional<ProcessReadings> read_process();

}  // namespace outrider

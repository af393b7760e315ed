// How an endpoint is shown to people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "outrider/types.h"

namespace outrider::cli {

[[nodiscard]] std::string endpoint_text(const EndpointView& endpoint, std::int64_t now_ms);
[[nodiscard]] std::string endpoint_table(const std::vector<EndpointView>& endpoints,
                                         std::int64_t now_ms);
[[nodiscard]] std::string joined(const std::vector<std::string>& words);  // "a, b"

}  // namespace outrider::cli

// The datagram socket of the loop: how another process says that it has committed something.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/loop.h"
#include "outrider/result.h"

namespace outrider::net {

// See Loop::on_datagram. Errors: kInvalidArgument (path too long), kIo (cannot bind; something that
// is no socket is there).
[[nodiscard]] Result<std::unique_ptr<Loop::Watch>> watch_datagrams(
    uv_loop_s* loop, const std::string& path,
    std::function<std::string(const std::string& message)> callback);

}  // namespace outrider::net

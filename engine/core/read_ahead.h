// How much may be read ahead of the wire: as many deliveries as are worth a read, but no more bytes
// than that. How large the next ones are is not known before they are read; it is guessed from the
// last ones.
#pragma once

#include <algorithm>
#include <cstddef>

namespace outrider::core {

class ReadAhead {
 public:
  static constexpr std::size_t kMostAtOnce = 256;
  static constexpr std::size_t kMostBytes = std::size_t{16} << 20;  // of bodies that lie ready

  // How many to read next. Never nothing where nothing lies ready.
  [[nodiscard]] std::size_t room() const noexcept {
    if (bytes_ >= kMostBytes) return 0;
    const std::size_t fit = (kMostBytes - bytes_) / std::max<std::size_t>(1, usual_);
    return std::clamp<std::size_t>(fit, bytes_ == 0 ? 1 : 0, kMostAtOnce);
  }
  void came(std::size_t bytes) noexcept {
    bytes_ += bytes;
    // Up at once, down slowly: a large one is seldom alone.
    usual_ = bytes > usual_ ? bytes : usual_ - (usual_ - bytes) / 8;
  }
  void left(std::size_t bytes) noexcept { bytes_ -= bytes; }

 private:
  std::size_t bytes_ = 0;
  std::size_t usual_ = 0;
};

}  // namespace outrider::core

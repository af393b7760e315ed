// Secrets and revealed payloads do not outlive their use in this process's memory.
#pragma once

#include <string.h>

#include <string>

namespace outrider::cli {

// Overwrites, so that the compiler cannot leave it out.
inline void wipe(std::string& text) noexcept {
  text.resize(text.capacity());
  ::explicit_bzero(text.data(), text.size());
  text.clear();
}

// Wipes what it refers to at its end, whichever way the function is left.
class WipedAtEnd {
 public:
  explicit WipedAtEnd(std::string& text) : text_(text) {}
  ~WipedAtEnd() { wipe(text_); }
  WipedAtEnd(const WipedAtEnd&) = delete;
  WipedAtEnd& operator=(const WipedAtEnd&) = delete;

 private:
  std::string& text_;
};

}  // namespace outrider::cli

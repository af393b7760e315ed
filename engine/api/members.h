// The members of a JSON object, taken one by one by name and type; what is left at the end is
// unknown, and refused. The first fault stays.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"
#include "core/json_text_parts.h"

namespace outrider::api {

class Members {
 public:
  // `body` must outlive it. `at`: the pointer of the object itself.
  static Read<Members> read(std::string_view body, std::string at = {});

  // Each takes the member; absent leaves what was there. `null` counts as absent.
  void take(std::string_view name, std::string& into);
  void take(std::string_view name, std::optional<std::string>& into);
  void take(std::string_view name, std::vector<std::string>& into);
  void take(std::string_view name, bool& into);
  void take(std::string_view name, double& into);
  void take(std::string_view name, std::int64_t& into, std::int64_t least, std::int64_t most);
  void take(std::string_view name, std::optional<std::uint32_t>& into, std::uint32_t least,
            std::uint32_t most);
  // Absent leaves it unset; null sets it to nothing.
  template <class T>
  void take_or_empty(std::string_view name, std::optional<T>& into) {
    if (!has(name)) return;
    T value{};
    take(name, value);
    into = std::move(value);
  }
  [[nodiscard]] bool has(std::string_view name) const;
  void take_time(std::string_view name, std::optional<std::int64_t>& into);  // RFC 3339
  // Whatever it is, as written; null too.
  void take_raw(std::string_view name, std::optional<std::string_view>& into);
  void ignore_rest() { parts_.clear(); }
  void require(std::string_view name, bool given);
  void wrong(std::string_view name, std::string detail);

  [[nodiscard]] bool good() const { return !problem_; }
  // After everything was taken.
  [[nodiscard]] Read<void> finish();
  [[nodiscard]] const std::string& at() const { return at_; }

 private:
  Members() = default;
  std::optional<core::JsonPart> take_part(std::string_view name);

  std::string at_;
  std::vector<core::JsonPart> parts_;
  std::optional<Problem> problem_;
};

// The members of a body that may be left out: `take` takes them.
template <class Take>
[[nodiscard]] Read<void> read_optional(std::string_view body, const Take& take) {
  if (body.empty()) return {};
  auto members = Members::read(body);
  if (!members) return tl::unexpected(std::move(members.error()));
  take(*members);
  return members->finish();
}

}  // namespace outrider::api

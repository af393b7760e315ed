// Provider definitions, as a user sees them: which there are, what they say, whether one is right.
// The format is explained in schemas/providers/README.md and by provider.schema.json beside it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "outrider/result.h"
#include "outrider/types.h"

namespace outrider {

struct ProviderView {
  std::string name;
  std::string title;
  std::string source;  // "built-in" or the file
  std::vector<std::string> events;
  std::vector<std::string> signature_headers;
  std::string algorithm;  // of the first signature scheme
  std::string body;       // "ecmascript", "compact", "raw"
  std::string success;    // "200", "2xx"
  std::int64_t timeout_ms = 3000;
  std::vector<std::int64_t> retry_delays_s;
  std::uint32_t max_attempts = 6;
  std::string deactivation;  // in words
  std::string definition;    // the whole file's text
};

namespace core {
class ProviderSet;
}

// An immutable set of loaded definitions: the built-in ones and, where a directory is given, its
// *.json files but for *.schema.json (they may replace a built-in one by its name). A definition's
// schemas lie in its folder, below it, or in the folder `events` beside it. Cheap to copy; callable
// from any thread.
class Providers {
 public:
  // Errors: kCorrupt with file, JSON pointer and reason; kIo.
  [[nodiscard]] static Result<Providers> load(const std::string& directory);
  [[nodiscard]] std::vector<ProviderView> list() const;
  [[nodiscard]] Result<ProviderView> find(std::string_view name) const;
  // Every fault of one file; empty: it is right.
  [[nodiscard]] static std::vector<Error> check_file(const std::string& path);
  // The body that would be sent for this event, after every check that publish() makes.
  [[nodiscard]] Result<std::string> canonical_body(const Event& event,
                                                   std::uint64_t max_bytes) const;

  [[nodiscard]] const core::ProviderSet& core() const noexcept { return *set_; }

 private:
  // Shared: an immutable value whose copies live in the engine, the CLI and receivers at once.
  std::shared_ptr<const core::ProviderSet> set_;
};

}  // namespace outrider

// A log line: one JSON object, the fields of a closed list, and no part of a URL that may carry a
// token.
#include "log.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace outrider {
namespace {

std::string logged(std::string_view detail) {
  std::string line;
  const Log log([&line](std::string_view text) { line = text; });
  log.line(core::wall_from_ms(1'700'000'000'123), "attempt",
           {{LogField::kAttempt, std::int64_t{2}}, {LogField::kDetail, detail}});
  return line;
}

TEST(Log, is_one_json_object_a_line) {
  EXPECT_EQ(logged("it said \"no\"\n"),
            R"({"time":"2023-11-14T22:13:20.123Z","event":"attempt","attempt":2,)"
            R"("detail":"it said \"no\"\n"})");
  EXPECT_EQ(logged(""), R"({"time":"2023-11-14T22:13:20.123Z","event":"attempt","attempt":2})");
}

TEST(Log, holds_no_query_and_no_fragment_of_a_url) {
  const std::vector<std::pair<std::string, std::string>> table{
      {"https://x.example/hook?token=canary", "https://x.example/hook"},
      {"https://x.example/hook#canary", "https://x.example/hook"},
      {"https://x.example?canary", "https://x.example"},
      {"to https://x.example/a?canary failed", "to https://x.example/a failed"},
      {"\"https://x.example/a?canary\" and (http://y/?canary)",
       "\"https://x.example/a\" and (http://y/)"},
      {"https://x.example/a?canary#canary?canary", "https://x.example/a"},
      {"https://x.example/a", "https://x.example/a"},
      {"why? nobody knows", "why? nobody knows"},
      {"://?canary", "://"},
      {"", ""},
  };
  for (const auto& [said, kept] : table) {
    std::string expected = "{\"time\":\"2023-11-14T22:13:20.123Z\",\"event\":\"attempt\",";
    expected += "\"attempt\":2";
    std::string escaped;
    for (const char c : kept) escaped += c == '"' ? std::string("\\\"") : std::string(1, c);
    if (!kept.empty()) expected += ",\"detail\":\"" + escaped + "\"";
    EXPECT_EQ(logged(said), expected + "}") << said;
  }
}

}  // namespace
}  // namespace outrider

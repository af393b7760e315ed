// What the command line reads: numbers, headers, secrets, files, misspelt words; and how its errors
// end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tools/outrider/command_line.h"
#include "tools/outrider/options.h"
#include "tools/outrider/outcome.h"

namespace outrider::cli {
namespace {

using testing::HasSubstr;

// ---- numbers

TEST(ParseNumber, takes_plain_whole_numbers_within_bounds) {
  EXPECT_EQ(parse_number("--n", "0", 0, 10), 0U);
  EXPECT_EQ(parse_number("--n", "10", 0, 10), 10U);
  EXPECT_EQ(parse_number("--n", "18446744073709551615", 0, UINT64_MAX), UINT64_MAX);
  for (const char* text : {"", " 5", "5 ", "+5", "-5", "05", "0x5", "5e0", "5.0", "five", "11",
                           "18446744073709551616", "5'000", "00"}) {
    EXPECT_THROW((void)parse_number("--n", text, 0, 10), CLI::ValidationError) << text;
  }
}

// ---- an app to parse with

struct Parsed {
  CLI::App app{"test", "outrider"};
  std::vector<std::string> list;
  std::uint32_t number = 7;
  double rate = 0;
  std::int64_t duration = 0;
  std::optional<std::int64_t> time;
  SecretSource secret;
  bool flag = false;
  std::string id;
  std::vector<std::uint16_t> ports;

  Parsed() {
    app.fallthrough();
    app.require_subcommand(0, 1);
    app.add_flag("--json", flag, "");
    auto* endpoint = app.add_subcommand("endpoint", "");
    endpoint->require_subcommand(0, 1);
    auto* add = endpoint->add_subcommand("add", "");
    endpoint->add_subcommand("activate", "");
    endpoint->add_subcommand("pause", "")->add_option("id", id, "")->required();
    app.add_subcommand("queue", "");
    app.add_subcommand("event", "");
    list_option(*add, "--header", list, "");
    number_option<std::uint32_t>(*add, "--max-in-flight", number, 1, 1024, "");
    rate_option(*add, "--rate", rate, "");
    port_list_option(*add, "--allow-port", ports, "");
    duration_option(*add, "--overlap", duration, "");
    time_option(*add, "--expires-at", time, "");
    secret.add_to(*add, "secret");
  }
  void parse(std::vector<std::string> words) {
    std::reverse(words.begin(), words.end());
    app.parse(std::move(words));
  }
};

TEST(Options, are_read_before_and_behind_the_subcommand) {
  Parsed p;
  p.parse({"endpoint", "add", "--header", "A: [1,2]", "--header", "B: --x", "--max-in-flight=9",
           "--rate", "2.5", "--overlap", "24h", "--json", "--allow-port", "0",
           "--allow-port=8443"});
  EXPECT_EQ(p.ports, (std::vector<std::uint16_t>{0, 8443}));
  EXPECT_EQ(p.list, (std::vector<std::string>{"A: [1,2]", "B: --x"}));
  EXPECT_EQ(p.number, 9U);
  EXPECT_EQ(p.rate, 2.5);
  EXPECT_EQ(p.duration, 86'400'000);
  EXPECT_TRUE(p.flag);
  EXPECT_EQ(full_name(innermost(p.app)), "outrider endpoint add");
}

TEST(Options, of_wrong_value_are_refused_by_name) {
  const std::vector<std::vector<std::string>> wrong{
      {"endpoint", "add", "--max-in-flight", "0"},
      {"endpoint", "add", "--max-in-flight", "1025"},
      {"endpoint", "add", "--max-in-flight"},
      {"endpoint", "add", "--rate", "-1"},
      {"endpoint", "add", "--rate", "nan"},
      {"endpoint", "add", "--rate", "1e3"},
      {"endpoint", "add", "--overlap", "24"},
      {"endpoint", "add", "--expires-at", "noon"},
      {"endpoint", "add", "--secret-file", "x", "--secret-env", "Y"},
      {"endpoint", "add", "--secret-stdin", "--secret-env", "Y"},
      {"endpoint", "pause"},
      {"endpoint", "add", "--allow-port", "x"},
      {"endpoint", "add", "--allow-port", "443", "--allow-port", "65536"},
  };
  for (const auto& words : wrong) {
    Parsed p;
    EXPECT_THROW(p.parse(words), CLI::ParseError) << testing::PrintToString(words);
  }
}

TEST(Options, a_subcommands_name_may_be_a_value) {
  Parsed p;
  p.parse({"endpoint", "pause", "queue"});
  EXPECT_EQ(p.id, "queue");
}

// ---- misspelt words

TEST(Misspelling, names_the_word_and_the_one_that_was_probably_meant) {
  struct Case {
    std::vector<std::string> words;
    const char* where;
    const char* hint;
  };
  const std::vector<Case> cases{
      {{"quue"}, "quue", "did you mean queue?"},
      {{"envet"}, "envet", "did you mean event?"},
      {{"endpoint", "ad"}, "ad", "did you mean add?"},
      {{"endpoint", "act"}, "act", "did you mean activate?"},
      {{"endpoint", "add", "--heder", "x"}, "--heder", "did you mean --header?"},
      {{"endpoint", "add", "--max_in_flight=3"},
       "--max_in_flight",
       "did you mean --max-in-flight?"},
      {{"endpoint", "add", "--jsn"}, "--jsn", "did you mean --json?"},
      {{"--jsno", "queue"}, "--jsno", "did you mean --json?"},
      {{"frobnicate"}, "frobnicate", "see: outrider --help"},
      {{"endpoint", "add", "--secret", "x"}, "--secret", "did you mean --secret-"},
      {{"endpoint", "add", "-x"}, "-x", "see: outrider endpoint add --help"},
  };
  for (const auto& c : cases) {
    const Parsed p;
    const auto error = misspelling(p.app, c.words);
    ASSERT_TRUE(error) << testing::PrintToString(c.words);
    EXPECT_EQ(error->code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(error->where, c.where);
    EXPECT_THAT(error->hint, HasSubstr(c.hint));
  }
}

TEST(Misspelling, finds_nothing_in_what_is_right) {
  const std::vector<std::vector<std::string>> right{
      {},
      {"--json", "queue"},
      {"queue", "--json"},
      {"endpoint", "add", "--header", "quue", "--rate=3"},
      {"endpoint", "add", "--header", "--heder"},
      {"endpoint", "pause", "ep_x", "--json"},
      {"endpoint", "pause", "--", "--what"},
      {"--help"},
      {"endpoint", "add", "-h"},
  };
  for (const auto& words : right) {
    const Parsed p;
    EXPECT_FALSE(misspelling(p.app, words)) << testing::PrintToString(words);
  }
}

// ---- headers

TEST(Headers, are_a_name_a_colon_and_a_value) {
  const auto headers = parse_headers({"A: b", "X-Time:12:30", "Empty:", "  B  :  c d  "});
  ASSERT_TRUE(headers);
  EXPECT_EQ(*headers, (std::vector<HeaderField>{
                          {"A", "b"}, {"X-Time", "12:30"}, {"Empty", ""}, {"B", "c d"}}));
  for (const char* line : {"", "no colon", ":", ": value", "  : value"}) {
    EXPECT_FALSE(parse_headers({line})) << line;
  }
}

// ---- secrets and files

class Files : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("outrider-cli-test-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& text) {
    const auto path = folder_ / ("f" + std::to_string(++files_));
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  static Result<std::string> read_secret(const std::vector<std::string>& words) {
    Parsed p;
    std::vector<std::string> all{"endpoint", "add"};
    all.insert(all.end(), words.begin(), words.end());
    p.parse(all);
    return p.secret.read();
  }

  std::filesystem::path folder_;
  int files_ = 0;
};

TEST_F(Files, a_secret_is_one_line_without_its_end) {
  EXPECT_EQ(read_secret({"--secret-file", file("s3cret\n")}).value_or("?"), "s3cret");
  EXPECT_EQ(read_secret({"--secret-file", file("s3cret\r\n")}).value_or("?"), "s3cret");
  EXPECT_EQ(read_secret({"--secret-file", file(" s3cret ")}).value_or("?"), " s3cret ");
  ::setenv("OUTRIDER_TEST_SECRET", "from env", 1);
  EXPECT_EQ(read_secret({"--secret-env", "OUTRIDER_TEST_SECRET"}).value_or("?"), "from env");
  ::unsetenv("OUTRIDER_TEST_SECRET");
  EXPECT_EQ(read_secret({}).value_or("?"), "");
}

TEST_F(Files, a_wrong_secret_is_refused_without_being_shown) {
  struct Case {
    std::vector<std::string> words;
    ErrorCode code;
  };
  const std::vector<Case> cases{
      {{"--secret-file", file("")}, ErrorCode::kInvalidArgument},
      {{"--secret-file", file("\n")}, ErrorCode::kInvalidArgument},
      {{"--secret-file", file("hunter2\nhunter3\n")}, ErrorCode::kInvalidArgument},
      {{"--secret-file", file(std::string("hunter2\0x", 9))}, ErrorCode::kInvalidArgument},
      {{"--secret-file", file(std::string(5000, 'h'))}, ErrorCode::kInvalidArgument},
      {{"--secret-file", (folder_ / "none").string()}, ErrorCode::kNotFound},
      {{"--secret-file", folder_.string()}, ErrorCode::kIo},
      {{"--secret-env", "OUTRIDER_TEST_NO_SUCH"}, ErrorCode::kNotFound},
  };
  for (const auto& c : cases) {
    const auto secret = read_secret(c.words);
    ASSERT_FALSE(secret) << c.words[1];
    EXPECT_EQ(secret.error().code, c.code) << secret.error().to_string();
    EXPECT_EQ(secret.error().to_string().find("hunter"), std::string::npos);
  }
}

TEST_F(Files, input_is_read_whole_or_refused) {
  EXPECT_EQ(read_input(file(std::string(100'000, 'x')), 100'000).value_or("").size(), 100'000U);
  const auto large = read_input(file(std::string(100'001, 'x')), 100'000);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, ErrorCode::kInvalidArgument);
  const auto none = read_input((folder_ / "none").string(), 10);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(none.error().where, HasSubstr("none"));
}

// ---- endings

TEST(Ending, every_error_has_an_exit_code_of_the_table) {
  const std::vector<std::pair<ErrorCode, int>> expected{
      {ErrorCode::kInvalidArgument, 2},
      {ErrorCode::kInvalidPayload, 4},
      {ErrorCode::kNotFound, 3},
      {ErrorCode::kConflict, 4},
      {ErrorCode::kRefused, 4},
      {ErrorCode::kOverloaded, 5},
      {ErrorCode::kBusy, 5},
      {ErrorCode::kLocked, 5},
      {ErrorCode::kCorrupt, 6},
      {ErrorCode::kTooNew, 6},
      {ErrorCode::kIo, 6},
      {ErrorCode::kUnknownOutcome, 7},
      {ErrorCode::kStopped, 1},
      {ErrorCode::kInternal, 1},
  };
  for (const auto& [code, exit] : expected) {
    EXPECT_EQ(exit_code(code), exit) << error_code_name(code);
    EXPECT_THAT(exit_code_table(), HasSubstr("\n  " + std::to_string(exit) + "  "));
  }
}

TEST(Ending, an_error_is_one_printable_line) {
  EXPECT_EQ(error_line({ErrorCode::kNotFound, "no such endpoint", "ep_x", "see: endpoint list"}),
            "outrider: no such endpoint (ep_x): see: endpoint list\n");
  EXPECT_EQ(error_line({ErrorCode::kIo, "a\nb\x1b[2J", {}, {}}), "outrider: a\\nb\\x1b[2J\n");
}

}  // namespace
}  // namespace outrider::cli

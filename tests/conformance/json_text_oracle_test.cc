// JavaScript as the oracle for ecmascript bodies: JSON.stringify(JSON.parse(body)) === body, and
// the body is what JavaScript itself makes of the original. One node process judges every case;
// without node the test fails, because nothing else can say what JavaScript does.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>

#include "core/json_text.h"
#include "tests/conformance/json_text_corpus.h"
#include "tests/source_dir.h"

extern char** environ;

namespace outrider::core {
namespace {

constexpr int kNumbers = 80'000;
constexpr int kDocuments = 60'000;
constexpr int kDamaged = 40'000;

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 0xF];
  }
  return text;
}

void write_case(std::string_view text, std::ostream& out) {
  const Result<std::string> body = canonical_json(text, BodyMode::kEcmascript, {});
  out << (body ? "A " : "R ") << hex(text) << ' ' << (body ? *body : body.error().message) << '\n';
}

void write_cases(std::ostream& out) {
  Dice dice(20200822);
  for (int i = 0; i < kNumbers; ++i) write_case(dice_number(dice), out);
  for (int i = 0; i < kDocuments; ++i) write_case(dice_document(dice), out);
  for (int i = 0; i < kDamaged; ++i) write_case(dice_damage(dice, dice_document(dice)), out);
}

// The exit status of `node script`, or -1 when it could not be run.
int run_node(const std::string& script, const std::string& input, const std::string& output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, input.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  std::string program = "node";
  std::string argument = script;
  char* const arguments[] = {program.data(), argument.data(), nullptr};
  pid_t child = 0;
  const int failure = posix_spawnp(&child, "node", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) return -1;
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

class JsonTextOracle : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "json_text_oracle.XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

TEST_F(JsonTextOracle, javascript_agrees_on_every_body_and_every_refusal) {
  const std::string input = folder_ / "cases";
  const std::string output = folder_ / "findings";
  {
    std::ofstream cases(input, std::ios::binary);
    write_cases(cases);
    ASSERT_TRUE(cases.flush());
  }
  const std::string script = source_dir() + "/tests/conformance/json_text_oracle.mjs";
  const int status = run_node(script, input, output);
  ASSERT_NE(status, -1) << "node is needed for this test and could not be run";

  std::stringstream findings;
  findings << std::ifstream(output).rdbuf();
  ASSERT_EQ(status, 0) << findings.str();
  std::map<std::string, int> counts;
  std::string line;
  while (std::getline(findings, line)) {
    std::istringstream words(line);
    std::string name;
    int count = 0;
    if (words >> name >> count) counts[name] += count;
  }
  SCOPED_TRACE(findings.str());
  EXPECT_EQ(counts["mismatches"], 0);
  EXPECT_GE(counts["accepted"], 100'000);
  EXPECT_GE(counts["refused_by_both"], kDamaged / 4);
  EXPECT_GE(counts["refused_here_only"], 1'000);
  EXPECT_LE(counts["refused_here_only"], (kNumbers + kDocuments + kDamaged) / 5);
  EXPECT_EQ(counts["accepted"] + counts["refused_by_both"] + counts["refused_here_only"],
            kNumbers + kDocuments + kDamaged);
}

}  // namespace
}  // namespace outrider::core

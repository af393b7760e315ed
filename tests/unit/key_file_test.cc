// The key file: made once, read only when it is whole and private, replaced and never half
// replaced.
#include "storage/key_file.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "sqlite_files.h"

namespace outrider::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class KeyFileTest : public ::testing::Test {
 protected:
  static std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  void write(const std::string& text) const {
    std::ofstream(path_, std::ios::binary) << text;
    ::chmod(path_.c_str(), 0600);
  }
  [[nodiscard]] Error load_error() const { return KeyFile::load(path_).error(); }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.file("x.key");
  const std::string data_key_ = std::string(32, 'd');
};

TEST_F(KeyFileTest, is_private_and_reads_back_as_it_was_made) {
  const auto made = KeyFile::create(path_).value();
  struct stat found{};
  ASSERT_EQ(::stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777U, 0600U);
  EXPECT_THAT(directory_.names(), ElementsAre("x.key"));
  const auto loaded = KeyFile::load(path_).value();
  EXPECT_EQ(loaded.id(), made.id());
  EXPECT_EQ(loaded.current(), 1U);
  const auto wrapped = made.wrap("acme", 5, data_key_).value();
  EXPECT_EQ(loaded.unwrap("acme", 5, 1, wrapped), data_key_);
  EXPECT_FALSE(loaded.unwrap("acme", 6, 1, wrapped));
  EXPECT_FALSE(loaded.unwrap("other", 5, 1, wrapped));
  EXPECT_EQ(loaded.unwrap("acme", 5, 2, wrapped).error().code, ErrorCode::kKey);
}

TEST_F(KeyFileTest, an_existing_file_is_never_overwritten) {
  write("precious");
  EXPECT_EQ(KeyFile::create(path_).error().code, ErrorCode::kConflict);
  EXPECT_EQ(read(path_), "precious");
  EXPECT_THAT(directory_.names(), ElementsAre("x.key"));
}

TEST_F(KeyFileTest, others_must_not_be_able_to_read_it) {
  ASSERT_TRUE(KeyFile::create(path_));
  for (const mode_t mode : {0400U, 0600U}) {
    ::chmod(path_.c_str(), mode);
    EXPECT_TRUE(KeyFile::load(path_)) << mode;
  }
  for (const mode_t mode : {0640U, 0604U, 0660U, 0644U, 0700U, 0440U, 04600U}) {
    ::chmod(path_.c_str(), mode);
    EXPECT_EQ(load_error().code, ErrorCode::kKey) << mode;
    EXPECT_THAT(load_error().hint, HasSubstr("chmod 600"));
    EXPECT_TRUE(KeyFile::load(path_, true)) << "a credential's access is the service manager's";
  }
}

TEST_F(KeyFileTest, anything_but_a_whole_key_file_is_refused_and_not_quoted) {
  EXPECT_EQ(load_error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(KeyFile::create(path_));
  const std::string whole = read(path_);
  const std::string secret = whole.substr(whole.find("node ") + 24, 64);
  std::vector<std::string> wrong{
      "",          "\n",          "outrider-key-file 2\n", std::string(100'000, 'x'),
      whole + "x", whole + whole, "\xef\xbb\xbf" + whole};
  for (std::size_t cut = 0; cut < whole.size(); cut += 7) wrong.push_back(whole.substr(0, cut));
  for (std::size_t at = 0; at < whole.size(); at += 11) {
    wrong.push_back(whole);
    wrong.back()[at] = static_cast<char>(wrong.back()[at] ^ 1);
  }
  for (const std::string& text : wrong) {
    write(text);
    const Error error = load_error();
    EXPECT_EQ(error.code, ErrorCode::kKey) << text.size();
    EXPECT_THAT(error.to_string(), ::testing::Not(HasSubstr(secret.substr(0, 16))));
    EXPECT_EQ(error.where, path_);
    EXPECT_EQ(read(path_), text) << "left as it was";
  }
}

TEST_F(KeyFileTest, a_forgotten_account_cannot_be_unwrapped_by_what_is_left) {
  auto file = KeyFile::create(path_).value();
  const auto acme = file.wrap("acme", 1, data_key_).value();
  const auto other = file.wrap("other", 2, data_key_).value();
  const auto before = read(path_);
  ASSERT_TRUE(file.forget("acme"));
  const KeyFile loaded = KeyFile::load(path_).value();
  for (const KeyFile& now : {std::cref(file), std::cref(loaded)}) {
    EXPECT_EQ(now.unwrap("acme", 1, 1, acme).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(now.unwrap("other", 2, 1, other), data_key_);
    const auto back = now.wrap("acme", 3, data_key_).value();
    EXPECT_EQ(now.unwrap("acme", 3, 1, back), data_key_) << "it may come back, with a new key";
  }
  const std::string root = before.substr(before.find("node ") + 24, 64);
  EXPECT_THAT(read(path_), ::testing::Not(HasSubstr(root)));
  // Struck out again: what came between goes too.
  const auto between = file.wrap("acme", 4, data_key_).value();
  ASSERT_TRUE(file.forget("acme"));
  EXPECT_EQ(file.unwrap("acme", 4, 1, between).error().code, ErrorCode::kNotFound);
}

TEST_F(KeyFileTest, the_replaced_file_s_bytes_are_overwritten) {
  auto file = KeyFile::create(path_).value();
  const std::string link = directory_.file("hard-link");
  ASSERT_EQ(::link(path_.c_str(), link.c_str()), 0);  // still has the old bytes' place
  file = KeyFile::load(path_).value();
  const std::string root = read(path_).substr(read(path_).find("node ") + 24, 64);
  ASSERT_TRUE(file.forget("acme"));
  EXPECT_THAT(read(link), ::testing::Not(HasSubstr(root)));
}

TEST_F(KeyFileTest, a_rotation_has_both_generations_until_the_old_one_is_dropped) {
  auto file = KeyFile::create(path_).value();
  const auto old = file.wrap("acme", 1, data_key_).value();
  ASSERT_TRUE(file.begin_generation());
  EXPECT_TRUE(file.rotating());
  EXPECT_EQ(file.current(), 2U);
  const auto now = file.wrap("acme", 1, data_key_).value();
  const auto loaded = KeyFile::load(path_).value();
  EXPECT_EQ(loaded.unwrap("acme", 1, 1, old), data_key_);
  EXPECT_EQ(loaded.unwrap("acme", 1, 2, now), data_key_);
  EXPECT_FALSE(loaded.unwrap("acme", 1, 2, old));
  ASSERT_TRUE(file.drop_older_generations());
  EXPECT_FALSE(file.rotating());
  EXPECT_EQ(file.unwrap("acme", 1, 1, old).error().code, ErrorCode::kKey);
  EXPECT_EQ(KeyFile::load(path_)->unwrap("acme", 1, 2, now), data_key_);
}

TEST_F(KeyFileTest, a_change_on_a_file_that_somebody_changed_is_refused) {
  auto file = KeyFile::create(path_).value();
  EXPECT_FALSE(file.replaced());
  auto other = KeyFile::load(path_).value();
  ASSERT_TRUE(other.forget("acme"));
  EXPECT_TRUE(file.replaced());
  EXPECT_EQ(file.forget("other").error().code, ErrorCode::kConflict);
  EXPECT_FALSE(KeyFile::load(path_)->replaced());
}

TEST_F(KeyFileTest, a_directory_that_cannot_be_written_leaves_it_as_it_was) {
  if (::geteuid() == 0) {  // root may write anywhere but under a file
    EXPECT_EQ(KeyFile::create(path_ + "/below").error().code, ErrorCode::kIo);
    return;
  }
  auto file = KeyFile::create(path_).value();
  const std::string before = read(path_);
  ::chmod(directory_.path().c_str(), 0500);
  EXPECT_EQ(file.forget("acme").error().code, ErrorCode::kIo);
  ::chmod(directory_.path().c_str(), 0700);
  EXPECT_EQ(read(path_), before);
}

}  // namespace
}  // namespace outrider::storage

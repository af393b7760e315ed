// Reading, writing and replacing the key file. The text:
//
//     outrider-key-file 1
//     # …
//     id 5d0c…                    16 random bytes, hex
//     generation 1
//     node 0 0000000000000000 …   depth, prefix, secret: hex
//     sum …                       SHA-256 of all lines before, hex
#include "storage/key_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>

#include "core/signature.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "crypto/sealed.h"
#include "storage/files.h"

namespace outrider::storage {
namespace {

constexpr std::string_view kFirstLine = "outrider-key-file 1";
constexpr std::string_view kRemark =
    "# Without this file nothing that is sealed in the database can be read: keep a backup of it,\n"
    "# apart from the database's. Replace the backup after `outrider forget` and `key rotate`.\n";
constexpr std::size_t kMostBytes = 64 * 1024 * 1024;

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] bool open() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

tl::unexpected<Error> not_a_key_file(const std::string& path, const std::string& why) {
  return fail(ErrorCode::kKey, "this is not an intact key file: " + why, path,
              "restore it from its backup; nothing was changed");
}

template <class Number>
std::optional<Number> number_of(std::string_view text, int base) {
  Number number{};
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The next word; `text` keeps what follows.
std::string_view take(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  const std::string_view word = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  return word;
}

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// A complete, durable file beside the final one. Returns its name.
Result<std::string> write_beside(const std::string& path, std::string_view text) {
  auto name = unused_name_beside(path);
  if (!name) return name;
  const char* const hint =
      "its directory must be writable; a mounted secret is changed where it comes from";
  const File file(
      ::open(name->c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.open()) return os_failure("cannot write a key file here", path, hint);
  if (write_all(file.get(), text) && ::fsync(file.get()) == 0) return name;
  auto failure = os_failure("cannot write the key file", path, hint);
  ::unlink(name->c_str());
  return failure;
}

// The bytes of a file that has lost its name. What the disk below does with them is the disk's.
void overwrite(int file) {
  struct stat found{};
  if (::fstat(file, &found) != 0) return;
  const std::string zeros(static_cast<std::size_t>(found.st_size), '0');
  if (::lseek(file, 0, SEEK_SET) == 0 && write_all(file, zeros)) (void)::fsync(file);
}

// Wiped when it goes.
class Text {
 public:
  explicit Text(std::string text) : text_(std::move(text)) {}
  ~Text() { crypto::wipe(text_); }
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
  [[nodiscard]] std::string& get() { return text_; }

 private:
  std::string text_;
};

Result<void> read_all(int file, std::size_t size, const std::string& path, std::string& text) {
  text.resize(size);
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = ::read(file, text.data() + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_failure("cannot read the key file", path, "check the disk");
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  text.resize(have);
  return {};
}

Result<void> check_access(const struct stat& found, const std::string& path, bool credential) {
  if (!S_ISREG(found.st_mode)) {
    return fail(ErrorCode::kKey, "this is no regular file, so no key file", path, "name another");
  }
  const bool private_mode = (found.st_mode & 07777U) == 0400U || (found.st_mode & 07777U) == 0600U;
  if (credential || private_mode) return {};
  return fail(ErrorCode::kKey, "others than its owner may use this key file", path,
              "chmod 600 " + path + ", and think about who has read it already");
}

}  // namespace

std::optional<KeyFile::Identity> KeyFile::identity_of(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return std::nullopt;
  return Identity{.device = found.st_dev,
                  .inode = found.st_ino,
                  .changed_ns = found.st_ctim.tv_sec * 1'000'000'000 + found.st_ctim.tv_nsec};
}

Result<KeyFile> KeyFile::load(const std::string& path, bool credential) {
  auto identity = identity_of(path);
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file.open()) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return fail(ErrorCode::kNotFound, "there is no key file", path,
                  "restore it from its backup, or name it with --key-file");
    }
    return os_failure("cannot open the key file", path, "it belongs to another user?");
  }
  struct stat found{};
  if (::fstat(file.get(), &found) != 0) return os_failure("cannot read the key file", path, {});
  if (auto ok = check_access(found, path, credential); !ok) {
    return tl::unexpected(std::move(ok.error()));
  }
  if (static_cast<std::size_t>(found.st_size) > kMostBytes) {
    return not_a_key_file(path, "it is too large");
  }
  Text text({});
  if (auto read = read_all(file.get(), static_cast<std::size_t>(found.st_size), path, text.get());
      !read) {
    return tl::unexpected(std::move(read.error()));
  }
  auto loaded = parse(path, text.get());
  if (loaded) loaded->identity_ = identity;
  return loaded;
}

Result<KeyFile> KeyFile::parse(const std::string& path, std::string_view text) {
  const std::size_t last = text.rfind("\nsum ");
  if (!text.starts_with(kFirstLine) || last == std::string_view::npos) {
    return not_a_key_file(path, text.empty() ? "it is empty" : "its first or last line is not one");
  }
  std::string_view sum = text.substr(last + 5);
  std::string_view lines = text.substr(0, last + 1);
  if (core::encode(core::Encoding::kHex, crypto::sha256(lines)) + "\n" != sum) {
    return not_a_key_file(path, "it was changed or cut short");
  }
  std::string id;
  struct Draft {
    std::uint32_t number = 0;
    std::vector<crypto::KeyTree::Node> nodes;
  };
  std::vector<Draft> drafts;
  take(lines, '\n');
  while (!lines.empty()) {
    std::string_view line = take(lines, '\n');
    if (line.starts_with('#')) continue;
    const std::string_view word = take(line, ' ');
    bool sound = true;
    if (word == "id") {
      id = line;
    } else if (word == "generation") {
      const auto number = number_of<std::uint32_t>(line, 10);
      sound = number && (drafts.empty() || *number > drafts.back().number);
      if (sound) drafts.push_back({.number = *number, .nodes = {}});
    } else if (word == "node" && !drafts.empty()) {
      const auto depth = number_of<std::uint8_t>(take(line, ' '), 10);
      const auto prefix = number_of<std::uint64_t>(take(line, ' '), 16);
      auto secret = core::decode_hex(line);
      sound = depth && prefix && secret;
      if (sound) {
        drafts.back().nodes.push_back({.depth = *depth, .prefix = *prefix, .secret = *secret});
        crypto::wipe(*secret);
      }
    } else {
      sound = false;
    }
    if (!sound) return not_a_key_file(path, "it has a line of an unknown kind");
  }
  std::vector<Generation> generations;
  for (Draft& draft : drafts) {
    auto tree = crypto::KeyTree::make(std::move(draft.nodes));
    if (!tree) return not_a_key_file(path, tree.error().message);
    generations.push_back({.number = draft.number, .tree = std::move(*tree)});
  }
  if (id.empty() || generations.empty()) return not_a_key_file(path, "it holds no key");
  return KeyFile(path, std::move(id), std::move(generations));
}

std::string KeyFile::text() const {
  std::string text(kFirstLine);
  text.append("\n").append(kRemark).append("id ").append(id_).append("\n");
  for (const Generation& generation : generations_) {
    text += "generation " + std::to_string(generation.number) + "\n";
    for (const crypto::KeyTree::Node& node : generation.tree.nodes()) {
      std::array<char, 40> place{};
      std::snprintf(place.data(), place.size(), "node %u %016llx ", unsigned{node.depth},
                    static_cast<unsigned long long>(node.prefix));
      text.append(place.data())
          .append(core::encode(core::Encoding::kHex, node.secret))
          .append("\n");
    }
  }
  const std::string sum = core::encode(core::Encoding::kHex, crypto::sha256(text));
  return text.append("sum ").append(sum).append("\n");
}

namespace {

Result<crypto::KeyTree> new_tree() {
  auto secret = crypto::random_bytes(crypto::KeyTree::kNodeBytes);
  if (!secret) return tl::unexpected(std::move(secret.error()));
  std::vector<crypto::KeyTree::Node> root;
  root.push_back({.depth = 0, .prefix = 0, .secret = std::move(*secret)});
  return crypto::KeyTree::make(std::move(root));
}

}  // namespace

Result<KeyFile> KeyFile::create(const std::string& path) {
  auto id = crypto::random_bytes(16);
  if (!id) return tl::unexpected(std::move(id.error()));
  auto tree = new_tree();
  if (!tree) return tl::unexpected(std::move(tree.error()));
  std::vector<Generation> generations;
  generations.push_back({.number = 1, .tree = std::move(*tree)});
  KeyFile made(path, core::encode(core::Encoding::kHex, *id), std::move(generations));
  Text text(made.text());
  auto beside = write_beside(path, text.get());
  if (!beside) return tl::unexpected(std::move(beside.error()));
  // A hard link never replaces anything: a key that is there already must stay.
  const bool named = ::link(beside->c_str(), path.c_str()) == 0;
  const int reason = errno;
  ::unlink(beside->c_str());
  errno = reason;
  if (!named && errno == EEXIST) {
    return fail(ErrorCode::kConflict, "something has this name already", path,
                "name another file; an existing key is never overwritten");
  }
  if (!named) return os_failure("cannot name the new key file", path, "check the file system");
  if (auto synced = sync_directory_of(path); !synced) {
    return tl::unexpected(std::move(synced.error()));
  }
  made.identity_ = identity_of(path);
  return made;
}

// How often the account was struck out, as this generation knows: each time has a leaf of its own.
static std::uint32_t time_of(const crypto::KeyTree& tree, std::string_view account,
                             std::optional<std::string>& key) {
  std::uint32_t time = 0;
  for (;; ++time) {
    key = tree.key(crypto::leaf_of(account, time));
    if (key) return time;
  }
}

Result<std::string> KeyFile::wrap(std::string_view account, std::int64_t row,
                                  std::string_view data_key) const {
  std::optional<std::string> key;
  const std::uint32_t time = time_of(generations_.back().tree, account, key);
  auto wrapped = crypto::seal(
      *key, time, {.account = account, .table = "outrider_key", .row = row, .column = "wrapped"},
      data_key);
  crypto::wipe(*key);
  return wrapped;
}

Result<std::string> KeyFile::unwrap(std::string_view account, std::int64_t row,
                                    std::uint32_t generation, std::string_view wrapped) const {
  const Generation* with = nullptr;
  for (const Generation& known : generations_) {
    if (known.number == generation) with = &known;
  }
  if (with == nullptr) {
    return fail(ErrorCode::kKey,
                "this key file does not have generation " + std::to_string(generation) +
                    ", with which the database's keys are wrapped",
                path_, "restore the newest backup of the key file");
  }
  const auto time = crypto::sealing_key_of(wrapped);
  if (!time) return fail(ErrorCode::kCorrupt, "a data key in the database is damaged", {});
  auto key = with->tree.key(crypto::leaf_of(account, *time));
  if (!key) return fail(ErrorCode::kNotFound, "the account was forgotten", {});
  auto data_key = crypto::unseal(
      *key, {.account = account, .table = "outrider_key", .row = row, .column = "wrapped"},
      wrapped);
  crypto::wipe(*key);
  if (data_key && data_key->size() != crypto::kSealingKeyBytes) {
    return fail(ErrorCode::kCorrupt, "a data key in the database is damaged", {});
  }
  return data_key;
}

Result<void> KeyFile::forget(std::string_view account) {
  std::vector<Generation> generations = generations_;
  for (Generation& generation : generations) {
    std::optional<std::string> key;
    const std::uint32_t time = time_of(generation.tree, account, key);
    crypto::wipe(*key);
    generation.tree.strike_out(crypto::leaf_of(account, time));
  }
  return replace(std::move(generations));
}

Result<void> KeyFile::begin_generation() {
  auto tree = new_tree();
  if (!tree) return tl::unexpected(std::move(tree.error()));
  std::vector<Generation> generations = generations_;
  generations.push_back({.number = current() + 1, .tree = std::move(*tree)});
  return replace(std::move(generations));
}

Result<void> KeyFile::drop_older_generations() {
  std::vector<Generation> generations;
  generations.push_back(generations_.back());
  return replace(std::move(generations));
}

bool KeyFile::replaced() const {
  const auto now = identity_of(path_);
  return now && now != identity_;
}

Result<void> KeyFile::replace(std::vector<Generation> generations) {
  if (identity_of(path_) != identity_) {
    return fail(ErrorCode::kConflict, "the key file was changed meanwhile", path_, "try again");
  }
  std::swap(generations, generations_);
  Text text(this->text());
  auto beside = write_beside(path_, text.get());
  const File old(::open(path_.c_str(), O_WRONLY | O_CLOEXEC));
  const bool named = beside && ::rename(beside->c_str(), path_.c_str()) == 0;
  if (!named) {
    std::swap(generations, generations_);
    if (!beside) return tl::unexpected(std::move(beside.error()));
    auto failure = os_failure("cannot replace the key file", path_,
                              "a mounted secret is changed where it comes from");
    ::unlink(beside->c_str());
    return failure;
  }
  identity_ = identity_of(path_);
  if (auto synced = sync_directory_of(path_); !synced) return synced;
  if (old.open()) overwrite(old.get());
  return {};
}

}  // namespace outrider::storage

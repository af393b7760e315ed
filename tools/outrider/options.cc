// Values from outside: numbers, times, headers, secrets, files.
#include "options.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <system_error>

#include "time_text.h"
#include "wiped.h"

namespace outrider::cli {
namespace {

constexpr std::size_t kMaxSecretBytes = 4096;

[[noreturn]] void refuse(const std::string& option, const std::string& why) {
  throw CLI::ValidationError(option, why);
}

template <class T>
T or_refuse(const std::string& option, const Result<T>& value) {
  if (!value) refuse(option, value.error().message + ": " + value.error().hint);
  return *value;
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kBlanks) - first + 1));
}

tl::unexpected<Error> system_failure(const std::string& path, int fault) {
  const bool missing = fault == ENOENT || fault == ENOTDIR;
  return fail(missing ? ErrorCode::kNotFound : ErrorCode::kIo,
              "cannot read: " + std::generic_category().message(fault), path);
}

// A descriptor that is closed at the end, unless it is standard input, and a block to read into,
// which may have held a secret.
class Input {
 public:
  explicit Input(const std::string& path)
      : descriptor_(path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Input() {
    wipe(block_);
    if (descriptor_ > STDIN_FILENO) ::close(descriptor_);
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] std::string& block() { return block_; }

 private:
  int descriptor_;
  std::string block_ = std::string(65536, '\0');
};

}  // namespace

CLI::Option* list_option(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                         const std::string& description) {
  return app.add_option(name, values, description)->allow_extra_args(false);
}

std::uint64_t parse_number(const std::string& option, const std::string& text, std::uint64_t least,
                           std::uint64_t most) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  const bool plain = text == "0" || (!text.empty() && text.front() != '0');
  if (!plain || read.ec != std::errc{} || read.ptr != end || value < least || value > most) {
    refuse(option,
           "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return value;
}

CLI::Option* port_list_option(CLI::App& app, const std::string& name,
                              std::vector<std::uint16_t>& ports, const std::string& description) {
  return app
      .add_option_function<std::vector<std::string>>(
          name,
          [&ports, name](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              ports.push_back(static_cast<std::uint16_t>(parse_number(name, text, 0, 65535)));
            }
          },
          description)
      ->allow_extra_args(false)
      ->type_name("PORT");
}

CLI::Option* duration_option(CLI::App& app, const std::string& name, std::int64_t& value_ms,
                             const std::string& description) {
  return app
      .add_option_function<std::string>(
          name,
          [&value_ms, name](const std::string& text) {
            value_ms = or_refuse(name, parse_duration(text));
          },
          description)
      ->type_name("DURATION");
}

CLI::Option* time_option(CLI::App& app, const std::string& name,
                         std::optional<std::int64_t>& value_ms, const std::string& description) {
  return app
      .add_option_function<std::string>(
          name,
          [&value_ms, name](const std::string& text) {
            value_ms = or_refuse(name, parse_instant(text, wall_now_ms()));
          },
          description)
      ->type_name("TIME");
}

CLI::Option* rate_option(CLI::App& app, const std::string& name, double& value,
                         const std::string& description) {
  return app
      .add_option_function<std::string>(
          name,
          [&value, name](const std::string& text) {
            const char* const end = text.data() + text.size();
            const auto read = std::from_chars(text.data(), end, value, std::chars_format::fixed);
            const bool ok = read.ec == std::errc{} && read.ptr == end && std::isfinite(value) &&
                            value >= 0 && value <= 1e6;
            if (!ok) refuse(name, "must be a number of requests a second from 0 to 1000000");
          },
          description)
      ->type_name("RATE");
}

Result<std::vector<HeaderField>> parse_headers(const std::vector<std::string>& lines) {
  std::vector<HeaderField> headers;
  for (const std::string& line : lines) {
    const std::size_t colon = line.find(':');
    const std::string name = trimmed(line.substr(0, colon == std::string::npos ? 0 : colon));
    if (name.empty()) {
      return fail(ErrorCode::kInvalidArgument, "a header without a name", "--header",
                  "write 'Name: value'");
    }
    headers.push_back({name, trimmed(std::string_view(line).substr(colon + 1))});
  }
  return headers;
}

void SecretSource::add_to(CLI::App& app, const std::string& what) {
  auto* file = app.add_option("--secret-file", file_, what + ", read from this file");
  auto* variable =
      app.add_option("--secret-env", variable_, what + ", read from this environment variable");
  auto* standard_input =
      app.add_flag("--secret-stdin", stdin_, what + ", read from standard input");
  file->type_name("FILE")->excludes(variable)->excludes(standard_input);
  variable->type_name("NAME")->excludes(standard_input);
}

Result<std::string> SecretSource::read() const {
  std::string secret;
  std::string where;
  if (variable_) {
    where = "--secret-env";
    if (variable_->empty()) return fail(ErrorCode::kInvalidArgument, "names no variable", where);
    const char* value = std::getenv(variable_->c_str());
    if (value == nullptr) {
      return fail(ErrorCode::kNotFound, "no such environment variable: " + *variable_, where);
    }
    secret = value;
  } else if (given()) {
    where = stdin_ ? "--secret-stdin" : "--secret-file";
    if (file_ && file_->empty()) return fail(ErrorCode::kInvalidArgument, "names no file", where);
    auto text = read_input(stdin_ ? "-" : *file_, kMaxSecretBytes);
    if (!text) return text;
    secret = std::move(*text);
  } else {
    return secret;
  }
  if (!secret.empty() && secret.back() == '\n') secret.pop_back();
  if (!secret.empty() && secret.back() == '\r') secret.pop_back();
  if (secret.empty()) return fail(ErrorCode::kInvalidArgument, "the secret is empty", where);
  const auto forbidden = [](char c) { return c == '\n' || c == '\r' || c == '\0'; };
  if (std::any_of(secret.begin(), secret.end(), forbidden)) {
    return fail(ErrorCode::kInvalidArgument, "the secret has more than one line", where,
                "give one secret on one line");
  }
  return secret;
}

Result<std::string> read_input(const std::string& path, std::size_t most) {
  Input input(path);
  const std::string shown = path == "-" ? "standard input" : path;
  if (input.descriptor() < 0) return system_failure(shown, errno);
  std::string& block = input.block();
  std::string text;
  text.reserve(block.size());  // what is no longer leaves no copies behind by growing
  while (true) {
    const ssize_t got = ::read(input.descriptor(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_failure(shown, errno);
    if (got == 0) return text;
    text.append(block.data(), static_cast<std::size_t>(got));
    if (text.size() > most) {
      return fail(ErrorCode::kInvalidArgument, "longer than " + std::to_string(most) + " bytes",
                  shown);
    }
  }
}

}  // namespace outrider::cli

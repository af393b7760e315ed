// Output goes straight to the descriptor: an error is met where it happens, with its errno, and
// nothing waits in a buffer when the process ends. SIGPIPE is ignored (main.cc), so a closed pipe
// is EPIPE here.
#include "outcome.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <system_error>

#include "terminal_text.h"

namespace outrider::cli {
namespace {

struct Ending {
  ErrorCode code;
  ExitCode exit;
};
constexpr std::array kEndings{
    Ending{ErrorCode::kInvalidArgument, kUsage},
    Ending{ErrorCode::kInvalidPayload, kRefused},
    Ending{ErrorCode::kNotFound, kNotFound},
    Ending{ErrorCode::kConflict, kRefused},
    Ending{ErrorCode::kRefused, kRefused},
    Ending{ErrorCode::kOverloaded, kTryAgain},
    Ending{ErrorCode::kBusy, kTryAgain},
    Ending{ErrorCode::kLocked, kTryAgain},
    Ending{ErrorCode::kCorrupt, kStorage},
    Ending{ErrorCode::kTooNew, kStorage},
    Ending{ErrorCode::kIo, kStorage},
    Ending{ErrorCode::kUnknownOutcome, kUnknown},
    Ending{ErrorCode::kStopped, kFailed},
    Ending{ErrorCode::kInternal, kFailed},
    Ending{ErrorCode::kKey, kStorage},
};

std::atomic<bool> reader_gone = false;

// 0 or errno.
int write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace

int exit_code(ErrorCode code) {
  for (const Ending& ending : kEndings) {
    if (ending.code == code) return ending.exit;
  }
  return kFailed;
}

std::string exit_code_table() {
  return "Exit codes:\n"
         "  0  done\n"
         "  1  it failed for a reason that has no code of its own\n"
         "  2  wrong usage: an option, a value, a spelling\n"
         "  3  not found: endpoint, event, provider, file or database\n"
         "  4  refused: by the provider's rules, by a check of the payload or signature,\n"
         "     or because it conflicts with what is there\n"
         "  5  busy or locked by another process: try again, or stop the other one\n"
         "  6  the database, its key file or the disk: missing key, damaged, too new, full, not "
         "writable\n"
         "  7  unknown: it may or may not have been written; look before you repeat it\n"
         "  128+n  ended at once by a second signal n\n";
}

std::string error_line(const Error& error) {
  return "outrider: " + printable(error.to_string()) + "\n";
}

Result<void> print(std::string_view text) {
  const int fault = write_all(STDOUT_FILENO, text);
  if (fault == 0) return {};
  if (fault == EPIPE) reader_gone = true;
  return fail(ErrorCode::kIo, "cannot write: " + std::generic_category().message(fault),
              "standard output");
}

bool reader_is_gone() { return reader_gone; }

Result<int> done_with(std::string_view text) {
  const auto printed = print(text);
  if (!printed) return tl::unexpected(printed.error());
  return kDone;
}

void complain(std::string_view text) { (void)write_all(STDERR_FILENO, text); }

}  // namespace outrider::cli

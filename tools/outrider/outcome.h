// How a command ends: what it printed, its one line on stderr, its exit code.
#pragma once

#include <string>
#include <string_view>

#include "outrider/result.h"

namespace outrider::cli {

// Exit codes; the table that --help prints, and the mapping from ErrorCode, are in outcome.cc.
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kNotFound = 3,
  kRefused = 4,
  kTryAgain = 5,
  kStorage = 6,
  kUnknown = 7,
};
[[nodiscard]] int exit_code(ErrorCode code);
[[nodiscard]] std::string exit_code_table();

// "outrider: what (where): what to do", on one line and printable.
[[nodiscard]] std::string error_line(const Error& error);

// Writes to standard output. Error: kIo. When the reader has gone away (a closed pipe) that is an
// error too, so that loops end; reader_is_gone() tells it apart, because it is nothing to complain
// about.
[[nodiscard]] Result<void> print(std::string_view text);
[[nodiscard]] bool reader_is_gone();
// The usual end of a command: its output, and kDone.
[[nodiscard]] Result<int> done_with(std::string_view text);

// Writes to standard error; what cannot be written there is lost.
void complain(std::string_view text);

}  // namespace outrider::cli

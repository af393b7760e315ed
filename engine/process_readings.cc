// From /proc, whose columns proc(5) numbers. The program's name is in brackets and may hold blanks
// and brackets itself: columns are counted from the last one.
#include "process_readings.h"

#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace outrider {
namespace {

// Of /proc/self/stat, without the first two.
constexpr std::size_t kUserTicks = 11, kSystemTicks = 12, kStartTicks = 19, kVirtualBytes = 20,
                      kResidentPages = 21;

std::string read_file(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// 0 for what is no number.
template <class T = double>
T number(std::string_view text) {
  T value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::vector<std::string> columns() {
  const std::string text = read_file("/proc/self/stat");
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream rest(text.substr(name_end + 1));
  return {std::istream_iterator<std::string>(rest), std::istream_iterator<std::string>()};
}

double boot_time_s() {
  std::istringstream lines(read_file("/proc/stat"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("btime ")) return number(std::string_view(line).substr(6));
  }
  return 0;
}

}  // namespace

std::optional<ProcessReadings> read_process() {
  const std::vector<std::string> stat = columns();
  const double boot = boot_time_s();
  if (stat.size() <= kResidentPages || boot == 0) return std::nullopt;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  ProcessReadings process;
  process.start_time_s = boot + number(stat[kStartTicks]) / ticks;
  process.cpu_s = (number(stat[kUserTicks]) + number(stat[kSystemTicks])) / ticks;
  process.virtual_bytes = number<std::uint64_t>(stat[kVirtualBytes]);
  process.resident_bytes = number<std::uint64_t>(stat[kResidentPages]) *
                           static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  std::error_code none;
  for (auto entry = std::filesystem::directory_iterator("/proc/self/fd", none);
       !none && entry != std::filesystem::directory_iterator(); entry.increment(none)) {
    ++process.open_fds;
  }
  if (process.open_fds > 0) --process.open_fds;  // the one that was read with
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) process.max_fds = limit.rlim_cur;
  return process;
}

}  // namespace outrider

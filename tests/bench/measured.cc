#include "measured.h"

#include <dirent.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <sstream>

namespace outrider::bench {
namespace {

constexpr double kNs = 1e-9;
// Each power of two of nanoseconds is cut in so many parts.
constexpr unsigned kPartBits = 7;

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::size_t bucket(std::uint64_t ns) {
  if (ns < (1U << kPartBits)) return ns;
  const auto power = static_cast<unsigned>(std::bit_width(ns)) - 1;
  const std::uint64_t part = (ns >> (power - kPartBits)) & ((1U << kPartBits) - 1);
  return ((power - kPartBits + 1UL) << kPartBits) + part;
}

double middle_us(std::size_t index) {
  const std::size_t row = index >> kPartBits;
  const std::size_t part = index & ((1U << kPartBits) - 1);
  if (row == 0) return static_cast<double>(part) / 1e3;
  const double low =
      std::ldexp(static_cast<double>((1U << kPartBits) + part), static_cast<int>(row) - 1);
  return (low + std::ldexp(0.5, static_cast<int>(row) - 1)) / 1e3;
}

}  // namespace

std::int64_t now_ns() {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  return std::int64_t{1'000'000'000} * at.tv_sec + at.tv_nsec;
}

void pin(const std::string& processors) {
  if (processors.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  std::istringstream list(processors);
  for (std::string one; std::getline(list, one, ',');) CPU_SET(std::stoul(one), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) give_up("cannot run on processor " + processors);
}

Processor processor_time() {
  Processor spent;
  timespec at{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
  spent.all = static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) * kNs;
  std::map<std::string, double> threads;
  DIR* const tasks = opendir("/proc/self/task");
  if (tasks == nullptr) give_up("cannot read /proc/self/task");
  while (const dirent* entry = readdir(tasks)) {
    if (entry->d_name[0] == '.') continue;
    const std::string task = std::string("/proc/self/task/") + entry->d_name;
    // Nanoseconds on a processor, then others.
    const std::string spent_ns = first_line(task + "/schedstat");
    threads[first_line(task + "/comm")] += std::strtod(spent_ns.c_str(), nullptr) * kNs;
  }
  closedir(tasks);
  spent.threads.assign(threads.begin(), threads.end());
  return spent;
}

std::uint64_t resident_bytes() {
  std::istringstream pages(first_line("/proc/self/statm"));
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  pages >> all >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t bytes_to_disk() {
  std::ifstream io("/proc/self/io");
  for (std::string line; std::getline(io, line);) {
    if (line.starts_with("write_bytes: ")) return std::strtoull(line.c_str() + 13, nullptr, 10);
  }
  return 0;
}

void Latencies::add_ns(std::int64_t ns) {
  const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0));
  ++buckets_[std::min(bucket(value), buckets_.size() - 1)];
  ++count_;
  most_ = std::max(most_, static_cast<double>(value) / 1e3);
}

double Latencies::at(double share) const {
  if (count_ == 0) return 0;
  const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t index = 0; index < buckets_.size(); ++index) {
    seen += buckets_[index];
    if (seen >= std::max<std::uint64_t>(rank, 1)) return std::min(middle_us(index), most_);
  }
  return most_;
}

Report& Report::number(std::string_view name, double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.15g", value);
  if (!members_.empty()) members_ += ", ";
  members_ += '"' + std::string(name) + "\": " + text;
  return *this;
}

Report& Report::text(std::string_view name, std::string_view value) {
  if (!members_.empty()) members_ += ", ";
  members_ += '"' + std::string(name) + "\": \"" + std::string(value) + '"';
  return *this;
}

Report& Report::latencies(std::string_view name, const Latencies& values) {
  const std::string prefix(name);
  number(prefix + "_p50_us", values.at(0.5)).number(prefix + "_p90_us", values.at(0.9));
  return number(prefix + "_p99_us", values.at(0.99)).number(prefix + "_max_us", values.most());
}

Report& Report::processor(const Processor& spent) {
  number("cpu_s", spent.all);
  for (const auto& [name, seconds] : spent.threads) number("cpu_s:" + name, seconds);
  return *this;
}

void Report::print() const {
  std::printf("{%s}\n", members_.c_str());
  std::fflush(stdout);
}

Arguments::Arguments(int argc, char** argv, std::vector<std::string_view> known) {
  for (int at = 1; at < argc; at += 2) {
    const std::string_view name = argv[at];
    if (!name.starts_with("--") || std::ranges::find(known, name.substr(2)) == known.end() ||
        at + 1 == argc) {
      std::string all;
      for (const auto one : known) all += " --" + std::string(one);
      give_up("not an option with its value: " + std::string(name) + "; there is:" + all);
    }
    given_.emplace_back(name.substr(2), argv[at + 1]);
  }
}

std::string Arguments::text(std::string_view name, std::string otherwise) const {
  const auto found =
      std::ranges::find(given_, name, [](const auto& one) { return std::string_view(one.first); });
  return found == given_.end() ? std::move(otherwise) : found->second;
}

std::uint64_t Arguments::number(std::string_view name, std::uint64_t otherwise) const {
  const std::string given = text(name);
  if (given.empty()) return otherwise;
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(given.c_str(), &end, 10);
  if (*end != '\0') give_up("--" + std::string(name) + " is a whole number, not " + given);
  return value;
}

void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

std::string payload(std::uint64_t n, std::int64_t made_ns, std::size_t bytes) {
  std::string text = "{\"n\":\"" + std::to_string(n) + "\",\"made\":\"" + std::to_string(made_ns) +
                     "\",\"filler\":\"";
  text.append(bytes > text.size() + 2 ? bytes - text.size() - 2 : 0, 'x');
  return text + "\"}";
}

}  // namespace outrider::bench

// What every program of the benchmark says of itself, and how it says it: one JSON object on one
// line of standard output. Figures of one run are compared with each other, never with those of
// another machine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace outrider::bench {

// CLOCK_MONOTONIC, the same in all processes of a machine.
[[nodiscard]] std::int64_t now_ns();

// Keeps this process, and threads that it starts later, on these processors ("0", "0,1"; empty:
// any).
void pin(const std::string& processors);

// Of this process since its start, in seconds. By thread: named as the thread is, those of one name
// summed.
struct Processor {
  double all = 0;
  std::vector<std::pair<std::string, double>> threads;  // sorted by name; those that live
};
[[nodiscard]] Processor processor_time();

[[nodiscard]] std::uint64_t resident_bytes();  // now
[[nodiscard]] std::uint64_t bytes_to_disk();   // written by this process, as the kernel counts them

// Microseconds, in buckets of less than 1 %: adding costs the same however many there are.
class Latencies {
 public:
  void add_ns(std::int64_t ns);
  [[nodiscard]] std::uint64_t count() const { return count_; }
  // In microseconds; 0 when there is none. `share` is 0 to 1.
  [[nodiscard]] double at(double share) const;
  [[nodiscard]] double most() const { return most_; }

 private:
  std::vector<std::uint64_t> buckets_ = std::vector<std::uint64_t>(64UL * 128);
  std::uint64_t count_ = 0;
  double most_ = 0;
};

// {"name": 1.5, …}, written member by member.
class Report {
 public:
  Report& number(std::string_view name, double value);
  Report& text(std::string_view name, std::string_view value);
  Report& latencies(std::string_view name,
                    const Latencies& values);  // name_p50_us, …_p90_, …_p99_, …_max_
  Report& processor(const Processor& spent);   // cpu_s, cpu_s:THREAD
  void print() const;                          // one line, flushed

 private:
  std::string members_;
};

// "--name value" pairs in any order; what is not known ends the program.
class Arguments {
 public:
  Arguments(int argc, char** argv, std::vector<std::string_view> known);
  [[nodiscard]] std::string text(std::string_view name, std::string otherwise = {}) const;
  [[nodiscard]] std::uint64_t number(std::string_view name, std::uint64_t otherwise) const;

 private:
  std::vector<std::pair<std::string, std::string>> given_;
};

// Says why on standard error and ends the program with 1.
[[noreturn]] void give_up(const std::string& why);

// The payload of event `n`: `bytes` long at least 60, with the time it was made.
[[nodiscard]] std::string payload(std::uint64_t n, std::int64_t made_ns, std::size_t bytes);

}  // namespace outrider::bench

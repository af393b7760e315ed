// outrider endpoint replay: says first what it would do; with --yes it does it, call after call
// until the range is done.
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "endpoint.h"
#include "json_output.h"
#include "outcome.h"
#include "time_text.h"

namespace outrider::cli {
namespace {

class Replay final : public Command {
 public:
  explicit Replay(CLI::App& app) : Command(app) {
    endpoint_id(app, id_);
    app.add_option("--since", since_, "Of events accepted at or after this time")
        ->type_name("TIME");
    app.add_option("--until", until_, "And before this one (default: now)")->type_name("TIME");
    app.add_option("--state", states_,
                   "Those whose delivery to it is exhausted, expired, cancelled or delivered, or "
                   "that\nit missed altogether (default: all of these but delivered)");
    app.add_option("--type", filter_.types, "Only of this type");
    app.add_option("--event", filter_.events, "Only this event")->type_name("ID");
    app.add_flag("--dry-run", filter_.dry_run, "Count only, as without --yes");
    app.add_flag("--yes", yes_, "Do it")->excludes("--dry-run");
    app.footer(
        "Makes due again, oldest first, what the endpoint missed. What is pending, expired or\n"
        "purged is left alone, so asking twice does nothing twice (except for delivered).\n"
        "TIME is 2026-01-31T09:30:00Z, or back from now: 24h, 7d.\n"
        "\nExamples:\n"
        "  outrider endpoint replay ep_… --since 24h\n"
        "  outrider endpoint replay ep_… --since 24h --state missed --state exhausted --yes\n");
  }

  Result<int> run(const Globals& globals) override {
    const std::int64_t now = wall_now_ms();
    if (auto read = read_options(now); !read) return tl::unexpected(read.error());
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    ReplayReport sum;
    do {
      auto report = (*database)->replay(id_, filter_);
      if (!report) return tl::unexpected(report.error());
      add(sum, *report);
      filter_.cursor = report->cursor.value_or("");
    } while (!filter_.cursor.empty());
    return done_with(globals.json ? as_json(sum) : in_words(sum));
  }

 private:
  Result<void> read_options(std::int64_t now) {
    filter_.dry_run = !yes_;
    const auto read = [now](const std::string& text, const char* option,
                            std::optional<std::int64_t>& into) -> Result<void> {
      if (text.empty()) return {};
      if (const auto back = parse_duration(text)) {
        into = now - *back;
        return {};
      }
      const auto at = parse_instant(text, now);
      if (!at) {
        return fail(ErrorCode::kInvalidArgument, "not a time: " + text, option,
                    "write 2026-01-31T09:30:00Z, or 24h for a day ago");
      }
      into = *at;
      return {};
    };
    if (auto ok = read(since_, "--since", filter_.since); !ok) return ok;
    if (auto ok = read(until_, "--until", filter_.until); !ok) return ok;
    if (!filter_.since && filter_.events.empty()) {
      return fail(ErrorCode::kInvalidArgument, "a replay needs its beginning", "--since",
                  "give --since, or events by --event");
    }
    if (states_.empty()) return {};
    filter_.states.clear();
    filter_.missed = false;
    for (const std::string& name : states_) {
      const auto state = delivery_state_from(name);
      if (name == "missed") {
        filter_.missed = true;
      } else if (state) {
        filter_.states.push_back(*state);
      } else {
        return fail(ErrorCode::kInvalidArgument, "no such state: " + name, "--state",
                    "write missed, exhausted, expired, cancelled or delivered");
      }
    }
    return {};
  }

  static void add(ReplayReport& sum, const ReplayReport& report) {
    sum.replayed += report.replayed;
    sum.waiting += report.waiting;
    sum.expired += report.expired;
    sum.purged += report.purged;
    sum.too_often += report.too_often;
    sum.unknown += report.unknown;
    sum.until = report.until;
  }

  [[nodiscard]] std::string as_json(const ReplayReport& sum) const {
    JsonOutput json;
    json.begin_object()
        .member("endpoint", id_)
        .member("replayed", sum.replayed)
        .member("dry_run", filter_.dry_run)
        .member("waiting", sum.waiting)
        .member("expired", sum.expired)
        .member("purged", sum.purged)
        .member("too_often", sum.too_often)
        .member("unknown", sum.unknown)
        .member("until", sum.until)
        .end_object();
    return json.document() + "\n";
  }

  [[nodiscard]] std::string in_words(const ReplayReport& sum) const {
    std::string text = id_ + ": " + std::to_string(sum.replayed) +
                       (sum.replayed == 1 ? " delivery " : " deliveries ") +
                       (filter_.dry_run ? "would be made due" : "made due");
    const auto left = [&text](std::uint64_t count, const char* why) {
      if (count > 0) text += "; " + std::to_string(count) + " " + why;
    };
    left(sum.waiting, "pending already");
    left(sum.expired, "expired");
    left(sum.purged, "without their payload, which retention removed");
    left(sum.too_often, "tried too often");
    left(sum.unknown, "not its account's, or gone");
    text += ".\n";
    if (!yes_ && sum.replayed > 0) text += "With --yes it is done.\n";
    return text;
  }

  std::string id_, since_, until_;
  std::vector<std::string> states_;
  ReplayFilter filter_;
  bool yes_ = false;
};

}  // namespace

void add_endpoint_replay(CLI::App& endpoint, Commands& commands) {
  commands.push_back(std::make_unique<Replay>(*endpoint.add_subcommand(
      "replay", "Send again what it missed, by a range of time and the deliveries' ends")));
}

}  // namespace outrider::cli

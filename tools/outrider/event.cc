// outrider event: list, show, retry, cancel. Where one delivery is meant, its id stands for the
// event's.
#include <map>
#include <string>

#include "command.h"
#include "event_text.h"
#include "options.h"
#include "outcome.h"
#include "time_text.h"
#include "views_json.h"
#include "wiped.h"

namespace outrider::cli {
namespace {

void event_id(CLI::App& app, std::string& id) {
  app.add_option("id", id, "The event, evt_…, or one delivery, dlv_…")->required()->type_name("ID");
}

class List final : public Command {
 public:
  explicit List(CLI::App& app) : Command(app) {
    app.add_option("--account", filter_.account, "Only this account's");
    app.add_option("--provider", filter_.provider, "Only this provider's");
    app.add_option("--type", filter_.type, "Only of this type");
    app.add_option("--state", state_,
                   "Only with a delivery that is pending, held, delivered, exhausted, expired or "
                   "cancelled");
    app.add_option("--endpoint", filter_.endpoint, "Only with a delivery to this endpoint")
        ->type_name("ID");
    app.add_option("--idempotency-key", filter_.idempotency_key,
                   "The event published with this key; needs --account and --provider")
        ->type_name("KEY");
    app.add_option("--before", filter_.before, "Only older than this event: the next page")
        ->type_name("ID");
    number_option<std::uint32_t>(app, "--limit", filter_.limit, 1, 1000,
                                 "At most so many, newest first (default 50)");
    app.footer(
        "Examples:\n"
        "  outrider event list --state exhausted\n"
        "  outrider event list --account acme --limit 100 --before evt_…\n");
  }

  Result<int> run(const Globals& globals) override {
    if (!state_.empty()) {
      filter_.state = delivery_state_from(state_);
      if (!filter_.state) {
        return fail(ErrorCode::kInvalidArgument, "no such state: " + state_, "--state",
                    "write pending, held, delivered, exhausted, expired or cancelled");
      }
    }
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    const auto events = (*database)->events(filter_);
    if (!events) return tl::unexpected(events.error());
    // A full page may have another behind it.
    const bool more = events->size() == filter_.limit;
    return done_with(globals.json ? as_json(*events, more) : in_words(*events, more));
  }

 private:
  static std::string as_json(const std::vector<EventView>& events, bool more) {
    JsonOutput json;
    json.begin_object().key("events").begin_array();
    for (const EventView& event : events) write_json(json, event, Payload::kLeaveOut);
    json.end_array()
        .member("next_before", more ? std::optional(events.back().id) : std::nullopt)
        .end_object();
    return json.document() + "\n";
  }
  static std::string in_words(const std::vector<EventView>& events, bool more) {
    std::string text = event_table(events, wall_now_ms());
    if (more) text += "older ones: --before " + events.back().id + "\n";
    return text;
  }

  EventFilter filter_;
  std::string state_;
};

class Show final : public Command {
 public:
  explicit Show(CLI::App& app) : Command(app) {
    event_id(app, id_);
    app.add_flag("--reveal", reveal_,
                 "Show the payload and the answers unmasked; that it was done is on record");
  }

  Result<int> run(const Globals& globals) override {
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    auto event = (*database)->event(id_, reveal_);
    if (!event) return tl::unexpected(event.error());
    std::string text = globals.json ? json_document(*event, Payload::kShow)
                                    : event_text(*event, reveal_, wall_now_ms());
    const WipedAtEnd wiped_text(text);
    const WipedAtEnd wiped_payload(event->payload);
    return done_with(text);
  }

 private:
  std::string id_;
  bool reveal_ = false;
};

Result<int> done_with_count(bool json, const std::string& id, const std::string& key,
                            std::uint32_t count, const std::string& words) {
  if (!json) {
    return done_with(id + ": " + std::to_string(count) +
                     (count == 1 ? " delivery " : " deliveries ") + words + "\n");
  }
  JsonOutput out;
  out.begin_object().member("id", id).member(key, count).end_object();
  return done_with(out.document() + "\n");
}

class Retry final : public Command {
 public:
  explicit Retry(CLI::App& app) : Command(app) {
    event_id(app, id_);
    app.add_flag("--all", all_, "Also what was delivered already");
  }

  Result<int> run(const Globals& globals) override {
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    const auto count = (*database)->retry(id_, !all_);
    if (!count) return tl::unexpected(count.error());
    return done_with_count(globals.json, id_, "retried", *count, "made due now");
  }

 private:
  std::string id_;
  bool all_ = false;
};

class Cancel final : public Command {
 public:
  explicit Cancel(CLI::App& app) : Command(app) {
    event_id(app, id_);
    app.add_option("--reason", reason_, "Why, for the record")->capture_default_str();
  }

  Result<int> run(const Globals& globals) override {
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    const auto count = (*database)->cancel(id_, reason_);
    if (!count) return tl::unexpected(count.error());
    return done_with_count(globals.json, id_, "cancelled", *count, "cancelled");
  }

 private:
  std::string id_;
  std::string reason_ = "cancelled by an operator";
};

}  // namespace

void add_event(CLI::App& app, Commands& commands) {
  auto* event = app.add_subcommand("event", "Look at events, send them again, cancel them");
  event->require_subcommand(0, 1);
  event->footer(
      "Examples:\n"
      "  outrider event list --state exhausted\n"
      "  outrider event show evt_…\n"
      "  outrider event retry evt_…\n"
      "  outrider event cancel dlv_… --reason 'sent by hand'\n");
  const auto add = [&]<class Chosen>(const std::string& name, const std::string& description) {
    commands.push_back(std::make_unique<Chosen>(*event->add_subcommand(name, description)));
  };
  add.operator()<List>("list", "Events, newest first");
  add.operator()<Show>("show", "One event: its deliveries, every attempt, what comes next");
  add.operator()<Retry>("retry", "Make what is not delivered due now");
  add.operator()<Cancel>("cancel", "End what is still pending");
}

}  // namespace outrider::cli

// outrider notices: what whoever runs this should hear of. Rows get their ids in the order of their
// commits, so following is to ask again and again for what is newer than the last one seen: with an
// engine or without, from any process, each notice once.
#include <poll.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "json_output.h"
#include "options.h"
#include "outcome.h"
#include "outrider/database.h"
#include "stop_signals.h"
#include "table.h"
#include "terminal_text.h"
#include "time_text.h"
#include "view_members.h"

namespace outrider::cli {
namespace {

constexpr std::int64_t kLookEveryMs = 250;
constexpr std::uint32_t kPage = 1000;

std::string line_of(const Notice& notice) {
  std::string text = rfc3339(notice.at) + "  " + std::string(notice_kind_name(notice.kind));
  const auto add = [&text](const std::string& value) {
    if (!value.empty()) text += "  " + printable(value);
  };
  add(notice.account);
  add(notice.provider);
  add(notice.event_type);
  add(notice.endpoint);
  add(notice.delivery);
  add(notice.event);
  if (notice.row) add("row " + std::to_string(*notice.row));
  if (!notice.detail.empty()) text += ": " + printable(notice.detail);
  return text + "\n";
}

void write_json(JsonOutput& json, const Notice& notice) {
  json.begin_object();
  ViewMembers(json, ViewForm::kCommand).notice(notice);
  json.end_object();
}

std::string json_line(const Notice& notice) {
  JsonOutput json(JsonOutput::Layout::kOneLine);
  write_json(json, notice);
  return json.document() + "\n";
}

// A closed pipe is otherwise met at the next line only, which may never come.
bool reader_has_left() {
  pollfd out{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
  return ::poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

class Notices final : public Command {
 public:
  explicit Notices(CLI::App& app) : Command(app) {
    app.add_flag("--follow,-f", follow_, "Go on with those that come, until Ctrl-C");
    time_option(app, "--since", filter_.since, "From then on, oldest first: 2026-05-01T09:30:00Z");
    app.add_option("--cursor", cursor_, "Only newer than this notice, oldest first")
        ->type_name("ID");
    app.add_option_function<std::string>(
           "--kind",
           [this](const std::string& name) {
             filter_.kind = notice_kind_from(name);
             if (!filter_.kind) throw CLI::ValidationError("--kind: not a kind of notice: " + name);
           },
           "Only this kind")
        ->type_name("KIND");
    app.add_option("--account", filter_.account, "Only about this account");
    number_option<std::uint32_t>(app, "--limit", filter_.limit, 1, 1000,
                                 "At most so many, the newest unless --since or --cursor is given\n"
                                 "(default 50); with --follow, to begin with");
    app.footer(
        "Kinds: endpoint.deactivated, endpoint.activated, delivery.exhausted, delivery.expired,\n"
        "event.rejected (a row of outrider_outbox). They stay as long as attempts do.\n"
        "With --json --follow each notice is a line of its own; its id is the cursor to go on "
        "with.\n"
        "\nExamples:\n"
        "  outrider notices --since 2026-05-01T00:00:00Z --kind delivery.exhausted\n"
        "  outrider notices --follow --json | while read -r notice; do …; done\n");
  }

  Result<int> run(const Globals& globals) override {
    std::optional<StopSignals> signals;  // before the database: nothing is cut off half-way
    if (follow_) signals.emplace();
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    if (cursor_) filter_.cursor = *cursor_;
    filter_.newest = !cursor_ && !filter_.since;
    if (follow_) return follow(**database, globals.json, *signals);
    const auto page = (*database)->notices(filter_);
    if (!page) return tl::unexpected(page.error());
    return done_with(globals.json ? as_json(*page) : as_text(*page));
  }

 private:
  Result<int> follow(Database& database, bool as_json, const StopSignals& signals) {
    if (!filter_.newest) filter_.limit = kPage;
    for (;;) {
      const auto page = database.notices(filter_);
      // Another process holds the file for a moment: the next look is the answer.
      if (!page && page.error().code != ErrorCode::kBusy) return tl::unexpected(page.error());
      if (page) {
        std::string text;
        for (const Notice& notice : page->notices) {
          text += as_json ? json_line(notice) : line_of(notice);
        }
        if (!text.empty()) {
          if (const auto printed = print(text); !printed) return tl::unexpected(printed.error());
        }
        filter_.cursor = page->cursor;
        filter_.newest = false;
        filter_.limit = kPage;
      }
      const bool more = page && page->more;
      if (signals.wait(more ? 0 : kLookEveryMs) || reader_has_left()) return kDone;
    }
  }

  static std::string as_json(const NoticePage& page) {
    JsonOutput json;
    json.begin_object().key("notices").begin_array();
    for (const Notice& notice : page.notices) write_json(json, notice);
    json.end_array().member("next_cursor", page.cursor).member("more", page.more).end_object();
    return json.document() + "\n";
  }
  static std::string as_text(const NoticePage& page) {
    if (page.notices.empty()) return "no notices\n";
    std::string text;
    for (const Notice& notice : page.notices) text += line_of(notice);
    if (page.more) text += "newer ones: --cursor " + page.cursor + "\n";
    return text;
  }

  bool follow_ = false;
  std::optional<std::string> cursor_;
  NoticeFilter filter_;
};

}  // namespace

void add_notices(CLI::App& app, Commands& commands) {
  auto* sub = app.add_subcommand("notices", "Endpoints switched off, deliveries given up, …");
  commands.push_back(std::make_unique<Notices>(*sub));
}

}  // namespace outrider::cli

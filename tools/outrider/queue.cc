// outrider queue: what waits, is due, in flight, held, failed; for the whole database and for each
// endpoint.
#include <unistd.h>

#include <string>
#include <vector>

#include "command.h"
#include "options.h"
#include "outcome.h"
#include "stop_signals.h"
#include "table.h"
#include "time_text.h"
#include "views_json.h"

namespace outrider::cli {
namespace {

std::string totals(const QueueView& queue, std::int64_t now_ms) {
  FieldList fields;
  fields.add("Engine", queue.engine_running ? "running" : "not running: nothing is sent");
  fields.add("Waiting", std::to_string(queue.waiting));
  fields.add("  due now", std::to_string(queue.due));
  fields.add("  held", std::to_string(queue.held));
  fields.add("In flight", queue.in_flight ? std::to_string(*queue.in_flight) : "unknown");
  fields.add("Oldest waiting", when(queue.oldest_at, now_ms));
  fields.add("Next attempt", when(queue.next_at, now_ms));
  fields.add("Delivered", std::to_string(queue.delivered));
  fields.add("Exhausted", std::to_string(queue.exhausted));
  fields.add("Expired", std::to_string(queue.expired));
  fields.add("Cancelled", std::to_string(queue.cancelled));
  fields.add("Inbox", std::to_string(queue.inbox));
  fields.add("Rejected rows", std::to_string(queue.rejected));
  return fields.text();
}

std::string by_endpoint(const QueueView& queue, std::int64_t now_ms) {
  using enum Column::Align;
  Table table({{"ENDPOINT"},
               {"STATE"},
               {"WAITING", kRight},
               {"DUE", kRight},
               {"HELD", kRight},
               {"EXHAUSTED", kRight},
               {"OLDEST"},
               {"NEXT"},
               {"URL"}});
  for (const EndpointQueue& row : queue.endpoints) {
    table.add({row.endpoint, std::string(state_name(row.state)), std::to_string(row.waiting),
               std::to_string(row.due), std::to_string(row.held), std::to_string(row.exhausted),
               row.oldest_at ? ago(*row.oldest_at, now_ms) : "",
               row.next_at ? ago(*row.next_at, now_ms) : "", row.url});
  }
  return table.empty() ? "" : "\n" + table.text();
}

std::string rejected_rows(const std::vector<Database::RejectedRow>& rows, std::int64_t now_ms) {
  using enum Column::Align;
  Table table({{"REJECTED ROW", kRight},
               {"WHEN"},
               {"ACCOUNT", kLeft, 24},
               {"PROVIDER", kLeft, 24},
               {"TYPE", kLeft, 32},
               {"REASON", kLeft, 160}});
  for (const auto& row : rows) {
    table.add({std::to_string(row.row), ago(row.created_at, now_ms), row.account, row.provider,
               row.type, row.reason});
  }
  return table.empty() ? "" : "\n" + table.text();
}

class Queue final : public Command {
 public:
  explicit Queue(CLI::App& app) : Command(app) {
    number_option<std::uint32_t>(app, "--rejected", rejected_, 0, 1000,
                                 "Rejected rows to show, newest first (default 10)");
    app.add_flag("--watch", watch_, "Show it again each second until Ctrl-C");
    app.footer("Examples:\n  outrider queue\n  outrider queue --json | jq .waiting\n");
  }

  Result<int> run(const Globals& globals) override {
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    if (!watch_) {
      const auto shown = text(**database, globals.json);
      return shown ? done_with(*shown) : Result<int>(tl::unexpected(shown.error()));
    }
    const StopSignals signals;
    const std::string clear = ::isatty(STDOUT_FILENO) != 0 ? "\x1b[H\x1b[2J" : "";
    do {
      const auto shown = text(**database, globals.json);
      if (!shown) return tl::unexpected(shown.error());
      const auto printed = print(clear + *shown);
      if (!printed) return tl::unexpected(printed.error());
    } while (!signals.wait(1000));
    return kDone;
  }

 private:
  Result<std::string> text(Database& database, bool as_json) const {
    const auto queue = database.queue();
    if (!queue) return tl::unexpected(queue.error());
    std::vector<Database::RejectedRow> rejected;
    if (queue->rejected != 0 && rejected_ != 0) {
      auto rows = database.rejected(rejected_);
      if (!rows) return tl::unexpected(rows.error());
      rejected = std::move(*rows);
    }
    if (as_json) return json_document(*queue, rejected);
    const std::int64_t now = wall_now_ms();
    return totals(*queue, now) + by_endpoint(*queue, now) + rejected_rows(rejected, now);
  }

  std::uint32_t rejected_ = 10;
  bool watch_ = false;
};

}  // namespace

void add_queue(CLI::App& app, Commands& commands) {
  auto* sub = app.add_subcommand("queue", "What waits, is due, in flight, held, failed");
  commands.push_back(std::make_unique<Queue>(*sub));
}

}  // namespace outrider::cli

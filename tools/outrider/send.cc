// outrider send: publish one event. It is durable when the command returns; an engine delivers it
// now or when one runs.
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "options.h"
#include "outcome.h"
#include "outrider/database.h"
#include "terminal_text.h"
#include "views_json.h"

namespace outrider::cli {
namespace {

// What may be read before the payload's own limit is checked: white space goes, and does not count.
constexpr std::size_t kMaxInputBytes = 64 * 1024 * 1024;

class Send final : public Command {
 public:
  explicit Send(CLI::App& app) : Command(app) {
    app.add_option("--account", event_.account, "Whose endpoints hear of it")->required();
    app.add_option("--provider", event_.provider, "The provider whose rules apply")->required();
    app.add_option("--type", event_.type, "One of the provider's event types")->required();
    app.add_option("--file", file_, "The payload, JSON (default, or -: standard input)")
        ->type_name("FILE");
    app.add_option("--idempotency-key", event_.idempotency_key,
                   "Sending again with this key gives the first event, not another");
    app.add_option("--ordering-key", event_.ordering_key,
                   "Deliveries with one key go out one at a time, in the order of sending");
    time_option(app, "--expires-at", event_.expires_at,
                "No attempt starts after this: 2024-05-01T09:30:00Z, or +30m");
    app.add_option("--traceparent", event_.traceparent,
                   "The W3C trace it is part of, sent on with every attempt")
        ->type_name("00-TRACE-SPAN-FLAGS");
    app.add_option("--tracestate", event_.tracestate, "What goes with the traceparent");
    list_option(app, "--endpoint", event_.endpoints, "Only to this endpoint (repeatable)")
        ->type_name("ID");
    number_option<std::uint64_t>(app, "--max-payload-bytes", max_payload_bytes_, 1024,
                                 16 * 1024 * 1024, "Refuse a larger payload (default 262144)");
    plain_option(app, plain_);
    app.footer(
        "Examples:\n"
        "  outrider send --account acme --provider NAME --type loan.paid --file paid.json\n"
        "  echo '{\"loan\":7}' | outrider send --account acme --provider NAME --type loan.paid \\\n"
        "      --idempotency-key loan-7-paid --expires-at +30m\n");
  }

  Result<int> run(const Globals& globals) override {
    if (file_ == "-" && ::isatty(STDIN_FILENO) != 0) {
      complain("outrider: reading the payload from the terminal; end with Ctrl-D\n");
    }
    auto payload = read_input(file_, kMaxInputBytes);
    if (!payload) return tl::unexpected(payload.error());
    event_.payload = std::move(*payload);
    auto database = open_database(globals, IfMissing::kCreate, max_payload_bytes_, !plain_);
    if (!database) return tl::unexpected(database.error());
    const auto receipt = (*database)->publish(event_);
    if (!receipt) return tl::unexpected(receipt.error());
    return done_with(globals.json ? json_document(*receipt) : in_words(*receipt));
  }

 private:
  static std::string in_words(const EventReceipt& receipt) {
    if (receipt.duplicate) {
      return receipt.id + ": was accepted before, with the same idempotency key\n";
    }
    const std::string count = std::to_string(receipt.deliveries);
    return receipt.id + ": accepted, " + count +
           (receipt.deliveries == 1 ? " delivery\n" : " deliveries\n");
  }

  Event event_;
  std::string file_ = "-";
  bool plain_ = false;
  std::uint64_t max_payload_bytes_ = DatabaseOptions{}.max_payload_bytes;
};

}  // namespace

void add_send(CLI::App& app, Commands& commands) {
  auto* sub = app.add_subcommand("send", "Publish one event");
  commands.push_back(std::make_unique<Send>(*sub));
}

}  // namespace outrider::cli

// outrider audit: what operators did, and whether the record of it, and of the attempts, is whole.
#include <string>

#include "command.h"
#include "json_output.h"
#include "options.h"
#include "outcome.h"
#include "outrider/database.h"
#include "table.h"
#include "terminal_text.h"
#include "time_text.h"

namespace outrider::cli {
namespace {

class AuditList final : public Command {
 public:
  explicit AuditList(CLI::App& app) : Command(app) {
    app.add_option("--account", filter_.account, "Only about this account");
    app.add_option("--action", filter_.action, "Only this action, such as event.reveal");
    time_option(app, "--since", filter_.since, "Only since then: 2026-05-01T09:30:00Z");
    app.add_option_function<std::string>(
           "--before",
           [this](const std::string& text) {
             filter_.before = static_cast<std::int64_t>(
                 parse_number("--before", text, 1, std::numeric_limits<std::int64_t>::max()));
           },
           "Only older than this entry: the next page")
        ->type_name("ID");
    number_option<std::uint32_t>(app, "--limit", filter_.limit, 1, 1000,
                                 "At most so many, newest first (default 50)");
    app.footer(
        "Actions: endpoint.add, .pause, .activate, .remove, .rotate-secret, .set-tls,\n"
        ".test; event.retry, .cancel, .reveal; account.forget; key.rotate.\n"
        "\nExample:\n  outrider audit list --action event.reveal --since 2026-05-01T00:00:00Z\n");
  }

  Result<int> run(const Globals& globals) override {
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    const auto entries = (*database)->audit(filter_);
    if (!entries) return tl::unexpected(entries.error());
    const bool more = entries->size() == filter_.limit;
    return done_with(globals.json ? as_json(*entries, more) : as_text(*entries, more));
  }

 private:
  static std::string as_json(const std::vector<AuditEntry>& entries, bool more) {
    JsonOutput json;
    json.begin_object().key("audit").begin_array();
    for (const AuditEntry& entry : entries) {
      json.begin_object()
          .member("id", entry.id)
          .member("at", entry.at)
          .member("actor", entry.actor)
          .member("action", entry.action)
          .member("object", entry.object)
          .member("account", entry.account)
          .member("detail", entry.detail)
          .end_object();
    }
    json.end_array()
        .member("next_before", more ? std::optional(entries.back().id) : std::nullopt)
        .end_object();
    return json.document() + "\n";
  }
  static std::string as_text(const std::vector<AuditEntry>& entries, bool more) {
    using enum Column::Align;
    Table table({{"ID", kRight},
                 {"WHEN"},
                 {"WHO", kLeft, 32},
                 {"ACTION"},
                 {"OBJECT"},
                 {"ACCOUNT", kLeft, 24},
                 {"DETAIL"}});
    for (const AuditEntry& entry : entries) {
      table.add({std::to_string(entry.id), rfc3339(entry.at), entry.actor, entry.action,
                 entry.object, entry.account, entry.detail});
    }
    if (table.empty()) return "nothing on record\n";
    std::string text = table.text();
    if (more) text += "older ones: --before " + std::to_string(entries.back().id) + "\n";
    return text;
  }

  AuditFilter filter_;
};

class AuditVerify final : public Command {
 public:
  explicit AuditVerify(CLI::App& app) : Command(app) {
    app.add_option("--expect", expected_,
                   "A head that was printed earlier must still be part of the chain")
        ->type_name("SEQ:DIGEST");
    app.footer(
        "Reads every attempt and audit entry, and says which was changed, taken away, added or\n"
        "moved by somebody without the key file. Keep the head that it prints in another place:\n"
        "with --expect it shows that the file was not put back to an earlier state.\n"
        "Exit code 0: whole, 6: damaged.\n"
        "\nExample:\n  outrider audit verify --expect 1200:0f3a…\n");
  }

  Result<int> run(const Globals& globals) override {
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    const auto chain = (*database)->verify_audit(expected_);
    if (!chain) return tl::unexpected(chain.error());
    const auto printed = print(globals.json ? as_json(*chain) : as_text(*chain));
    if (!printed) return tl::unexpected(printed.error());
    return chain->fault_count == 0 ? kDone : kStorage;
  }

 private:
  static std::string as_json(const ChainView& chain) {
    JsonOutput json;
    json.begin_object()
        .member("whole", chain.fault_count == 0)
        .member("attempts", chain.attempts)
        .member("audit_entries", chain.audits)
        .member("removed", chain.removed)
        .member("head", chain.head)
        .member("expected_too_old", chain.expected_too_old)
        .member("fault_count", chain.fault_count)
        .key("faults")
        .begin_array();
    for (const ChainView::Fault& fault : chain.faults) {
      json.begin_object()
          .member("kind", kind_of(fault))
          .member("delivery", fault.delivery)
          .member("attempt", fault.attempt)
          .member("audit", fault.audit)
          .member("what", fault.what)
          .end_object();
    }
    json.end_array().end_object();
    return json.document() + "\n";
  }
  static std::string as_text(const ChainView& chain) {
    std::string text;
    for (const ChainView::Fault& fault : chain.faults) {
      text += object_of(fault) + ": " + printable(fault.what) + "\n";
    }
    if (chain.fault_count > chain.faults.size()) {
      text += "and " + std::to_string(chain.fault_count - chain.faults.size()) + " more\n";
    }
    text += chain.fault_count == 0 ? "Whole: " : "Damaged: ";
    text += std::to_string(chain.attempts) + " attempts, " + std::to_string(chain.audits) +
            " audit entries\n";
    if (chain.expected_too_old) {
      text += "The expected head is older than what retention has kept: it cannot be checked\n";
    }
    return text + "Head: " + chain.head + "\n";
  }
  static std::string kind_of(const ChainView::Fault& fault) {
    if (!fault.delivery.empty()) return "attempt";
    return fault.audit != 0 ? "audit" : "chain";
  }
  static std::string object_of(const ChainView::Fault& fault) {
    if (!fault.delivery.empty()) {
      return fault.delivery + " attempt " + std::to_string(fault.attempt);
    }
    return fault.audit != 0 ? "audit entry " + std::to_string(fault.audit) : "chain";
  }

  std::string expected_;
};

}  // namespace

void add_audit(CLI::App& app, Commands& commands) {
  auto* audit = app.add_subcommand("audit", "What operators did, and whether the record is whole");
  audit->require_subcommand(0, 1);
  commands.push_back(
      std::make_unique<AuditList>(*audit->add_subcommand("list", "What was done, newest first")));
  commands.push_back(std::make_unique<AuditVerify>(
      *audit->add_subcommand("verify", "Check every attempt and audit entry against the chain")));
}

}  // namespace outrider::cli

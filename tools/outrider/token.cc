// outrider token: who may use the HTTP API. A token is printed once, when it is made; the database
// keeps its digest.
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "json_output.h"
#include "outcome.h"
#include "outrider/database.h"
#include "table.h"
#include "terminal_text.h"
#include "time_text.h"

namespace outrider::cli {
namespace {

void write_json(JsonOutput& json, const TokenView& token) {
  json.begin_object()
      .member("id", token.id)
      .member("name", token.name)
      .member("role", role_name(token.role))
      .member("account", token.account)
      .member("created_at", token.created_at)
      .end_object();
}

class TokenAdd final : public Command {
 public:
  explicit TokenAdd(CLI::App& app) : Command(app) {
    app.add_option("--name", name_, "Who uses it; two tokens may share a name, for rotation")
        ->required()
        ->type_name("NAME");
    app.add_option("--role", role_, "publish, read, or operate (which includes both)")
        ->required()
        ->type_name("ROLE");
    app.add_option("--account", account_, "It sees and does only this account's")
        ->type_name("ACCOUNT");
    app.footer(
        "The token is printed this once. A running engine knows it within two seconds.\n"
        "To change it: add a second one of the same name, hand it out, remove the first by --id.\n"
        "\nExample:\n  outrider token add --name billing --role publish --account acme\n");
  }

  Result<int> run(const Globals& globals) override {
    const auto role = role_from(role_);
    if (!role) {
      return fail(ErrorCode::kInvalidArgument, "no such role: " + printable(role_), "--role",
                  "publish, read or operate");
    }
    auto database = open_database(globals, IfMissing::kCreate);
    if (!database) return tl::unexpected(database.error());
    const auto made = (*database)->add_token(name_, *role, account_);
    if (!made) return tl::unexpected(made.error());
    if (!globals.json) return done_with(made->text + "\n");
    JsonOutput json;
    json.begin_object().key("token");
    write_json(json, made->token);
    json.member("text", made->text).end_object();
    return done_with(json.document() + "\n");
  }

 private:
  std::string name_, role_, account_;
};

class TokenList final : public Command {
 public:
  explicit TokenList(CLI::App& app) : Command(app) {}

  Result<int> run(const Globals& globals) override {
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    const auto tokens = (*database)->tokens();
    if (!tokens) return tl::unexpected(tokens.error());
    if (globals.json) {
      JsonOutput json;
      json.begin_array();
      for (const TokenView& token : *tokens) write_json(json, token);
      json.end_array();
      return done_with(json.document() + "\n");
    }
    if (tokens->empty()) return done_with("There is no token.\n");
    std::string text;
    for (const TokenView& token : *tokens) {
      text += token.id + "  " + std::string(role_name(token.role)) + "  " +
              (token.account.empty() ? "all accounts" : "account " + printable(token.account)) +
              "  " + rfc3339(token.created_at) + "  " + printable(token.name) + "\n";
    }
    return done_with(text);
  }
};

class TokenRemove final : public Command {
 public:
  explicit TokenRemove(CLI::App& app) : Command(app) {
    app.add_option("--name", name_, "Whose")->required()->type_name("NAME");
    app.add_option("--id", id_, "Of two with this name only this one")->type_name("ID");
    app.footer("A running engine refuses it within two seconds.\n");
  }

  Result<int> run(const Globals& globals) override {
    auto database = open_database(globals);
    if (!database) return tl::unexpected(database.error());
    const auto count = (*database)->remove_token(name_, id_);
    if (!count) return tl::unexpected(count.error());
    if (!globals.json) {
      return done_with("Removed: " + std::to_string(*count) +
                       (*count == 1 ? " token.\n" : " tokens.\n"));
    }
    JsonOutput json;
    json.begin_object().member("removed", *count).end_object();
    return done_with(json.document() + "\n");
  }

 private:
  std::string name_, id_;
};

}  // namespace

void add_token(CLI::App& app, Commands& commands) {
  auto* token = app.add_subcommand("token", "Who may use the HTTP API: add, list, remove");
  token->require_subcommand(0, 1);
  commands.push_back(std::make_unique<TokenAdd>(
      *token->add_subcommand("add", "Make a token; it is printed this once")));
  commands.push_back(
      std::make_unique<TokenList>(*token->add_subcommand("list", "The tokens, by name")));
  commands.push_back(std::make_unique<TokenRemove>(
      *token->add_subcommand("remove", "Take a name's tokens away, or one of them")));
}

}  // namespace outrider::cli

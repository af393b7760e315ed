// Templates of a signature rule, read once when a provider is loaded. Whatever is wrong in a
// definition must be found here, with the variable's name in the error, because a template that
// renders to something unintended is a signature that every receiver refuses.
//
// The grammar is small on purpose: literal text, `{{`, `}}`, `{name}`, `{name:argument}`. An
// argument reaches to the next brace, so a JSON pointer cannot name a key that has a brace in it.
#include <algorithm>
#include <array>
#include <optional>

#include "core/ascii.h"
#include "core/json_text.h"
#include "core/signature.h"

namespace outrider::core {
namespace {

using Variable = Template::Variable;

struct NamedVariable {
  std::string_view name;
  Variable variable;
  std::string_view argument;  // what follows the colon, for people; empty: there is none
};

constexpr std::array kVariables = {
    NamedVariable{"body", Variable::kBody, {}},
    NamedVariable{"id", Variable::kId, {}},
    NamedVariable{"timestamp", Variable::kTimestamp, {}},
    NamedVariable{"type", Variable::kType, {}},
    NamedVariable{"url", Variable::kUrl, {}},
    NamedVariable{"payload", Variable::kPayload, "/json/pointer"},
    NamedVariable{"header", Variable::kHeader, "name"},
    NamedVariable{"digest", Variable::kDigest, {}},
    NamedVariable{"signatures", Variable::kSignatures, {}},
};

bool is_allowed(Variable variable, std::span<const Variable> allowed) {
  return std::ranges::find(allowed, variable) != allowed.end();
}

std::string spelling(const NamedVariable& known) {
  std::string text = "{" + std::string(known.name);
  if (!known.argument.empty()) text.append(":").append(known.argument);
  return text + "}";
}

std::string known_here(std::span<const Variable> allowed) {
  std::string list;
  for (const NamedVariable& known : kVariables) {
    if (!is_allowed(known.variable, allowed)) continue;
    list += list.empty() ? "known here: " : " ";
    list += spelling(known);
  }
  return list.empty() ? "no variable is known here" : list;
}

// For an error message: printable and short, whatever the file holds.
std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  std::string result(text.substr(0, kLongest));
  std::ranges::replace_if(result, [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
  return text.size() > kLongest ? result + "..." : result;
}

// RFC 9110, 5.6.2: token.
bool is_header_name(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::ranges::all_of(name, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

Result<std::string> checked_argument(const NamedVariable& known,
                                     std::optional<std::string_view> argument,
                                     std::string_view inside) {
  const std::string variable = "{" + shown(inside) + "}";
  if (known.argument.empty()) {
    if (!argument) return std::string();
    return fail(ErrorCode::kInvalidArgument, "the variable " + variable + " takes no argument", {},
                "write " + spelling(known));
  }
  if (!argument) {
    return fail(ErrorCode::kInvalidArgument, "the variable " + variable + " needs an argument", {},
                "write " + spelling(known));
  }
  if (known.variable == Variable::kHeader) {
    if (is_header_name(*argument)) return lower_case(*argument);
    return fail(ErrorCode::kInvalidArgument, "not a header name in " + variable, {},
                "write a name such as {header:x-request-id}");
  }
  // The empty pointer is the whole payload, which is {body}, not a scalar.
  if (!argument->empty() && is_json_pointer(*argument)) return std::string(*argument);
  return fail(ErrorCode::kInvalidArgument, "not a JSON pointer in " + variable, {},
              "write a pointer such as {payload:/data/id}");
}

// `inside`: what stands between the braces.
Result<Template::Part> variable_part(std::string_view inside, std::span<const Variable> allowed) {
  const std::size_t colon = inside.find(':');
  const std::string_view name = inside.substr(0, colon);
  std::optional<std::string_view> argument;
  if (colon != std::string_view::npos) argument = inside.substr(colon + 1);

  const auto* known = std::ranges::find(kVariables, name, &NamedVariable::name);
  if (known == kVariables.end()) {
    return fail(ErrorCode::kInvalidArgument, "unknown variable {" + shown(inside) + "}", {},
                known_here(allowed));
  }
  if (!is_allowed(known->variable, allowed)) {
    return fail(ErrorCode::kInvalidArgument,
                "the variable {" + shown(inside) + "} has no meaning here", {},
                known_here(allowed));
  }
  auto checked = checked_argument(*known, argument, inside);
  if (!checked) return tl::unexpected(std::move(checked.error()));
  return Template::Part{known->variable, std::move(*checked)};
}

}  // namespace

Result<Template> Template::parse(std::string_view text, std::span<const Variable> allowed) {
  Template result;
  std::string literal;
  const auto finish_literal = [&] {
    if (!literal.empty()) result.parts_.push_back({Variable::kLiteral, std::move(literal)});
    literal.clear();
  };

  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    const bool doubled = at + 1 < text.size() && text[at + 1] == c;
    if (c != '{' && c != '}') {
      literal += c;
      at += 1;
    } else if (doubled) {
      literal += c;
      at += 2;
    } else if (c == '}') {
      return fail(ErrorCode::kInvalidArgument,
                  "a '}' that closes nothing, at character " + std::to_string(at + 1), {},
                  "write }} for a brace that is meant literally");
    } else {
      const std::size_t end = text.find_first_of("{}", at + 1);
      if (end == std::string_view::npos || text[end] == '{') {
        return fail(ErrorCode::kInvalidArgument,
                    "unclosed brace: " + shown(text.substr(at, end - at)), {},
                    "close it with }, or write {{ for a brace that is meant literally");
      }
      auto part = variable_part(text.substr(at + 1, end - at - 1), allowed);
      if (!part) return tl::unexpected(std::move(part.error()));
      finish_literal();
      result.parts_.push_back(std::move(*part));
      at = end + 1;
    }
  }
  finish_literal();
  return result;
}

bool Template::uses(Variable variable) const {
  return std::ranges::find(parts_, variable, &Part::variable) != parts_.end();
}

}  // namespace outrider::core

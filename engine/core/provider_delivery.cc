// The "when does it count, when is it tried again, when is it given up" parts of a definition.
// Where the file is silent the engine's defaults stand: they are the default values of Provider's
// members.
#include <array>

#include "core/provider_sections.h"

namespace outrider::core {
namespace {

using rapidjson::SizeType;
using rapidjson::Value;

constexpr std::int64_t kMaxDelaySeconds = 30 * 86400;
constexpr std::array<Choice<DeactivationScope>, 2> kScopes = {{
    {"endpoint", DeactivationScope::kEndpoint},
    {"account", DeactivationScope::kAccount},
}};
constexpr std::array<Choice<PendingRule>, 2> kPending = {{
    {"hold", PendingRule::kHold},
    {"cancel", PendingRule::kCancel},
}};
constexpr std::array<Choice<bool>, 2> kNewEvents = {{{"hold", false}, {"refuse", true}}};
constexpr std::array<Choice<NoEndpointRule>, 2> kNoEndpoint = {{
    {"keep", NoEndpointRule::kKeep},
    {"refuse", NoEndpointRule::kRefuse},
}};

void read_success(const ObjectReader& root, Provider& provider) {
  const Value* success = root.array("success", 1, 32);
  if (success == nullptr) return;
  provider.success = {};
  for (SizeType i = 0; i < success->Size(); ++i) {
    const Value& entry = (*success)[i];
    const std::string pointer = child_pointer(root.at("success"), std::size_t{i});
    if (entry.IsString()) {
      const std::string_view text = as_view(entry);
      if (text.size() == 3 && text.ends_with("xx") && text[0] >= '2' && text[0] <= '5') {
        provider.success.classes.push_back(text[0] - '0');
      } else {
        root.faults().add(pointer, "is not a class of statuses", "2xx, 3xx, 4xx or 5xx");
      }
    } else if (const auto code = read_integer(entry, pointer, 200, 599, root.faults())) {
      provider.success.codes.push_back(static_cast<int>(*code));
    }
  }
}

void read_gone(const ObjectReader& root, Provider& provider) {
  const Value* gone = root.array("gone", 0, 32);
  if (gone == nullptr) return;
  for (SizeType i = 0; i < gone->Size(); ++i) {
    const std::string pointer = child_pointer(root.at("gone"), std::size_t{i});
    const auto code = read_integer((*gone)[i], pointer, 300, 599, root.faults());
    if (!code) continue;
    if (provider.success.contains(static_cast<int>(*code))) {
      root.faults().add(pointer, "is a success as well", "a status is one or the other");
    }
    provider.gone.push_back(static_cast<int>(*code));
  }
}

void read_retry(const ObjectReader& root, RetryPolicy& retry) {
  const Value* value = root.object("retry");
  if (value == nullptr) return;
  const ObjectReader reader(*value, root.at("retry"), root.faults(),
                            {"delays_s", "max_attempts", "jitter", "retry_after"});
  if (const Value* delays = reader.array("delays_s", 1, 100)) {
    retry.delays.clear();
    for (SizeType i = 0; i < delays->Size(); ++i) {
      const std::string pointer = child_pointer(reader.at("delays_s"), std::size_t{i});
      const auto seconds =
          read_integer((*delays)[i], pointer, 1, kMaxDelaySeconds, reader.faults());
      if (seconds) retry.delays.push_back(std::chrono::seconds(*seconds));
    }
    retry.max_attempts = static_cast<std::uint32_t>(delays->Size()) + 1;
  }
  if (const auto attempts = reader.integer("max_attempts", 1, 1000)) {
    retry.max_attempts = static_cast<std::uint32_t>(*attempts);
  }
  retry.jitter = reader.number("jitter", 0, 1).value_or(retry.jitter);
  retry.honour_retry_after = reader.boolean("retry_after").value_or(retry.honour_retry_after);
}

void read_deactivate(const ObjectReader& root, DeactivationRule& rule) {
  const Value* value = root.object("deactivate");
  if (value == nullptr) return;
  const ObjectReader reader(*value, root.at("deactivate"), root.faults(),
                            {"consecutive", "window", "scope", "pending", "new_events"});
  if (const auto consecutive = reader.integer("consecutive", 0, 1000)) {
    rule.consecutive = static_cast<std::uint32_t>(*consecutive);
  }
  if (const Value* window = reader.object("window")) {
    const ObjectReader inner(*window, reader.at("window"), reader.faults(),
                             {"failures", "seconds"});
    inner.require("failures");
    inner.require("seconds");
    if (const auto failures = inner.integer("failures", 0, 100)) {
      rule.window_count = static_cast<std::uint32_t>(*failures);
    }
    if (const auto seconds = inner.integer("seconds", 1, kMaxDelaySeconds)) {
      rule.window = std::chrono::seconds(*seconds);
    }
  }
  rule.scope = reader.choice<DeactivationScope>("scope", kScopes).value_or(rule.scope);
  rule.pending = reader.choice<PendingRule>("pending", kPending).value_or(rule.pending);
  rule.refuse_new_events =
      reader.choice<bool>("new_events", kNewEvents).value_or(rule.refuse_new_events);
}

}  // namespace

void read_delivery(const ObjectReader& root, Provider& provider) {
  read_success(root, provider);
  read_gone(root, provider);
  if (const auto ms = root.integer("timeout_ms", 100, 60'000)) provider.timeout = Duration(*ms);
  read_retry(root, provider.retry);
  read_deactivate(root, provider.deactivate);
  if (const auto count = root.integer("endpoints_per_account", 1, 1'000'000)) {
    provider.endpoints_per_account = static_cast<std::uint32_t>(*count);
  }
  provider.no_endpoint =
      root.choice<NoEndpointRule>("no_endpoint", kNoEndpoint).value_or(provider.no_endpoint);
}

}  // namespace outrider::core

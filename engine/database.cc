// The operator's side: public ids in, one mutation or one bounded read on the Outbox, public values
// out. Nothing is decided here that the engine decides too: both go through Intake, endpoint_check
// and the same mutations.
#include "outrider/database.h"

#include <unistd.h>

#include <span>
#include <type_traits>
#include <utility>

#include "core/signature.h"
#include "crypto/client_identity.h"
#include "crypto/mac.h"
#include "crypto/public_id.h"
#include "crypto/random.h"
#include "database_views.h"
#include "endpoint_check.h"
#include "intake.h"
#include "net/wall_clock.h"
#include "replay.h"
#include "storage/event_fields.h"
#include "storage/sqlite/sqlite_outbox.h"
#include "tls_change.h"
#include "wake.h"
#include "wipe_secrets.h"

namespace outrider {
namespace {

using crypto::IdKind;

template <class T>
tl::unexpected<Error> pass(Result<T>& failed) {
  return tl::unexpected<Error>(std::move(failed.error()));
}

constexpr std::int64_t kStatsMs = 86'400'000;

std::int64_t now_ms() { return core::to_ms(net::wall_now()); }

}  // namespace

class Database::Impl {
 public:
  Impl(DatabaseOptions options, Providers providers, std::unique_ptr<storage::Outbox> outbox,
       const std::string& id_key)
      : options_(std::move(options)),
        providers_(std::move(providers)),
        outbox_(std::move(outbox)),
        intake_(providers_.core(), crypto::PublicIds(id_key),
                IntakeLimits{.max_payload_bytes = options_.max_payload_bytes}),
        views_(*outbox_, intake_.ids(), providers_.core()) {}

  // Whoever changes something here is an operator, and on record. An event that is published is not
  // an operator's change, unless it is a test (see test_endpoint()).
  template <class T>
  Result<T> change(storage::Mutation mutation) {
    return change_together<T>({&mutation, 1});
  }
  // Several in one transaction, which must be refused for the same reasons; what the last answers.
  template <class T>
  Result<T> change_together(std::span<storage::Mutation> mutations) {
    for (storage::Mutation& mutation : mutations) {
      std::visit(
          [this]<class Value>(Value& value) {
            if constexpr (!std::is_same_v<Value, storage::Enqueue> && requires { value.actor; }) {
              value.actor = options_.actor;
            }
          },
          mutation);
    }
    auto outcomes = outbox_->apply(mutations);
    for (storage::Mutation& mutation : mutations) wipe_secrets(mutation);
    if (!outcomes) return pass(outcomes);
    for (storage::Outcome& outcome : *outcomes) {
      if (!outcome) return pass(outcome);
    }
    send_committed(options_.path);
    return std::get<T>(std::move(*outcomes->back()));
  }

  Result<storage::EndpointRow> endpoint_row(const std::string& id) const {
    if (const auto row = intake_.ids().row(IdKind::kEndpoint, id)) return *row;
    return fail(ErrorCode::kNotFound, "no such endpoint", id, "see: outrider endpoint list");
  }

  Result<storage::EndpointRecord> endpoint(const std::string& id) {
    auto record = endpoint_with_secrets(id);
    if (record) wipe_secrets(*record);
    return record;
  }

  Result<storage::EndpointRecord> endpoint_with_secrets(const std::string& id) {
    auto row = endpoint_row(id);
    if (!row) return pass(row);
    auto record = outbox_->endpoint(*row, now_ms());
    if (!record) return pass(record);
    if (!record->has_value() || (*record)->removed) {
      return fail(ErrorCode::kNotFound, "no such endpoint", id, "see: outrider endpoint list");
    }
    return std::move(**record);
  }

  Result<const core::Provider*> provider(const std::string& name) const {
    if (const core::Provider* found = providers_.core().find(name)) return found;
    return fail(ErrorCode::kNotFound, "no provider is named \"" + name + "\"", "provider",
                "see: outrider provider list");
  }

  Result<EndpointView> set_state(const std::string& id, storage::ChangeEndpoint::Kind kind,
                                 const std::string& reason);
  // What a change of an endpoint comes to; nothing: it is so already.
  Result<std::vector<storage::Mutation>> update(storage::EndpointRecord& record,
                                                const EndpointChange& change) const;
  // `tester`: the operator whose test of an endpoint it is; empty: none.
  Result<EventReceipt> publish(const Event& event, const std::string& tester);

  DatabaseOptions options_;
  Providers providers_;
  std::unique_ptr<storage::Outbox> outbox_;
  Intake intake_;
  DatabaseViews views_;
};

Result<std::unique_ptr<Database>> Database::open(DatabaseOptions options, Providers providers) {
  auto outbox = storage::open_sqlite_outbox({.path = options.path,
                                             .create = options.create,
                                             .engine = false,
                                             .busy_timeout_ms = options.busy_timeout_ms,
                                             .key_file = options.key_file,
                                             .seal = options.seal,
                                             .key_created = options.key_created});
  if (!outbox) return pass(outbox);
  auto id_key = (*outbox)->id_key();
  if (!id_key) return pass(id_key);
  if (options.actor.empty()) options.actor = "uid " + std::to_string(::getuid());
  return std::unique_ptr<Database>(new Database(std::make_unique<Impl>(
      std::move(options), std::move(providers), std::move(*outbox), *id_key)));
}

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Database::~Database() = default;

void Database::act_as(std::string actor) { impl_->options_.actor = std::move(actor); }
const Providers& Database::providers() const noexcept { return impl_->providers_; }

Result<EventReceipt> Database::Impl::publish(const Event& event, const std::string& tester) {
  auto enqueue = intake_.check(event, now_ms());
  if (!enqueue) return pass(enqueue);
  enqueue->actor = tester;
  auto enqueued = change<storage::Enqueued>(std::move(*enqueue));
  if (!enqueued) return pass(enqueued);
  return intake_.receipt(*enqueued);
}

Result<EventReceipt> Database::publish(const Event& event) { return impl_->publish(event, {}); }

Result<Database::Added> Database::add_endpoint(const EndpointSpec& spec) {
  auto provider = impl_->provider(spec.provider);
  if (!provider) return pass(provider);
  if (auto ok = check_endpoint(spec, **provider); !ok) return pass(ok);
  const std::int64_t now = now_ms();
  auto tls = crypto::checked_identity(spec.tls, now / 1000);
  if (!tls) return pass(tls);
  auto secret = choose_secret(**provider, spec.secret);
  if (!secret) return pass(secret);

  storage::AddEndpoint add{
      .spec = spec, .max_per_account = (*provider)->endpoints_per_account, .now = now};
  crypto::wipe(add.spec.secret);  // what is assigned need not lie where the old text did
  crypto::wipe(add.spec.tls.key);
  add.spec.secret = secret->text;
  add.spec.tls = std::move(*tls);
  auto changed = impl_->change<storage::Changed>(std::move(add));
  if (!changed) return pass(changed);
  auto view = endpoint(impl_->intake_.ids().text(IdKind::kEndpoint, changed->id));
  if (!view) return pass(view);
  Added added{.endpoint = std::move(*view), .generated_secret = std::nullopt};
  if (secret->generated) added.generated_secret = secret->text;
  crypto::wipe(secret->text);
  return added;
}

Result<std::vector<EndpointView>> Database::endpoints(const std::string& account,
                                                      const std::string& provider) {
  auto records = impl_->outbox_->endpoints(now_ms());
  if (!records) return pass(records);
  std::vector<EndpointView> views;
  for (storage::EndpointRecord& record : *records) {
    wipe_secrets(record);
    if (!account.empty() && record.spec.account != account) continue;
    if (!provider.empty() && record.spec.provider != provider) continue;
    views.push_back(impl_->views_.endpoint(record));
  }
  return views;
}

Result<EndpointView> Database::endpoint(const std::string& id) {
  auto record = impl_->endpoint(id);
  if (!record) return pass(record);
  EndpointView view = impl_->views_.endpoint(*record);
  const core::Provider* provider = impl_->providers_.core().find(record->spec.provider);
  if (provider != nullptr && provider->deactivate.scope == core::DeactivationScope::kAccount) {
    auto health = impl_->outbox_->account_health(record->spec.provider, record->spec.account);
    if (!health) return pass(health);
    view.consecutive_failures = health->health.consecutive;
    view.recent_failures = static_cast<std::uint32_t>(health->health.failures.size());
  }
  return view;
}

Result<EndpointView> Database::Impl::set_state(const std::string& id,
                                               storage::ChangeEndpoint::Kind kind,
                                               const std::string& reason) {
  auto record = endpoint(id);
  if (!record) return pass(record);
  const core::Provider* provider = providers_.core().find(record->spec.provider);
  const auto scope =
      provider == nullptr ? core::DeactivationScope::kEndpoint : provider->deactivate.scope;
  auto changed = change<storage::Changed>(storage::ChangeEndpoint{
      .endpoint = record->row, .kind = kind, .scope = scope, .reason = reason, .now = now_ms()});
  if (!changed) return pass(changed);
  if (kind == storage::ChangeEndpoint::Kind::kRemove) return EndpointView{};
  record = endpoint(id);
  if (!record) return pass(record);
  return views_.endpoint(*record);
}

Result<std::vector<storage::Mutation>> Database::Impl::update(storage::EndpointRecord& record,
                                                              const EndpointChange& change) const {
  auto found = provider(record.spec.provider);
  if (!found) return pass(found);
  if (!record.unreadable.empty() && !change.headers) {
    return fail(ErrorCode::kKey, "the endpoint cannot be checked: " + record.unreadable,
                intake_.ids().text(IdKind::kEndpoint, record.row));
  }
  const std::int64_t now = now_ms();
  storage::UpdateEndpoint update{.endpoint = record.row, .spec = record.spec, .now = now};
  // What is secret and stays is no part of this mutation, nor of its checks.
  crypto::wipe(update.spec.tls.key);
  for (HeaderField& header : update.spec.headers) crypto::wipe(header.value);
  const auto set = [&update](const auto& wanted, auto& field, const char* name) {
    if (!wanted) return;
    field = *wanted;
    update.what += (update.what.empty() ? "" : ", ") + std::string(name);
  };
  set(change.url, update.spec.url, "url");
  set(change.types, update.spec.types, "types");
  set(change.headers, update.spec.headers, "headers");
  set(change.description, update.spec.description, "description");
  set(change.rate_per_second, update.spec.rate_per_second, "rate_per_second");
  set(change.max_in_flight, update.spec.max_in_flight, "max_in_flight");
  update.new_headers = change.headers.has_value();

  std::vector<storage::Mutation> mutations;
  const TlsChange& tls = change.tls;
  if (tls.ca || tls.certificate || tls.key || tls.at_least) {
    record.spec.url = update.spec.url;
    auto checked = checked_change(tls, record, now / 1000);
    if (!checked) return pass(checked);
    if (checked->ca) update.spec.tls.ca = *checked->ca;
    if (checked->certificate) update.spec.tls.certificate = *checked->certificate;
    if (checked->at_least) update.spec.tls.at_least = *checked->at_least;
    mutations.emplace_back(
        storage::SetTls{.endpoint = record.row, .change = std::move(*checked), .now = now});
  }
  if (auto ok = check_endpoint(update.spec, **found); !ok) return pass(ok);
  if (!update.what.empty()) mutations.emplace_back(std::move(update));
  return mutations;
}

Result<EndpointView> Database::pause_endpoint(const std::string& id, const std::string& reason) {
  return impl_->set_state(id, storage::ChangeEndpoint::Kind::kPause, reason);
}

Result<EndpointView> Database::activate_endpoint(const std::string& id) {
  return impl_->set_state(id, storage::ChangeEndpoint::Kind::kActivate, {});
}

Result<void> Database::remove_endpoint(const std::string& id) {
  auto removed = impl_->set_state(id, storage::ChangeEndpoint::Kind::kRemove, "endpoint removed");
  if (!removed) return pass(removed);
  return {};
}

Result<EndpointView> Database::set_tls(const std::string& id, const TlsChange& change) {
  auto record = impl_->endpoint_with_secrets(id);
  if (!record) return pass(record);
  const std::int64_t now = now_ms();
  auto checked = checked_change(change, *record, now / 1000);
  wipe_secrets(*record);
  if (!checked) return pass(checked);
  auto changed = impl_->change<storage::Changed>(
      storage::SetTls{.endpoint = record->row, .change = std::move(*checked), .now = now});
  if (!changed) return pass(changed);
  return endpoint(id);
}

Result<std::optional<std::string>> Database::rotate_secret(const std::string& id,
                                                           const std::string& secret,
                                                           std::int64_t overlap_s) {
  constexpr std::int64_t kMaxOverlapS = 365LL * 86'400;
  if (overlap_s < 0 || overlap_s > kMaxOverlapS) {
    return fail(ErrorCode::kInvalidArgument, "must be between 0 and 365 days", "overlap");
  }
  auto record = impl_->endpoint(id);
  if (!record) return pass(record);
  auto provider = impl_->provider(record->spec.provider);
  if (!provider) return pass(provider);
  auto chosen = choose_secret(**provider, secret);
  if (!chosen) return pass(chosen);
  auto changed =
      impl_->change<storage::Changed>(storage::RotateSecret{.endpoint = record->row,
                                                            .secret = chosen->text,
                                                            .overlap_ms = overlap_s * 1000,
                                                            .now = now_ms()});
  if (!changed) return pass(changed);
  std::optional<std::string> shown;
  if (chosen->generated) shown = chosen->text;
  crypto::wipe(chosen->text);
  return shown;
}

Result<EndpointView> Database::update_endpoint(const std::string& id,
                                               const EndpointChange& change) {
  auto record = impl_->endpoint_with_secrets(id);
  if (!record) return pass(record);
  auto mutations = impl_->update(*record, change);
  wipe_secrets(*record);
  if (!mutations) return pass(mutations);
  if (!mutations->empty()) {
    auto changed = impl_->change_together<storage::Changed>(*mutations);
    if (!changed) return pass(changed);
  }
  return endpoint(id);
}

Result<ReplayReport> Database::replay(const std::string& id, const ReplayFilter& filter) {
  auto record = impl_->endpoint(id);
  if (!record) return pass(record);
  const std::function<Result<storage::Changed>(storage::ReplayEvents)> apply =
      [this](storage::ReplayEvents step) {
        return impl_->change<storage::Changed>(std::move(step));
      };
  return outrider::replay(
      {.outbox = *impl_->outbox_, .ids = impl_->intake_.ids(), .apply = apply, .now = now_ms()},
      record->row, filter);
}

Result<EventReceipt> Database::test_endpoint(const std::string& id) {
  auto record = impl_->endpoint(id);
  if (!record) return pass(record);
  auto provider = impl_->provider(record->spec.provider);
  if (!provider) return pass(provider);
  if (record->state != EndpointState::kActive) {
    return fail(
        ErrorCode::kRefused,
        "the endpoint is " + std::string(state_name(record->state)) + ", nothing is sent to it", id,
        "first: outrider endpoint activate " + id);
  }
  for (const auto& [name, type] : (*provider)->events) {
    if (!type.is_test) continue;
    Event event{.account = record->spec.account,
                .provider = record->spec.provider,
                .type = name,
                .payload = type.test_payload,
                .idempotency_key = {},
                .ordering_key = {},
                .expires_at = {},
                .endpoints = {id}};
    return impl_->publish(event, impl_->options_.actor);
  }
  return fail(ErrorCode::kRefused, "provider \"" + (*provider)->name + "\" defines no test event",
              id, "send one of its events with: outrider send --endpoint " + id);
}

Result<EndpointStats> Database::endpoint_stats(const std::string& id,
                                               std::optional<std::int64_t> since,
                                               std::optional<std::int64_t> until) {
  const std::int64_t now = now_ms();
  auto record = impl_->endpoint(id);
  if (!record) return pass(record);
  core::Health health = record->health;
  const core::Provider* provider = impl_->providers_.core().find(record->spec.provider);
  if (provider != nullptr && provider->deactivate.scope == core::DeactivationScope::kAccount) {
    auto account = impl_->outbox_->account_health(record->spec.provider, record->spec.account);
    if (!account) return pass(account);
    health = std::move(account->health);
  }
  const std::int64_t end = until.value_or(now + 1);  // what has been so far, this millisecond's too
  return impl_->views_.endpoint_stats(*record, health, since.value_or(end - kStatsMs), end, now);
}

Result<QueueView> Database::queue(bool with_endpoints) {
  return impl_->views_.queue(now_ms(), with_endpoints, ask_status(impl_->options_.path));
}

Result<std::vector<EventView>> Database::events(const EventFilter& filter) {
  return impl_->views_.events(filter);
}

Result<EventView> Database::event(const std::string& id, bool reveal, const std::string& account) {
  auto found = impl_->views_.find(id, account);
  if (!found) return pass(found);
  if (reveal) {
    // On record, and durable, before anybody sees it.
    auto recorded = impl_->views_.revealable(*found).and_then([&] {
      return impl_->change<storage::Changed>(
          storage::RecordReveal{.event = found->record.row, .now = now_ms()});
    });
    if (!recorded) {
      crypto::wipe(found->record.body);
      return pass(recorded);
    }
  }
  return impl_->views_.event(std::move(*found), reveal);
}

Result<std::uint32_t> Database::retry(const std::string& id, bool failed_only) {
  auto object = impl_->views_.event_or_delivery(id);
  if (!object) return pass(object);
  auto changed =
      impl_->change<storage::Changed>(storage::RetryDeliveries{.event = object->event,
                                                               .delivery = object->delivery,
                                                               .failed_only = failed_only,
                                                               .now = now_ms()});
  if (!changed) return pass(changed);
  return changed->count;
}

Result<std::uint32_t> Database::cancel(const std::string& id, const std::string& reason) {
  auto object = impl_->views_.event_or_delivery(id);
  if (!object) return pass(object);
  auto changed = impl_->change<storage::Changed>(
      storage::CancelDeliveries{.event = object->event,
                                .delivery = object->delivery,
                                .reason = reason.empty() ? "cancelled by an operator" : reason,
                                .now = now_ms()});
  if (!changed) return pass(changed);
  return changed->count;
}

Result<NoticePage> Database::notices(const NoticeFilter& filter) {
  return impl_->views_.notices(filter);
}

Result<KeyView> Database::keys() {
  auto status = impl_->outbox_->key_status();
  if (!status) return pass(status);
  return KeyView{.sealed = status->sealed,
                 .key_file = std::move(status->key_file),
                 .problem = std::move(status->problem),
                 .generation = status->generation,
                 .rotating = status->rotating,
                 .keys = status->keys,
                 .keys_behind = status->keys_behind,
                 .accounts = status->accounts};
}

Result<std::uint64_t> Database::rotate_keys(
    const std::function<void(std::uint64_t done, std::uint64_t all)>& progress) {
  std::uint64_t done = 0;
  for (;;) {
    auto step = impl_->change<storage::Changed>(storage::RotateKeys{.now = now_ms()});
    if (!step) return pass(step);
    if (step->count == 0) return done;
    done += step->count;
    if (!progress) continue;
    auto status = impl_->outbox_->key_status();
    if (!status) return pass(status);
    progress(done, done + status->keys_behind);
  }
}

Result<std::uint32_t> Database::forget(const std::string& account) {
  if (auto fault = storage::field_fault(account)) {
    return fail(ErrorCode::kInvalidArgument, "account " + *fault, "account");
  }
  auto changed =
      impl_->change<storage::Changed>(storage::ForgetAccount{.account = account, .now = now_ms()});
  if (!changed) return pass(changed);
  return changed->count;
}

Result<Database::NewToken> Database::add_token(const std::string& name, Role role,
                                               const std::string& account) {
  constexpr std::size_t kIdBytes = 4, kSecretBytes = 32;
  if (auto fault = storage::field_fault(name)) {
    return fail(ErrorCode::kInvalidArgument, "the name " + *fault, "name");
  }
  if (!account.empty()) {
    if (auto fault = storage::field_fault(account)) {
      return fail(ErrorCode::kInvalidArgument, "the account " + *fault, "account");
    }
  }
  if (role == Role::kNone) return fail(ErrorCode::kInvalidArgument, "a token has a role", "role");
  auto random = crypto::random_bytes(kIdBytes + kSecretBytes);
  if (!random) return pass(random);
  const std::string digits = core::encode(core::Encoding::kHex, *random);
  crypto::wipe(*random);
  NewToken made;
  made.token = {.id = digits.substr(0, 2 * kIdBytes),
                .name = name,
                .role = role,
                .account = account,
                .created_at = now_ms(),
                .sha256 = {}};
  made.text = "orx_" + made.token.id + "_" + digits.substr(2 * kIdBytes);
  made.token.sha256 = crypto::sha256(made.text);
  auto changed = impl_->change<storage::Changed>(
      storage::AddToken{.token = made.token, .now = made.token.created_at});
  if (!changed) return pass(changed);
  return made;
}

Result<std::vector<TokenView>> Database::tokens() { return impl_->outbox_->tokens(); }

Result<std::uint32_t> Database::remove_token(const std::string& name, const std::string& id) {
  auto changed = impl_->change<storage::Changed>(
      storage::RemoveToken{.name = name, .id = id, .now = now_ms()});
  if (!changed) return pass(changed);
  return changed->count;
}

Result<std::vector<AuditEntry>> Database::audit(const AuditFilter& filter) {
  return impl_->views_.audit(filter);
}

Result<ChainView> Database::verify_audit(const std::string& expected) {
  return impl_->views_.chain(expected);
}

Result<std::vector<Database::RejectedRow>> Database::rejected(std::uint32_t limit) {
  auto records = impl_->outbox_->rejected(limit);
  if (!records) return pass(records);
  std::vector<RejectedRow> rows;
  for (storage::RejectedRecord& record : *records) {
    rows.push_back({.row = record.row,
                    .account = std::move(record.account),
                    .provider = std::move(record.provider),
                    .type = std::move(record.type),
                    .reason = std::move(record.reason),
                    .created_at = record.created_at});
  }
  return rows;
}

}  // namespace outrider

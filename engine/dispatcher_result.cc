// Results: from an HTTP outcome to a durable record, and what follows from it.
#include "dispatcher.h"

#include <algorithm>

#include "core/assert.h"
#include "core/verdict.h"

namespace outrider {

void Dispatcher::finished(Flight& flight, net::HttpOutcome outcome) {
  if (stopping_ && outcome.error == ErrorClass::kAborted) {
    // Cut short by our own stop: nothing is known, nothing is counted. It is sent again, with the
    // same number, after the next start.
    abandon(flight);
    check_stopped();
    return;
  }
  // Claimed endpoints stay in the table, removed ones too: an attempt that was made is recorded.
  Endpoint& endpoint = endpoints_.at(flight.claim.endpoint);
  const core::Provider& provider = *endpoint.provider;
  const core::Verdict verdict =
      core::judge(outcome.error, outcome.status, provider.success, provider.gone);

  if (verdict.kind != core::VerdictKind::kDelivered && outcome.detail.empty()) {
    outcome.detail = core::words_of(verdict, outcome.status);
  }

  storage::AttemptFinished mutation;
  mutation.claimed = {.endpoint = flight.claim.endpoint,
                      .next_at = flight.claim.item.next_at_ms,
                      .delivery = flight.claim.item.delivery,
                      .attempt = flight.claim.item.attempt};
  mutation.now = core::to_ms(parts_.clock.wall());
  mutation.attempt = {.number = flight.claim.item.attempt,
                      .started_at = flight.started_at,
                      .duration_ms = outcome.duration.count(),
                      .error = verdict.error,
                      .status = outcome.status,
                      .peer = std::move(outcome.peer),
                      .detail = std::move(outcome.detail),
                      .response = std::move(outcome.response)};

  if (verdict.kind == core::VerdictKind::kDelivered) {
    mutation.step = core::DeliveryStep::kSucceed;
  } else {
    core::RetryPolicy policy = provider.retry;
    if (flight.job.max_attempts != 0) policy.max_attempts = flight.job.max_attempts;
    const std::uint32_t made = flight.claim.item.attempt - flight.job.attempts_base;
    const auto next = core::next_attempt_at(policy, made, outcome.retry_after, parts_.clock.wall(),
                                            parts_.roll());
    mutation.step = next ? core::DeliveryStep::kFailAgain : core::DeliveryStep::kExhaust;
    if (next) {
      mutation.next_at = core::to_ms(*next);
    } else {
      mutation.reason = "no attempt left after " + std::to_string(made);
    }
  }
  // Aborted on the way out: no descriptor was free, a connection could not be trusted. Not the
  // receiver's failure.
  const bool our_fault = verdict.error == ErrorClass::kAborted && flight.sent;
  if (!flight.job.is_test && !our_fault) {
    flight.slot = verdict.kind == core::VerdictKind::kDelivered ? core::SlotResult::kSuccess
                                                                : core::SlotResult::kFailure;
    count_health(endpoint, verdict, mutation);
  }
  count_attempt(flight, mutation, outcome.left_after);
  log_attempt(flight, mutation);
  flight.result = std::move(mutation);
  scheduler_.answered(flight.claim.endpoint, flight.claim.item.delivery, flight.slot);
  record(flight);
  pump_after_turn();
}

void Dispatcher::count_health(Endpoint& endpoint, const core::Verdict& verdict,
                              storage::AttemptFinished& mutation) {
  const core::DeactivationRule& rule = endpoint.provider->deactivate;
  Breaker& breaker = breaker_of(endpoint);
  auto reason = core::DeactivationReason::kNone;
  if (verdict.kind == core::VerdictKind::kDelivered) {
    core::record_success(breaker.health);
  } else {
    reason = core::record_failure(rule, parts_.clock.wall(), breaker.health);
    if (verdict.kind == core::VerdictKind::kGone) reason = core::DeactivationReason::kGone;
  }
  mutation.health =
      storage::HealthUpdate{.health = breaker.health, .epoch = breaker.epoch, .scope = rule.scope};
  if (reason == core::DeactivationReason::kNone || !endpoint.sends) return;
  mutation.deactivate = storage::Deactivation{
      .scope = rule.scope, .pending = rule.pending, .reason = core::describe(reason, rule)};
  switch_off(endpoint, *mutation.deactivate);
}

// At once in memory, so that nothing more is claimed; the commit makes it last.
void Dispatcher::switch_off(Endpoint& endpoint, const storage::Deactivation& deactivation) {
  for (const storage::EndpointRow row : in_scope(endpoint.record.row, deactivation.scope)) {
    Endpoint& other = endpoints_.at(row);
    other.switching_off = true;
    if (!other.sends) continue;
    set_sending(other, false);
    const std::string id = parts_.intake.ids().text(crypto::IdKind::kEndpoint, row);
    parts_.log.line(parts_.clock.wall(), "endpoint_deactivated",
                    {{LogField::kEndpoint, id}, {LogField::kReason, deactivation.reason}});
  }
}

// Durable, or void because an operator activated it in between: from here on the stored state
// counts.
void Dispatcher::settle_switch_off(const core::Claim& claim,
                                   const storage::Deactivation& deactivation) {
  for (const storage::EndpointRow row : in_scope(claim.endpoint, deactivation.scope)) {
    endpoints_.at(row).switching_off = false;
    parts_.load_endpoint(row);
  }
  if (parts_.maintain) parts_.maintain();
}

void Dispatcher::end_without_attempt(Flight& flight, core::DeliveryStep step, std::string reason) {
  const core::Claim& claim = flight.claim;
  flight.result = storage::DeliveryEnded{.claimed = {.endpoint = claim.endpoint,
                                                     .next_at = claim.item.next_at_ms,
                                                     .delivery = claim.item.delivery,
                                                     .attempt = claim.item.attempt},
                                         .step = step,
                                         .reason = std::move(reason),
                                         .now = core::to_ms(parts_.clock.wall())};
  scheduler_.answered(claim.endpoint, claim.item.delivery, flight.slot);
  record(flight);
}

// Nobody waits for a success to be on record, but the next of its ordering key.
void Dispatcher::record(Flight& flight) {
  ++pending_results_;
  const auto* attempt = std::get_if<storage::AttemptFinished>(&flight.result);
  const bool patient = attempt != nullptr && attempt->step == core::DeliveryStep::kSucceed &&
                       !flight.job.is_ordered && !stopping_;
  parts_.storage.submit(
      flight.result,
      [this, kept = &flight](const storage::Outcome& outcome) { answered(*kept, outcome); },
      patient ? storage::CommitQueue::Place::kPatient : storage::CommitQueue::Place::kReserved);
}

void Dispatcher::answered(Flight& flight, const storage::Outcome& outcome) {
  --pending_results_;
  if (outcome) {
    recorded(std::get<storage::Finished>(*outcome), flight);
  } else if (outcome.error().code == ErrorCode::kIo || outcome.error().code == ErrorCode::kBusy ||
             outcome.error().code == ErrorCode::kOverloaded) {
    parts_.log.line(parts_.clock.wall(), "record_delayed",
                    {{LogField::kError, error_code_name(outcome.error().code)},
                     {LogField::kDetail, outcome.error().message}});
    ++pending_results_;
    parts_.timers.start(options_.storage_retry, [this, kept = &flight] {
      --pending_results_;
      record(*kept);
    });
    return;
  } else if (outcome.error().code == ErrorCode::kNotFound) {
    abandon(flight);  // removed by retention or with its endpoint
  } else {
    failed_ = true;
    parts_.failed(outcome.error());
  }
  check_stopped();
}

void Dispatcher::recorded(const storage::Finished& finished, Flight& flight) {
  const core::Claim& claim = flight.claim;
  count_ending(flight.result, finished, claim);
  release(claim, flight.slot);
  if (finished.state == DeliveryState::kExhausted || finished.state == DeliveryState::kExpired ||
      !finished.deactivated.empty()) {
    noticed();
  }
  add_due(finished.due);
  if (finished.stale_health) parts_.load_endpoint(claim.endpoint);
  const auto* attempt = std::get_if<storage::AttemptFinished>(&flight.result);
  if (attempt != nullptr && attempt->deactivate) settle_switch_off(claim, *attempt->deactivate);
  end_flight(flight);
}

void Dispatcher::count_attempt(const Flight& flight, const storage::AttemptFinished& mutation,
                               std::optional<core::Duration> left_after) {
  const Metrics::Provider series = endpoints_.at(flight.claim.endpoint).series;
  const storage::AttemptRecord& attempt = mutation.attempt;
  const core::Duration took(attempt.duration_ms);
  const bool delivered = mutation.step == core::DeliveryStep::kSucceed;
  const bool again = mutation.step == core::DeliveryStep::kFailAgain;
  parts_.metrics.attempt(series,
                         delivered ? AttemptFate::kDelivered
                         : again   ? AttemptFate::kRetry
                                   : AttemptFate::kExhausted,
                         attempt.error, took);
  const core::Duration waited = core::wall_from_ms(attempt.started_at) - flight.committed_at;
  if (attempt.number == 1 && left_after) parts_.metrics.first_byte(series, waited + *left_after);
  if (delivered) parts_.metrics.delivered(series, waited + took);
}

// Once it is durable. What an operator made of it meanwhile is not the engine's doing.
void Dispatcher::count_ending(const storage::Mutation& mutation, const storage::Finished& finished,
                              const core::Claim& claim) {
  const Metrics::Provider series = endpoints_.at(claim.endpoint).series;
  parts_.metrics.deactivated(series, finished.deactivated.size());
  core::DeliveryStep step = core::DeliveryStep::kFailAgain;
  if (const auto* attempt = std::get_if<storage::AttemptFinished>(&mutation)) step = attempt->step;
  if (const auto* ended = std::get_if<storage::DeliveryEnded>(&mutation)) step = ended->step;
  const auto after = core::next_state(DeliveryState::kPending, step);
  if (after && core::is_terminal(*after) && *after == finished.state) {
    parts_.metrics.delivery_ended(series, finished.state);
  }
}

void Dispatcher::log_attempt(const Flight& flight, const storage::AttemptFinished& mutation) const {
  if (!parts_.log.enabled()) return;
  const crypto::PublicIds& ids = parts_.intake.ids();
  const std::string endpoint = ids.text(crypto::IdKind::kEndpoint, flight.claim.endpoint);
  const std::string event = ids.text(crypto::IdKind::kEvent, flight.job.event);
  const std::string delivery = ids.text(crypto::IdKind::kDelivery, flight.claim.item.delivery);
  const std::string next = mutation.step == core::DeliveryStep::kFailAgain
                               ? rfc3339(core::wall_from_ms(mutation.next_at))
                               : std::string();
  const auto trace =
      flight.job.trace.parent.empty() ? std::string_view() : core::trace_id(flight.job.trace);
  parts_.log.line(parts_.clock.wall(), "attempt",
                  {{LogField::kEvent, event},
                   {LogField::kDelivery, delivery},
                   {LogField::kEndpoint, endpoint},
                   {LogField::kProvider, flight.job.provider},
                   {LogField::kAttempt, std::int64_t{mutation.attempt.number}},
                   {LogField::kStatus, std::int64_t{mutation.attempt.status}},
                   {LogField::kError, error_class_name(mutation.attempt.error)},
                   {LogField::kDurationMs, mutation.attempt.duration_ms},
                   {LogField::kDetail, mutation.attempt.detail},
                   {LogField::kNextAt, next},
                   {LogField::kTraceId, trace}});
}

}  // namespace outrider

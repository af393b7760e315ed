// Names of the public enumerations: one table each, the same in the database, the CLI, logs and
// metrics.
#include "outrider/types.h"

#include <array>
#include <cstddef>

#include "outrider/result.h"

namespace outrider {
namespace {

template <class E>
struct Named {
  E value;
  std::string_view name;
};

constexpr std::array kEndpointStates{
    Named<EndpointState>{EndpointState::kActive, "active"},
    Named<EndpointState>{EndpointState::kPaused, "paused"},
    Named<EndpointState>{EndpointState::kDeactivated, "deactivated"},
};
constexpr std::array kDeliveryStates{
    Named<DeliveryState>{DeliveryState::kPending, "pending"},
    Named<DeliveryState>{DeliveryState::kHeld, "held"},
    Named<DeliveryState>{DeliveryState::kDelivered, "delivered"},
    Named<DeliveryState>{DeliveryState::kExhausted, "exhausted"},
    Named<DeliveryState>{DeliveryState::kExpired, "expired"},
    Named<DeliveryState>{DeliveryState::kCancelled, "cancelled"},
};
constexpr std::array kRoles{
    Named<Role>{Role::kPublish, "publish"},
    Named<Role>{Role::kRead, "read"},
    Named<Role>{Role::kOperate, "operate"},
};
constexpr std::array kNoticeKinds{
    Named<NoticeKind>{NoticeKind::kEndpointDeactivated, "endpoint.deactivated"},
    Named<NoticeKind>{NoticeKind::kEndpointActivated, "endpoint.activated"},
    Named<NoticeKind>{NoticeKind::kDeliveryExhausted, "delivery.exhausted"},
    Named<NoticeKind>{NoticeKind::kDeliveryExpired, "delivery.expired"},
    Named<NoticeKind>{NoticeKind::kEventRejected, "event.rejected"},
};
constexpr std::array kErrorClasses{
    Named<ErrorClass>{ErrorClass::kNone, "none"},
    Named<ErrorClass>{ErrorClass::kDns, "dns"},
    Named<ErrorClass>{ErrorClass::kConnect, "connect"},
    Named<ErrorClass>{ErrorClass::kTls, "tls"},
    Named<ErrorClass>{ErrorClass::kTimeout, "timeout"},
    Named<ErrorClass>{ErrorClass::kReset, "reset"},
    Named<ErrorClass>{ErrorClass::kProtocol, "protocol"},
    Named<ErrorClass>{ErrorClass::kTooLarge, "too_large"},
    Named<ErrorClass>{ErrorClass::kBlocked, "blocked"},
    Named<ErrorClass>{ErrorClass::kStatus, "status"},
    Named<ErrorClass>{ErrorClass::kRedirect, "redirect"},
    Named<ErrorClass>{ErrorClass::kAborted, "aborted"},
};
constexpr std::array kErrorCodes{
    Named<ErrorCode>{ErrorCode::kInvalidArgument, "invalid_argument"},
    Named<ErrorCode>{ErrorCode::kInvalidPayload, "invalid_payload"},
    Named<ErrorCode>{ErrorCode::kNotFound, "not_found"},
    Named<ErrorCode>{ErrorCode::kConflict, "conflict"},
    Named<ErrorCode>{ErrorCode::kRefused, "refused"},
    Named<ErrorCode>{ErrorCode::kOverloaded, "overloaded"},
    Named<ErrorCode>{ErrorCode::kBusy, "busy"},
    Named<ErrorCode>{ErrorCode::kLocked, "locked"},
    Named<ErrorCode>{ErrorCode::kCorrupt, "corrupt"},
    Named<ErrorCode>{ErrorCode::kTooNew, "too_new"},
    Named<ErrorCode>{ErrorCode::kIo, "io"},
    Named<ErrorCode>{ErrorCode::kUnknownOutcome, "unknown_outcome"},
    Named<ErrorCode>{ErrorCode::kStopped, "stopped"},
    Named<ErrorCode>{ErrorCode::kInternal, "internal"},
    Named<ErrorCode>{ErrorCode::kKey, "key"},
};

template <class E, std::size_t N>
constexpr std::string_view name_of(const std::array<Named<E>, N>& table, E value) noexcept {
  for (const auto& row : table) {
    if (row.value == value) return row.name;
  }
  return "?";
}

template <class E, std::size_t N>
constexpr std::optional<E> value_of(const std::array<Named<E>, N>& table,
                                    std::string_view name) noexcept {
  for (const auto& row : table) {
    if (row.name == name) return row.value;
  }
  return std::nullopt;
}

}  // namespace

std::string_view state_name(EndpointState state) noexcept {
  return name_of(kEndpointStates, state);
}
std::string_view state_name(DeliveryState state) noexcept {
  return name_of(kDeliveryStates, state);
}
std::string_view error_class_name(ErrorClass error) noexcept {
  return name_of(kErrorClasses, error);
}
std::string_view error_code_name(ErrorCode code) noexcept { return name_of(kErrorCodes, code); }

std::optional<EndpointState> endpoint_state_from(std::string_view name) noexcept {
  return value_of(kEndpointStates, name);
}
std::optional<DeliveryState> delivery_state_from(std::string_view name) noexcept {
  return value_of(kDeliveryStates, name);
}
std::optional<ErrorClass> error_class_from(std::string_view name) noexcept {
  return value_of(kErrorClasses, name);
}

std::string_view notice_kind_name(NoticeKind kind) noexcept { return name_of(kNoticeKinds, kind); }
std::optional<NoticeKind> notice_kind_from(std::string_view name) noexcept {
  return value_of(kNoticeKinds, name);
}

std::string_view role_name(Role role) noexcept { return name_of(kRoles, role); }
std::optional<Role> role_from(std::string_view name) noexcept { return value_of(kRoles, name); }

std::string Error::to_string() const {
  std::string text = message;
  if (!where.empty()) text += " (" + where + ")";
  if (!hint.empty()) text += ": " + hint;
  return text;
}

}  // namespace outrider

// Any bytes as what a receiver is given: a body, read and written as JavaScript would, and a whole
// request to verify. What must hold, besides memory: what is written is read again as the same;
// where the sender accepts a text, both sides write the same bytes; nothing that was not signed is
// accepted.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/assert.h"
#include "core/json_text.h"
#include "receiver_json.h"
#include "receiver_verifier.h"

namespace outrider::receiver {
namespace {

void check_json(std::string_view text) {
  const std::optional<JsonValue> value = parse_json(text);
  const Result<std::string> sent =
      core::canonical_json(text, core::BodyMode::kEcmascript, core::JsonLimits{});
  OUTRIDER_ASSERT(value || !sent);
  if (!value) return;
  const std::string written = stringify(*value);
  const std::optional<JsonValue> again = parse_json(written);
  OUTRIDER_ASSERT(again && stringify(*again) == written);
  OUTRIDER_ASSERT(!sent || written == *sent);
  (void)value->at("/a/0/b");
}

void check_request(std::string_view bytes) {
  static const Result<Verifier> verifier = Verifier::make(
      R"({"signature":{"schemes":[
           {"algorithm":"hmac-sha256","key":{"form":"text","prefix":"h_"},
            "signed":"{timestamp}.{payload:/a}.{body}","encoding":"base64","value":"v1={digest}"},
           {"algorithm":"ed25519","key":{"form":"hex","prefix":"sk_"},
            "signed":"{id}.{body}","value":"v2={digest};"}],
         "headers":{"S":"t={timestamp},{signatures}","I":"{id}"},"join":","}})",
      {"h_secret", "sk_" + std::string(64, '7')});
  OUTRIDER_ASSERT(verifier.has_value());
  const std::size_t first = bytes.find('\n');
  const std::size_t second = first == std::string_view::npos ? first : bytes.find('\n', first + 1);
  if (second == std::string_view::npos) return;
  ReceivedRequest request;
  request.headers.push_back({"s", std::string(bytes.substr(0, first))});
  request.headers.push_back({"i", std::string(bytes.substr(first + 1, second - first - 1))});
  request.body = bytes.substr(second + 1);
  OUTRIDER_ASSERT(!verifier->check(request, 1'700'000'000, 0));
}

}  // namespace
}  // namespace outrider::receiver

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  outrider::receiver::check_json(bytes);
  outrider::receiver::check_request(bytes);
  (void)outrider::receiver::Verifier::make(bytes, {"secret"});
  return 0;
}

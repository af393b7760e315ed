// Every fault that a definition can have, with its place, its reason and what to do; and that all
// of them are told at once.
#include <gmock/gmock.h>

#include "provider_files.h"

namespace outrider::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

struct Fault {
  std::string pointer;
  std::string value;  // JSON; empty: removed
  std::string where;  // of the fault
  std::string message;
  std::string hint = "";
};

void reports_each(const std::vector<Fault>& faults) {
  for (const Fault& fault : faults) {
    SCOPED_TRACE(fault.pointer + " = " + fault.value);
    const core::Lint result = lint(changed(kFull, fault.pointer, fault.value));
    EXPECT_FALSE(result.provider.has_value());
    EXPECT_THAT(result.faults, ElementsAre(AllOf(Field(&Error::code, ErrorCode::kCorrupt),
                                                 Field(&Error::where, "p.json#" + fault.where),
                                                 Field(&Error::message, HasSubstr(fault.message)),
                                                 Field(&Error::hint, HasSubstr(fault.hint)))));
  }
}

TEST(ProviderLint, reports_wrong_identity) {
  reports_each({
      {"/format", "", "", "\"format\" is missing", "\"format\": 1"},
      {"/format", "2", "/format", "out of range", "1 to 1"},
      {"/format", "\"1\"", "/format", "must be a whole number, not a string"},
      {"/name", "", "", "\"name\" is missing"},
      {"/name", "\"Acme\"", "/name", "not a provider's name", "lower-case"},
      {"/name", "\"-a\"", "/name", "not a provider's name"},
      {"/name", "\"\"", "/name", "not a provider's name"},
      {"/name", "\"../x\"", "/name", "not a provider's name"},
      {"/title", "7", "/title", "must be a string, not a number"},
      {"/documentation", "[]", "/documentation", "must be a string, not an array"},
      {"/timeout", "3000", "/timeout", "unknown key", "did you mean \"timeout_ms\"?"},
      {"/Name", "\"acme\"", "/Name", "unknown key", "did you mean \"name\"?"},
      {"/quite-something-else", "1", "/quite-something-else", "unknown key",
       "one of: format, name"},
  });
}

TEST(ProviderLint, a_definition_that_asks_for_notices_has_an_event_for_each_kind) {
  const std::string asks = changed(kFull, "/notices", "true");
  const core::Lint lacking = lint(changed(
      asks, "/events", R"({"endpoint.activated": {}, "endpoint.deactivated": {}, "loan": {}})"));
  EXPECT_THAT(lacking.faults,
              ElementsAre(Field(&Error::message, HasSubstr("\"delivery.exhausted\"")),
                          Field(&Error::message, HasSubstr("\"delivery.expired\"")),
                          Field(&Error::message, HasSubstr("\"event.rejected\""))));
  const core::Lint all = lint(changed(asks, "/events", R"({"*": {}})"));
  ASSERT_TRUE(all.provider.has_value());
  EXPECT_TRUE(all.provider->notices);
  EXPECT_FALSE(lint(kFull).provider->notices);
}

TEST(ProviderLint, reports_a_wrong_signature) {
  const std::string scheme = "/signature/schemes/0";
  reports_each({
      {"/signature", "\"none\"", "/signature", "must be an object, not a string"},
      {"/signature/schemes", "", "/signature", "\"schemes\" is missing"},
      {"/signature/schemes", "[]", "/signature/schemes", "must have 1 to 8 elements"},
      {"/signature/schemes/1", "7", "/signature/schemes/1", "must be an object, not a number"},
      {"/signature/headers", "", "/signature", "\"headers\" is missing"},
      {"/signature/extra", "1", "/signature/extra", "unknown key",
       "one of: schemes, headers, join"},
      {"/signature/join", "\"\"", "/signature/join", "is empty"},
      {"/signature/join", "\"\\n\"", "/signature/join", "printable ASCII"},
      {scheme + "/algorithm", "", scheme, "\"algorithm\" is missing", "hmac-sha256"},
      {scheme + "/algorithm", "\"hmac-sha-256\"", scheme + "/algorithm", "known words",
       "did you mean \"hmac-sha256\"?"},
      {scheme + "/algorithm", "\"md5\"", scheme + "/algorithm", "known words",
       "one of: hmac-sha256,"},
      {scheme + "/algorithm", "1", scheme + "/algorithm", "must be a string"},
      {scheme + "/key", "\"base64\"", scheme + "/key", "must be an object"},
      {scheme + "/key/form", "\"utf8\"", scheme + "/key/form", "known words", "text, base64, hex"},
      {scheme + "/key/prefix", "\"wh\\u0000\"", scheme + "/key/prefix", "printable ASCII"},
      {scheme + "/key/size", "32", scheme + "/key/size", "unknown key"},
      {scheme + "/signed", "", scheme, "\"signed\" is missing"},
      {scheme + "/signed", "\"\"", scheme + "/signed", "signs nothing"},
      {scheme + "/signed", "\"{boddy}\"", scheme + "/signed", "unknown variable {boddy}", "{body}"},
      {scheme + "/signed", "\"{digest}\"", scheme + "/signed", "no meaning here"},
      {scheme + "/signed", "\"{body\"", scheme + "/signed", "unclosed brace"},
      {scheme + "/signed", "\"{payload:id}\"", scheme + "/signed", "not a JSON pointer"},
      {scheme + "/signed", "\"{payload}\"", scheme + "/signed", "needs an argument"},
      {scheme + "/signed", "\"{header:x y}\"", scheme + "/signed", "not a header name"},
      {scheme + "/signed", "\"{header:Host}\"", scheme + "/signed", "no endpoint can set"},
      {scheme + "/encoding", "\"base64url\"", scheme + "/encoding", "known words", "\"base64\"?"},
      {scheme + "/value", "\"v1=\"", scheme + "/value", "does not carry the signature", "{digest}"},
      {scheme + "/value", "\"{digest}{signatures}\"", scheme + "/value", "no meaning here"},
      {scheme + "/value", "\"{digest}\\r\\nX: y\"", scheme + "/value", "no header value can carry"},
      {"/signature/schemes/1/key/form", "\"text\"", "/signature/schemes/1/key", "ed25519"},
      {"/signature/schemes/1/key/prefix", "\"whsec_x\"", "/signature/schemes/1",
       "no secret can reach"},
      {"/signature/schemes/0/key/prefix", "", "/signature/schemes/1", "no secret can reach"},
  });
}

TEST(ProviderLint, reports_impossible_headers) {
  const std::string headers = "/signature/headers/";
  reports_each({
      {headers + "Acme Signature", "\"{id}\"", headers + "Acme Signature", "not a header name",
       "RFC 9110"},
      {headers + "Acme:", "\"{id}\"", headers + "Acme:", "not a header name"},
      {headers, "\"{id}\"", headers, "not a header name"},
      {headers + "X\u00e9", "\"{id}\"", headers + "X\u00e9", "not a header name"},
      {headers + "Content-Length", "\"{id}\"", headers + "Content-Length", "only the engine sets"},
      {headers + "HOST", "\"{id}\"", headers + "HOST", "only the engine sets"},
      {headers + "Transfer-Encoding", "\"{id}\"", headers + "Transfer-Encoding",
       "only the engine sets"},
      {headers + "connection", "\"{id}\"", headers + "connection", "only the engine sets"},
      {headers + "acme-signature", "\"{id}\"", headers + "acme-signature", "set twice"},
      {headers + "X", "\"{body}\"", headers + "X", "no meaning here", "{signatures}"},
      {headers + "X", "\"a\\nb\"", headers + "X", "no header value can carry"},
      {headers + "X", "1", headers + "X", "must be a string"},
      {headers + "Acme-Signature", "\"{timestamp}\"", "/signature/headers", "no header carries"},
      {"/headers", "[]", "/headers", "must be an object"},
      {"/headers/Acme-Event", "\"x\"", "/headers/Acme-Event", "set twice"},
      {"/headers/Content-Type", "\"text/plain\"", "/headers/Content-Type", "only the engine sets",
       "content_type"},
      {"/headers/User-Agent", "\"x\"", "/headers/User-Agent", "only the engine sets"},
      {"/headers/X", "\" a\"", "/headers/X", "not a header value"},
      {"/headers/X", "\"\"", "/headers/X", "not a header value"},
      {"/headers/X", "\"caf\u00e9\"", "/headers/X", "not a header value"},
      {"/headers/X", "null", "/headers/X", "must be a string, not null"},
      {"/body", "\"json\"", "/body", "known words", "one of: ecmascript, compact, raw"},
      {"/content_type", "\"json\"", "/content_type", "not a media type"},
      {"/content_type", "\"text/ x\"", "/content_type", "not a media type"},
      {"/content_type", "\"text/x\\r\\ny: z\"", "/content_type", "not a media type"},
  });
}

TEST(ProviderLint, reports_wrong_delivery_rules) {
  reports_each({
      {"/success", "200", "/success", "must be an array, not a number"},
      {"/success", "[]", "/success", "1 to 32 elements"},
      {"/success/0", "\"200\"", "/success/0", "not a class", "2xx"},
      {"/success/0", "\"1xx\"", "/success/0", "not a class"},
      {"/success/0", "199", "/success/0", "out of range", "200 to 599"},
      {"/success/0", "200.5", "/success/0", "without fraction"},
      {"/timeout_ms", "0", "/timeout_ms", "out of range", "100 to 60000"},
      {"/timeout_ms", "60001", "/timeout_ms", "out of range"},
      {"/timeout_ms", "3000.0", "/timeout_ms", "without fraction or exponent"},
      {"/timeout_ms", "\"3s\"", "/timeout_ms", "must be a whole number, not a string"},
      {"/retry", "true", "/retry", "must be an object"},
      {"/retry/delays", "[1]", "/retry/delays", "unknown key", "did you mean \"delays_s\"?"},
      {"/retry/delays_s", "[]", "/retry/delays_s", "1 to 100 elements"},
      {"/retry/delays_s/1", "0", "/retry/delays_s/1", "out of range", "1 to 2592000"},
      {"/retry/delays_s/1", "-1", "/retry/delays_s/1", "out of range"},
      {"/retry/delays_s/1", "1e3", "/retry/delays_s/1", "without fraction or exponent"},
      {"/retry/delays_s/1", "99999999999999999999", "/retry/delays_s/1", "without fraction"},
      {"/retry/delays_s/1", "18446744073709551615", "/retry/delays_s/1", "out of range"},
      {"/retry/max_attempts", "0", "/retry/max_attempts", "out of range", "1 to 1000"},
      {"/retry/jitter", "1.01", "/retry/jitter", "out of range", "0 to 1"},
      {"/retry/jitter", "\"0.1\"", "/retry/jitter", "must be a number"},
      {"/retry/retry_after", "1", "/retry/retry_after", "must be true or false, not a number"},
      {"/deactivate/consecutive", "1001", "/deactivate/consecutive", "out of range"},
      {"/deactivate/window", "[10,900]", "/deactivate/window", "must be an object"},
      {"/deactivate/window/seconds", "", "/deactivate/window", "\"seconds\" is missing"},
      {"/deactivate/window/failures", "", "/deactivate/window", "\"failures\" is missing"},
      {"/deactivate/window/failures", "101", "/deactivate/window/failures", "out of range"},
      {"/deactivate/window/seconds", "0", "/deactivate/window/seconds", "out of range"},
      {"/deactivate/scope", "\"tenant\"", "/deactivate/scope", "known words", "endpoint, account"},
      {"/deactivate/pending", "\"drop\"", "/deactivate/pending", "known words", "hold, cancel"},
      {"/deactivate/new_events", "\"drop\"", "/deactivate/new_events", "known words",
       "hold, refuse"},
      {"/deactivate/after", "5", "/deactivate/after", "unknown key"},
      {"/gone/0", "200", "/gone/0", "out of range", "300 to 599"},
      {"/gone/0", "304", "/gone/0", "is a success as well"},
      {"/gone/0", "null", "/gone/0", "must be a whole number, not null"},
      {"/endpoints_per_account", "0", "/endpoints_per_account", "out of range"},
      {"/no_endpoint", "\"ignore\"", "/no_endpoint", "known words", "keep, refuse"},
      {"/notices", "\"yes\"", "/notices", "must be true or false, not a string"},
  });
}

TEST(ProviderLint, reports_wrong_events_and_pointers) {
  reports_each({
      {"/events", "", "", "\"events\" is missing"},
      {"/events", "{}", "/events", "1 to 1000 event types"},
      {"/events", "[\"paid\"]", "/events", "must be an object, not an array"},
      {"/events/paid", "true", "/events/paid", "must be an object, not a boolean"},
      {"/events/paid/shema", "\"x\"", "/events/paid/shema", "unknown key",
       "did you mean \"schema\"?"},
      {"/events/paid/schema", "{}", "/events/paid/schema", "must be a string"},
      {"/events/paid/schema", "\"no.json\"", "/events/paid/schema", "no schema providers/no.json"},
      {"/events/paid/max_attempts", "0", "/events/paid/max_attempts", "out of range"},
      {"/events/two words", "{}", "/events/two words", "cannot be sent"},
      {"/events/", "{}", "/events/", "cannot be sent"},
      {"/events/test/test", "true", "/events/test/test", "must be an object"},
      {"/events/test/test", "{}", "/events/test/test", "\"payload\" is missing"},
      {"/events/test/test/data", "{}", "/events/test/test/data", "unknown key"},
      {"/events/test/max_attempts", "3", "/events/test/max_attempts", "tried once"},
      {"/events/*/test", "{\"payload\":{}}", "/events/*/test", "needs an event type of its own"},
      {"/events/test/test/payload/id", "", "/events/test/test/payload/id",
       "the signature covers this"},
      {"/events/test/test/payload/until", "\"soon\"", "/events/test/test/payload/until",
       "not a date"},
      {"/events/test/schema", "\"../events/lossexpress/payoff.schema.json\"",
       "/events/test/test/payload/payoffId", "required property payoffId is missing"},
      {"/sensitive", "[]", "/sensitive", "must be an object"},
      {"/sensitive/~1name", "\"secret\"", "/sensitive/~1name", "known words",
       "critical, identity, financial"},
      {"/sensitive/name", "\"identity\"", "/sensitive/name", "not a JSON pointer",
       "/people/*/name"},
      {"/sensitive/~1a~0", "\"identity\"", "/sensitive/~1a~0", "not a JSON pointer"},
      {"/expires", "\"until\"", "/expires", "not a JSON pointer"},
      {"/expires", "\"\"", "/expires", "not a JSON pointer"},
      {"/ordering", "7", "/ordering", "must be a string"},
  });
}

TEST(ProviderLint, tells_every_fault_at_once) {
  const core::Lint result = lint(R"({
    "format": 1, "name": "Acme", "nmae": "x", "timeout_ms": -1, "success": [99, "2xx", "x"],
    "signature": {"schemes": [{"algorithm": "rot13", "signed": "{bdy}"}],
                  "headers": {"Bad Name": "{signatures}"}},
    "events": {"a": {"schema": "no.json"}, "b": 1}, "expires": "x"})");
  std::vector<std::string> places;
  for (const Error& fault : result.faults) places.push_back(fault.where.substr(7));
  EXPECT_THAT(places, testing::UnorderedElementsAre("/nmae", "/name", "/timeout_ms", "/success/0",
                                                    "/success/2", "/signature/schemes/0/algorithm",
                                                    "/signature/schemes/0/signed",
                                                    "/signature/headers/Bad Name",
                                                    "/events/a/schema", "/events/b", "/expires"));
  EXPECT_FALSE(result.provider.has_value());
}

TEST(ProviderLint, says_where_a_file_stops_being_json) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "line 1, column 1"},
      {"{\n  \"format\": 1,\n}", "line 3, column 1"},
      {"{\"a\": 'b'}", "line 1, column 7"},
      {"{} {}", "line 1, column 4"},
      {"{\"a\": \"\xff\"}", "line 1, column 8"},
      {"{\"a\": 1e999}", "line 1, column 7"},
  };
  for (const auto& [text, place] : cases) {
    const core::Lint result = lint(text);
    ASSERT_EQ(result.faults.size(), 1u) << text;
    EXPECT_EQ(result.faults[0].where, "p.json#");
    EXPECT_THAT(result.faults[0].message, HasSubstr(place)) << text;
  }
  EXPECT_THAT(lint("[]").faults,
              ElementsAre(Field(&Error::message, "must be an object, not an array")));
  EXPECT_THAT(lint("\xEF\xBB\xBF{}").faults,
              ElementsAre(Field(&Error::message, HasSubstr("byte order mark"))));
  EXPECT_THAT(lint(std::string(100'000, '[')).faults,
              ElementsAre(Field(&Error::message, HasSubstr("nested too deeply"))));
  EXPECT_THAT(lint(std::string(2'000'000, ' ')).faults,
              ElementsAre(Field(&Error::message, HasSubstr("over 1 MiB"))));
}

TEST(ProviderLint, reports_each_duplicate_key) {
  std::string text = kFull;
  text.replace(text.find("\"format\""), 0, "\"format\": 1, ");
  text.replace(text.find("\"consecutive\""), 0, "\"consecutive\": 5, ");
  const core::Lint result = lint(text);
  EXPECT_THAT(result.faults,
              ElementsAre(AllOf(Field(&Error::where, "p.json#/format"),
                                Field(&Error::message, HasSubstr("twice"))),
                          AllOf(Field(&Error::where, "p.json#/deactivate/consecutive"),
                                Field(&Error::message, HasSubstr("twice")))));
}

TEST(ProviderLint, reports_every_fault_of_a_schema_in_the_schemas_own_name) {
  const core::Lint result = core::load_provider(
      changed(changed(kFull, "/events/paid/schema", "\"../events/acme/paid.json\""),
              "/events/refunded", R"({"schema":"../events/acme/paid.json"})"),
      "etc/providers/acme.json", [](std::string_view path) -> Result<std::string> {
        EXPECT_EQ(path, "../events/acme/paid.json");
        return R"({"type":"objekt","properties":{"a":{"const":1}}})";
      });
  EXPECT_THAT(
      result.faults,
      ElementsAre(AllOf(Field(&Error::where, "etc/events/acme/paid.json#/type"),
                        Field(&Error::hint, HasSubstr("object"))),
                  AllOf(Field(&Error::where, "etc/events/acme/paid.json#/properties/a/const"),
                        Field(&Error::message, "unsupported schema keyword"))));
}

TEST(ProviderLint, keeps_places_on_one_printable_line) {
  const core::Lint result = lint(changed(kFull, "/a\nb\u001b[2J", "1"));
  ASSERT_EQ(result.faults.size(), 1u);
  EXPECT_EQ(result.faults[0].where, "p.json#/a\\nb\\u001b[2J");
  const core::Lint longest = lint(changed(kFull, "/" + std::string(5000, 'x'), "1"));
  ASSERT_EQ(longest.faults.size(), 1u);
  EXPECT_LT(longest.faults[0].where.size(), 600u);
}

}  // namespace
}  // namespace outrider::test

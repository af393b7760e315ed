// The payloads of the three customers' documents: every example passes, and every way to get one
// wrong is told with its JSON pointer and the rule it breaks.
#include <gmock/gmock.h>

#include <map>
#include <set>
#include <sstream>

#include "provider_files.h"

namespace outrider::test {
namespace {

using core::Provider;

constexpr std::int64_t kNow = 1'600'000'000'000;

Result<core::PreparedEvent> prepared(const Provider& provider, const std::string& type,
                                     const std::string& payload) {
  return core::prepare(provider, type, payload, {}, {}, kNow, {});
}

struct Case {
  std::string pointer;  // what is changed in the example
  std::string value;    // to what; empty: removed
  std::string message;
  std::string where = {};  // empty: the pointer itself
};

void refuses_each(const std::string& name, const std::string& type,
                  const std::vector<Case>& cases) {
  const Provider provider = load(name);
  const std::string base = example(name, type);
  for (const Case& c : cases) {
    const std::string payload = c.pointer.empty() ? c.value : changed(base, c.pointer, c.value);
    const auto result = prepared(provider, type, payload);
    SCOPED_TRACE(c.pointer + " = " + c.value);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidPayload);
    EXPECT_EQ(result.error().message, c.message);
    EXPECT_EQ(result.error().where, c.where.empty() ? c.pointer : c.where);
  }
}

void accepts_each(const std::string& name, const std::string& type,
                  const std::vector<std::pair<std::string, std::string>>& changes) {
  const Provider provider = load(name);
  const std::string base = example(name, type);
  for (const auto& [pointer, value] : changes) {
    const auto result = prepared(provider, type, changed(base, pointer, value));
    EXPECT_TRUE(result.has_value())
        << pointer << " = " << value << ": " << (result ? "" : result.error().to_string());
  }
}

TEST(ProviderPayload, accepts_every_example_and_keeps_its_bytes) {
  const std::map<std::string, std::vector<std::string>> examples = {
      {"lossexpress", {"payoff"}},
      {"credit-app", {"application_export"}},
      {"lender-spender",
       {"loan_application_status_update", "loan_application_attention_required", "webhook_test"}},
      {"operational-webhooks",
       {"endpoint.deactivated", "endpoint.activated", "delivery.exhausted", "delivery.expired",
        "event.rejected", "webhook.test"}},
  };
  for (const auto& [name, types] : examples) {
    const Provider provider = load(name);
    for (const std::string& type : types) {
      const auto result = prepared(provider, type, example(name, type));
      ASSERT_TRUE(result.has_value()) << name << " " << type << ": " << result.error().to_string();
      EXPECT_EQ(prepared(provider, type, result->body)->body, result->body);
      EXPECT_EQ(result->body.find('\n'), std::string::npos);
    }
    std::set<std::string> named;
    for (const auto& [type, event] : provider.events) {
      EXPECT_TRUE(event.schema) << type << " has no schema";
      named.insert(type);
    }
    EXPECT_EQ(named, std::set<std::string>(types.begin(), types.end()))
        << "every event type has its example";
  }
}

TEST(ProviderPayload, refuses_wrong_payoffs) {
  refuses_each(
      "lossexpress", "payoff",
      {
          {"/payoffId", "", "required property payoffId is missing"},
          {"/success", "", "required property success is missing"},
          {"/payoffId", "null", "must be string"},
          {"/payoffId", "17", "must be string"},
          {"/payoffId", R"("")", "does not have the required form"},
          {"/payoffId", R"("f94bbd89-e9e0-45ac-a02b-e4d4afad6a8")",
           "does not have the required form"},
          {"/payoffId", R"("f94bbd89-e9e0-45ac-a02b-e4d4afad6a8fa")",
           "does not have the required form"},
          {"/payoffId", R"("f94bbd89e9e045aca02be4d4afad6a8f")", "does not have the required form"},
          {"/payoffId", R"("g94bbd89-e9e0-45ac-a02b-e4d4afad6a8f")",
           "does not have the required form"},
          {"/payoffId", R"("f94bbd89-e9e0-45ac-a02b-e4d4afad6a8f\n")",
           "does not have the required form"},
          {"/payoffId", R"("f94bbd89-e9e0-45ac-a02b-e4d4afad6a8f\u0000x")",
           "does not have the required form"},
          {"/success", R"("true")", "must be boolean"},
          {"/success", "1", "must be boolean"},
          {"/success", "null", "must be boolean"},
          {"/payoffAmount", R"("10222.33")", "must be number"},
          {"/payoffAmount", "null", "must be number"},
          {"/perDiem", "true", "must be number"},
          {"/validThroughDate", "20200822", "must be string"},
          {"/validThroughDate", R"("soon")", "does not have the required form"},
          {"/validThroughDate", R"("2020-08-22")", "does not have the required form"},
          {"/validThroughDate", R"("2020-13-22T00:00:00.000Z")", "does not have the required form"},
          {"/validThroughDate", R"("2020-08-22T00:00:00.000")", "does not have the required form"},
          {"/validThroughDate", R"("2021-02-30T00:00:00.000Z")", "is not a date or time"},
          {"/lenderPhoneNumber", "12223334444", "must be string"},
          {"/standardMailingAddress", R"("1000 Main Street")", "must be object"},
          {"/standardMailingAddress", "[]", "must be object"},
          {"/standardMailingAddress/zipCode", "75204", "must be string"},
          {"/standardMailingAddress/streetAddress2", "null", "must be string"},
          {"/overnightMailingAddress", "null", "must be object"},
          {"/overnightMailingAddress", R"({"city":7})", "must be string",
           "/overnightMailingAddress/city"},
          {"/accountNumber", "123456", "must be string"},
          {"/eftAccountNumber", "123456", "must be string"},
          {"/eftRoutingNumber", "111000025", "must be string"},
          {"/eftState", "false", "must be string"},
          {"/eftCity", "[]", "must be string"},
          {"/eftZipCode", "75204", "must be string"},
          {"/errorMessage", "null", "must be string"},
          {"/fulfilledBy", R"("fulfilment center")", "not one of the allowed values"},
          {"/fulfilledBy", R"("Integration")", "not one of the allowed values"},
          {"/fulfilledBy", "null", "must be string"},
      });
}

TEST(ProviderPayload, refuses_a_payoff_that_is_no_object) {
  const Provider provider = load("lossexpress");
  for (const char* payload : {"[]", "null", "\"payoff\"", "7"}) {
    const auto result = prepared(provider, "payoff", payload);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().message, "must be object");
    EXPECT_EQ(result.error().where, "");
  }
}

TEST(ProviderPayload, accepts_what_the_payoff_document_leaves_open) {
  accepts_each("lossexpress", "payoff",
               {
                   {"/payoffAmount", ""},
                   {"/validThroughDate", ""},
                   {"/standardMailingAddress", ""},
                   {"/standardMailingAddress/streetAddress2", ""},
                   {"/fulfilledBy", R"("fulfillment center")"},
                   {"/success", "false"},
                   {"/errorMessage", R"("no such loan")"},
                   {"/payoffId", R"("F94BBD89-E9E0-45AC-A02B-E4D4AFAD6A8F")"},
                   {"/validThroughDate", R"("2020-08-22T00:00:00+02:00")"},
                   {"/perDiem", "0"},
                   {"/aFieldOfTomorrow", R"({"deep":[1,null]})"},
                   {"/standardMailingAddress/country", R"("US")"},
               });
  const auto smallest =
      prepared(load("lossexpress"), "payoff",
               R"({"payoffId":"f94bbd89-e9e0-45ac-a02b-e4d4afad6a8f","success":false})");
  EXPECT_TRUE(smallest.has_value());
}

TEST(ProviderPayload, refuses_wrong_applications) {
  const std::string bad_uuid = "does not have the required form";
  refuses_each(
      "credit-app", "application_export",
      {
          {"/retailerId", "", "required property retailerId is missing"},
          {"/applicationId", "", "required property applicationId is missing"},
          {"/creditorId", "", "required property creditorId is missing"},
          {"/primaryApplicant", "", "required property primaryApplicant is missing"},
          {"/retailerId", "null", "must be string"},
          {"/creditorId", R"("creditor-7")", bad_uuid},
          {"/primaryApplicant", "null", "must be object"},
          {"/primaryApplicant", "[]", "must be object"},
          {"/relationship", R"("COUSIN")", "not one of the allowed values"},
          {"/relationship", R"("spouse")", "not one of the allowed values"},
          {"/relationship", R"("")", "not one of the allowed values"},
          {"/relationship", "7", "must be string or null"},
          {"/coApplicant", R"("Jane Doe")", "must be object or null"},
          {"/coApplicant/firstName", "7", "must be string or null"},
          {"/coApplicant/addressHistory/0/yearsAtAddress", "null", "must be integer"},
          {"/coApplicant/employmentHistory/0/additionalIncomeSources/0", "3", "must be string"},
          {"/primaryApplicant/firstName", "false", "must be string or null"},
          {"/primaryApplicant/lastName", "{}", "must be string or null"},
          {"/primaryApplicant/sin", "123456789", "must be string or null"},
          {"/primaryApplicant/dateOfBirth", "19800615", "must be string or null"},
          {"/primaryApplicant/dateOfBirth", R"("15.06.1980")", "does not have the required form"},
          {"/primaryApplicant/dateOfBirth", R"("1980-6-15")", "does not have the required form"},
          {"/primaryApplicant/phoneNumber", "6045550110", "must be string or null"},
          {"/primaryApplicant/email", "[]", "must be string or null"},
          {"/primaryApplicant/addressHistory", "{}", "must be array or null"},
          {"/primaryApplicant/addressHistory/1", "null", "must be object"},
          {"/primaryApplicant/addressHistory/1/city", "null", "must be string"},
          {"/primaryApplicant/addressHistory/0/direction", "1", "must be string or null"},
          {"/primaryApplicant/addressHistory/1/monthsAtAddress", "1.5", "must be integer"},
          {"/primaryApplicant/addressHistory/1/monthsAtAddress", R"("18")", "must be integer"},
          {"/primaryApplicant/addressHistory/1/monthlyRentOrMortgage", "1600", "must be object"},
          {"/primaryApplicant/addressHistory/1/monthlyRentOrMortgage/amount", R"("1600")",
           "must be number"},
          {"/primaryApplicant/addressHistory/0/monthlyRentOrMortgage/currency", "null",
           "must be string"},
          {"/primaryApplicant/addressHistory/0/id", R"("7")", bad_uuid},
          {"/primaryApplicant/addressHistory/0/pOBoxNumber", "12", "must be string"},
          {"/primaryApplicant/employmentHistory", R"("none")", "must be array or null"},
          {"/primaryApplicant/employmentHistory/0", "[]", "must be object"},
          {"/primaryApplicant/employmentHistory/0/additionalIncomeSources", "null",
           "must be array"},
          {"/primaryApplicant/employmentHistory/0/grossIncome/amount", "null", "must be number"},
          {"/primaryApplicant/employmentHistory/0/monthsWorked", "36.5", "must be integer"},
          {"/primaryApplicant/employmentHistory/0/occupation", "null", "must be string"},
          {"/primaryApplicant/employmentHistory/0/id", "null", "must be string"},
      });
}

TEST(ProviderPayload, refuses_wrong_worksheets) {
  const std::string bad_uuid = "does not have the required form";
  refuses_each(
      "credit-app", "application_export",
      {
          {"/worksheet", "[]", "must be object or null"},
          {"/worksheet/programId", R"("fa8c27de")", bad_uuid},
          {"/worksheet/tierId", "null", "must be string"},
          {"/worksheet/vehicle", "null", "must be object"},
          {"/worksheet/vehicle/status", R"("DEMO")", "not one of the allowed values"},
          {"/worksheet/vehicle/status", "null", "must be string"},
          {"/worksheet/vehicle/year", R"("2021")", "must be integer"},
          {"/worksheet/vehicle/odometer/amount", R"("38000")", "must be number"},
          {"/worksheet/vehicle/odometer/unit", "1", "must be string"},
          {"/worksheet/vehicle/msrp", "24500", "must be object"},
          {"/worksheet/vehicle/addOnOptions", "null", "must be array"},
          {"/worksheet/vehicle/addOnOptions/0/name", "null", "must be string"},
          {"/worksheet/vehicle/addOnOptions/0/roughValue/amount", R"("550")", "must be number"},
          {"/worksheet/vehicle/addOns", "{}", "must be array or null"},
          {"/worksheet/vehicle/deductOptions", "null", "must be array"},
          {"/worksheet/vehicle/deducts", "false", "must be array or null"},
          {"/worksheet/vehicle/cleanWholesaleValue/currency", "124", "must be string"},
          {"/worksheet/taxExempt", R"("false")", "must be boolean"},
          {"/worksheet/taxProvince", "null", "must be string"},
          {"/worksheet/gstPercent", R"("5")", "must be number"},
          {"/worksheet/gst", "null", "must be object"},
          {"/worksheet/gst/amount", R"("1322.35")", "must be number"},
          {"/worksheet/pstHstAdjusted", "0", "must be boolean"},
          {"/worksheet/tradeIn", "{}", "must be string or null"},
          {"/worksheet/cashDown", "3000", "must be object"},
          {"/worksheet/dealerReserve/amount", "[]", "must be number"},
          {"/worksheet/firstPaymentDate", R"("2024-07-32")", "does not have the required form"},
          {"/worksheet/firstPaymentDate", R"("2024-07-01T00:00:00Z")",
           "does not have the required form"},
          {"/worksheet/deliveryDate", "null", "must be string"},
          {"/worksheet/interestRate", "null", "must be number"},
          {"/worksheet/term", "60.5", "must be integer"},
          {"/worksheet/frequency", "12", "must be string"},
          {"/worksheet/totalFinancedAmount/amount", "true", "must be number"},
          {"/worksheet/otherTaxableDescription", "null", "must be string"},
      });
}

TEST(ProviderPayload, accepts_what_the_application_document_leaves_open) {
  accepts_each(
      "credit-app", "application_export",
      {
          {"/relationship", "null"},
          {"/relationship", R"("IN_LAW")"},
          {"/relationship", ""},
          {"/coApplicant", "null"},
          {"/coApplicant", ""},
          {"/coApplicant",
           R"({"firstName":null,"lastName":null,"sin":null,"dateOfBirth":null,"phoneNumber":null,)"
           R"("email":null,"addressHistory":null,"employmentHistory":null})"},
          {"/worksheet", "null"},
          {"/worksheet", "{}"},
          {"/primaryApplicant", "{}"},
          {"/primaryApplicant/sin", "null"},
          {"/primaryApplicant/dateOfBirth", R"("1980-06-15T00:00:00.000Z")"},
          {"/primaryApplicant/addressHistory/0/id", R"("123e4567-e89b-12d3-a456-426614174000")"},
          {"/primaryApplicant/addressHistory", "[]"},
          {"/primaryApplicant/employmentHistory/0/frequency", R"("FORTNIGHTLY")"},
          {"/primaryApplicant/employmentHistory/0/additionalIncomeSources",
           R"(["ALIMONY","OTHER"])"},
          {"/worksheet/taxProvince", ""},
          {"/worksheet/tradeIn", "null"},
          {"/worksheet/frequency", R"("BI_WEEKLY")"},
          {"/worksheet/term", "60"},
          {"/worksheet/vehicle/status", R"("NEW")"},
          {"/worksheet/vehicle/addOns", "null"},
          {"/worksheet/vehicle/deducts", R"(["Hail damage"])"},
          {"/worksheet/gst/amount", "1322"},
          {"/worksheet/aFieldOfTomorrow", "null"},
      });
}

TEST(ProviderPayload, refuses_wrong_loan_application_events) {
  refuses_each(
      "lender-spender", "loan_application_attention_required",
      {
          {"/message", "", "required property message is missing"},
          {"/message", "null", "must be string"},
          {"/message", R"("")", "must have at least 1 characters"},
          {"/data", "", "required property data is missing"},
          {"/data", "null", "must be object"},
          {"/data", "[]", "must be object"},
          {"/type", "", "required property type is missing"},
          {"/type", R"("loan_application_status_update")", "not one of the allowed values"},
      });
  refuses_each(
      "lender-spender", "loan_application_status_update",
      {
          {"/type", R"("loan_application_attention_required")", "not one of the allowed values"},
          {"/type", "null", "must be string"},
          {"/data", "", "required property data is missing"},
          {"/data", R"("approved")", "must be object"},
      });
  refuses_each("lender-spender", "webhook_test",
               {
                   {"/data", "", "required property data is missing"},
                   {"/data/status", "", "required property status is missing"},
                   {"/data/status", R"("failure")", "not one of the allowed values"},
                   {"/type", R"("test")", "not one of the allowed values"},
               });
}

TEST(ProviderPayload, errors_never_show_a_value_of_the_payload) {
  const Provider provider = load("credit-app");
  const std::string secret = "846454286";
  for (const char* pointer : {"/primaryApplicant/sin", "/relationship", "/creditorId",
                              "/worksheet/vehicle/status", "/worksheet/term"}) {
    for (const std::string& value : {secret, "\"" + secret + "\"", "[\"" + secret + "\"]"}) {
      const auto result =
          prepared(provider, "application_export",
                   changed(example("credit-app", "application_export"), pointer, value));
      if (result) continue;
      EXPECT_EQ(result.error().to_string().find(secret), std::string::npos);
    }
  }
}

TEST(ProviderPayload, enum_errors_name_what_is_allowed) {
  const auto result =
      prepared(load("lossexpress"), "payoff",
               changed(example("lossexpress", "payoff"), "/fulfilledBy", "\"robot\""));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().hint, "allowed: integration, fulfillment center");
}

// A sensitive pointer with a misspelt key would mask nothing, in silence.
TEST(ProviderPayload, every_sensitive_pointer_names_a_field_of_a_schema) {
  const std::map<std::string, std::vector<std::string>> schemas = {
      {"lossexpress", {"payoff"}},
      {"credit-app", {"application_export"}},
      {"lender-spender", {"loan_application_attention_required"}},
  };
  for (const auto& [name, types] : schemas) {
    for (const core::SensitivePointer& sensitive : load(name).sensitive) {
      bool found = false;
      for (const std::string& type : types) {
        rapidjson::Document schema;
        schema.Parse(read_schemas_file("events/" + name + "/" + type + ".schema.json").c_str());
        const rapidjson::Value* at = &schema;
        const auto follow = [&] {
          while (at != nullptr && at->HasMember("$ref")) {
            at = rapidjson::Pointer((*at)["$ref"].GetString()).Get(schema);
          }
        };
        std::istringstream segments(sensitive.pointer.substr(1));
        for (std::string segment; at != nullptr && std::getline(segments, segment, '/');) {
          follow();
          const std::string step = segment == "*" ? "/items" : "/properties/" + segment;
          at = rapidjson::Pointer(step.c_str()).Get(*at);
        }
        found = found || at != nullptr;
      }
      EXPECT_TRUE(found) << name << " " << sensitive.pointer;
    }
  }
}

TEST(ProviderPayload, the_most_personal_fields_are_critical) {
  const std::map<std::string, std::vector<std::string>> critical = {
      {"lossexpress", {"/accountNumber", "/eftAccountNumber", "/eftRoutingNumber"}},
      {"credit-app",
       {"/coApplicant/dateOfBirth", "/coApplicant/sin", "/primaryApplicant/dateOfBirth",
        "/primaryApplicant/sin"}},
  };
  for (const auto& [name, pointers] : critical) {
    std::vector<std::string> found;
    for (const auto& sensitive : load(name).sensitive) {
      if (sensitive.kind == core::SensitiveClass::kCritical) found.push_back(sensitive.pointer);
    }
    EXPECT_THAT(found, testing::UnorderedElementsAreArray(pointers)) << name;
  }
}

}  // namespace
}  // namespace outrider::test

// The public face: built-in definitions and a directory's, what is told of each, and a fence around
// what a definition may read.
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/provider.h"
#include "outrider/provider.h"
#include "provider_files.h"
#include "tests/source_dir.h"

namespace outrider::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

// A directory of its own for each test, removed afterwards.
class ProvidersTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "outrider-providers-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    fs::create_directories(root_ / "providers");
    fs::create_directories(root_ / "events");
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string write(const std::string& path, const std::string& text) {
    std::ofstream(root_ / path, std::ios::binary) << text;
    return (root_ / path).string();
  }
  std::string directory() const { return (root_ / "providers").string(); }

  static std::string definition(const std::string& name, const std::string& schema = "") {
    const std::string event = schema.empty() ? "{}" : R"({"schema":")" + schema + "\"}";
    return R"({"format":1,"name":")" + name +
           R"(","signature":{"schemes":[{"algorithm":"hmac-sha256","signed":"{body}"}],)"
           R"("headers":{"S":"{signatures}"}},"events":{"paid":)" +
           event + "}}";
  }

  fs::path root_;
};

TEST_F(ProvidersTest, the_built_in_ones_are_there_without_any_file) {
  const auto providers = Providers::load({});
  ASSERT_TRUE(providers.has_value()) << providers.error().to_string();
  std::vector<std::string> names;
  for (const ProviderView& view : providers->list()) {
    names.push_back(view.name);
    EXPECT_EQ(view.source, "built-in");
    EXPECT_EQ(view.definition, read_schemas_file("providers/" + view.name + ".json"));
  }
  EXPECT_EQ(names, provider_names());
}

TEST_F(ProvidersTest, tells_what_a_provider_does_in_words) {
  const auto providers = Providers::load({});
  ASSERT_TRUE(providers.has_value());
  const ProviderView lossexpress = *providers->find("lossexpress");
  EXPECT_EQ(lossexpress.title, "LossExpress xPayoff");
  EXPECT_THAT(lossexpress.events, ElementsAre("payoff"));
  EXPECT_THAT(lossexpress.signature_headers, ElementsAre("X-LossExpress-Signature"));
  EXPECT_EQ(lossexpress.algorithm, "hmac-sha256");
  EXPECT_EQ(lossexpress.body, "ecmascript");
  EXPECT_EQ(lossexpress.success, "200");
  EXPECT_EQ(lossexpress.timeout_ms, 3000);
  EXPECT_THAT(lossexpress.retry_delays_s, ElementsAre(10, 100, 1000, 10'000, 100'000));
  EXPECT_EQ(lossexpress.max_attempts, 6u);
  EXPECT_EQ(
      lossexpress.deactivation,
      "after 5 failures in a row or 10 failures within 900 s; all of the account's endpoints; "
      "pending deliveries are cancelled; new events are refused until reactivation");
  const ProviderView standard = *providers->find("standard-webhooks");
  EXPECT_EQ(standard.success, "2xx");
  EXPECT_EQ(standard.deactivation,
            "after 5 failures in a row or 10 failures within 900 s, at once on 410; the endpoint; "
            "pending deliveries are held");
}

TEST_F(ProvidersTest, a_provider_that_is_not_there_is_named_with_those_that_are) {
  const auto missing = Providers::load({})->find("lossexpres");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().hint, HasSubstr("lossexpress"));
}

TEST_F(ProvidersTest, a_directory_adds_and_replaces) {
  write("providers/acme.json", definition("acme"));
  const std::string file = write("providers/mine.json", definition("stripe"));
  write("providers/notes.txt", "not a definition");
  write("providers/acme.schema.json", "{}");
  const auto providers = Providers::load(directory());
  ASSERT_TRUE(providers.has_value()) << providers.error().to_string();
  EXPECT_EQ(providers->list().size(), provider_names().size() + 1);
  EXPECT_EQ(providers->find("stripe")->source, file);
  EXPECT_EQ(providers->find("acme")->success, "2xx");
  EXPECT_EQ(providers->find("github")->source, "built-in");
}

TEST_F(ProvidersTest, one_broken_file_is_an_error_that_names_it) {
  write("providers/acme.json", definition("acme"));
  const std::string broken = definition("bad name");
  const std::string file =
      write("providers/broken.json", broken.substr(0, broken.size() - 1) + ",\"x\":1}");
  const auto providers = Providers::load(directory());
  ASSERT_FALSE(providers.has_value());
  EXPECT_EQ(providers.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(providers.error().where, file + "#/x");
  EXPECT_THAT(providers.error().hint, HasSubstr("1 more"));
  EXPECT_EQ(Providers::check_file(file).size(), 2u);
}

TEST_F(ProvidersTest, two_files_with_one_name_are_an_error) {
  write("providers/a.json", definition("acme"));
  const std::string file = write("providers/b.json", definition("acme"));
  const auto providers = Providers::load(directory());
  ASSERT_FALSE(providers.has_value());
  EXPECT_EQ(providers.error().where, file + "#/name");
}

TEST_F(ProvidersTest, a_directory_that_is_not_there_is_an_error) {
  const auto missing = Providers::load((root_ / "nowhere").string());
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  const std::string file = write("providers/acme.json", definition("acme"));
  EXPECT_FALSE(Providers::load(file).has_value());
}

TEST_F(ProvidersTest, checks_one_file) {
  EXPECT_THAT(Providers::check_file(write("acme.json", definition("acme"))), IsEmpty());
  EXPECT_THAT(Providers::check_file(source_dir() + "/schemas/providers/lossexpress.json"),
              IsEmpty());
  EXPECT_THAT(Providers::check_file((root_ / "none.json").string()),
              ElementsAre(Field(&Error::code, ErrorCode::kNotFound)));
  EXPECT_THAT(Providers::check_file(root_.string()),
              ElementsAre(Field(&Error::code, ErrorCode::kIo)));
  EXPECT_THAT(Providers::check_file(write("large.json", std::string(2'000'000, ' '))),
              ElementsAre(Field(&Error::message, HasSubstr("over 1 MiB"))));
}

TEST_F(ProvidersTest, schemas_lie_beside_below_or_in_events) {
  fs::create_directories(root_ / "providers/schemas");
  for (const char* path :
       {"providers/paid.schema.json", "providers/schemas/paid.json", "events/paid.json"}) {
    write(path, R"({"type":"object","required":["id"]})");
  }
  for (const char* path : {"paid.schema.json", "./schemas/paid.json", "schemas/../paid.schema.json",
                           "../events/paid.json"}) {
    const std::string file = write("providers/acme.json", definition("acme", path));
    EXPECT_THAT(Providers::check_file(file), IsEmpty()) << path;
  }
  const auto providers = Providers::load(directory());
  ASSERT_TRUE(providers.has_value()) << providers.error().to_string();
  Event event;
  event.provider = "acme";
  event.type = "paid";
  event.payload = "{}";
  const auto body = providers->canonical_body(event, 1000);
  ASSERT_FALSE(body.has_value());
  EXPECT_EQ(body.error().where, "/id");
}

TEST_F(ProvidersTest, a_definition_cannot_read_beyond_its_folder) {
  write("secret.json", R"({"type":"object"})");
  fs::create_directories(root_ / "eventsx");
  write("eventsx/secret.json", R"({"type":"object"})");
  fs::create_symlink(root_ / "secret.json", root_ / "providers/link.json.schema");
  fs::create_directory_symlink(root_, root_ / "events/up");
  for (const std::string& path :
       {std::string("../secret.json"), std::string("../eventsx/secret.json"),
        std::string("link.json.schema"), std::string("../events/up/secret.json"),
        std::string("../events/../secret.json"), (root_ / "secret.json").string(),
        (root_ / "providers/acme.json").string(), std::string("/etc/passwd"), std::string(".."),
        std::string("../events")}) {
    const std::string file = write("providers/acme.json", definition("acme", path));
    const auto faults = Providers::check_file(file);
    ASSERT_EQ(faults.size(), 1u) << path;
    EXPECT_EQ(faults[0].where, file + "#/events/paid/schema");
    EXPECT_THAT(faults[0].message, HasSubstr("outside the definition's folder")) << path;
  }
  const std::string file = write("providers/acme.json", definition("acme", "none.schema.json"));
  const auto faults = Providers::check_file(file);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_THAT(faults[0].message, HasSubstr("no such file"));
}

TEST_F(ProvidersTest, gives_the_body_that_would_be_sent) {
  const auto providers = Providers::load({});
  ASSERT_TRUE(providers.has_value());
  Event event;
  event.provider = "lossexpress";
  event.type = "payoff";
  event.payload = example("lossexpress", "payoff");
  const auto body = providers->canonical_body(event, 256 * 1024);
  ASSERT_TRUE(body.has_value()) << body.error().to_string();
  EXPECT_THAT(
      *body, testing::StartsWith(
                 R"({"payoffId":"f94bbd89-e9e0-45ac-a02b-e4d4afad6a8f","payoffAmount":10222.33,)"));
  EXPECT_FALSE(providers->canonical_body(event, 100).has_value());
  event.payload = changed(event.payload, "/success", "\"true\"");
  EXPECT_EQ(providers->canonical_body(event, 256 * 1024).error().where, "/success");
  event.provider = "nobody";
  EXPECT_EQ(providers->canonical_body(event, 256 * 1024).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace outrider::test

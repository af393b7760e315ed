// Templates: what they are read into, and which are refused by name.
#include <gtest/gtest.h>

#include "signature_rules.h"

namespace outrider::core {
namespace {

TEST(Templates, are_read_into_parts) {
  const Template form = parsed("a{{b}}{id}c{payload:/x/0}{header:X-Y}", kInSignedText);
  ASSERT_EQ(form.parts().size(), 5U);
  EXPECT_EQ(form.parts()[0].variable, Variable::kLiteral);
  EXPECT_EQ(form.parts()[0].text, "a{b}");
  EXPECT_EQ(form.parts()[1].variable, Variable::kId);
  EXPECT_EQ(form.parts()[2].text, "c");
  EXPECT_EQ(form.parts()[3].variable, Variable::kPayload);
  EXPECT_EQ(form.parts()[3].text, "/x/0");
  EXPECT_EQ(form.parts()[4].variable, Variable::kHeader);
  EXPECT_EQ(form.parts()[4].text, "x-y");
  EXPECT_TRUE(form.uses(Variable::kPayload));
  EXPECT_FALSE(form.uses(Variable::kBody));
  EXPECT_TRUE(parsed("", kInSignedText).parts().empty());
}

TEST(Templates, that_are_wrong_are_refused_by_name) {
  struct Case {
    std::string_view text;
    std::string_view named;  // in the message
  };
  for (const Case& c : {
           Case{"{boddy}", "unknown variable {boddy}"},
           Case{"{}", "unknown variable {}"},
           Case{"{ body}", "unknown variable { body}"},
           Case{"{Body}", "unknown variable {Body}"},
           Case{"{digest}", "{digest} has no meaning here"},
           Case{"{signatures}", "{signatures} has no meaning here"},
           Case{"x{body", "unclosed brace: {body"},
           Case{"x{", "unclosed brace: {"},
           Case{"{a{id}", "unclosed brace: {a"},
           Case{"{body{{", "unclosed brace: {body"},
           Case{"ab}", "closes nothing, at character 3"},
           Case{"{body}}", "closes nothing, at character 7"},
           Case{"{body:/x}", "{body:/x} takes no argument"},
           Case{"{id:}", "{id:} takes no argument"},
           Case{"{payload}", "{payload} needs an argument"},
           Case{"{payload:}", "not a JSON pointer in {payload:}"},
           Case{"{payload:a/b}", "not a JSON pointer in {payload:a/b}"},
           Case{"{payload:/a~2}", "not a JSON pointer in {payload:/a~2}"},
           Case{"{header}", "{header} needs an argument"},
           Case{"{header:}", "not a header name in {header:}"},
           Case{"{header:a b}", "not a header name in {header:a b}"},
           Case{"{header:a:b}", "not a header name in {header:a:b}"},
           Case{"{header:a\nb}", "not a header name in {header:a?b}"},
       }) {
    const auto form = Template::parse(c.text, kInSignedText);
    ASSERT_FALSE(form.has_value()) << c.text;
    EXPECT_EQ(form.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(form.error().message.find(c.named), std::string::npos) << form.error().message;
    EXPECT_FALSE(form.error().hint.empty()) << c.text;
  }
}

TEST(Templates, list_what_is_known_where_a_name_is_not) {
  const auto form = Template::parse("{x}", kInHeaderValue);
  ASSERT_FALSE(form.has_value());
  EXPECT_EQ(form.error().hint, "known here: {id} {timestamp} {type} {signatures}");
}

}  // namespace
}  // namespace outrider::core

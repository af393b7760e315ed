// A handler may echo what a client or a database said into a header field, so every field is
// checked before it is written: the answer is refused whole rather than split in two.
#include "net/http_server_response.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

#include "core/ascii.h"
#include "net/http_server_head.h"

namespace outrider::net {
namespace {

constexpr std::pair<int, std::string_view> kReasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {507, "Insufficient Storage"},
};

std::string_view reason_phrase(int status) noexcept {
  for (const auto& [code, reason] : kReasons) {
    if (code == status) return reason;
  }
  return {};
}

constexpr std::string_view kOwnFields[] = {"connection", "content-length", "date",
                                           "transfer-encoding"};

bool is_sendable(const HeaderField& field) {
  if (field.name.empty()) return false;
  for (const char c : field.name) {
    if (!is_token_byte(static_cast<unsigned char>(c))) return false;
  }
  const std::string name = core::lower_case(field.name);
  return std::find(std::begin(kOwnFields), std::end(kOwnFields), name) == std::end(kOwnFields) &&
         std::all_of(field.value.begin(), field.value.end(),
                     [](char c) { return is_field_value_byte(static_cast<unsigned char>(c)); });
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::optional<std::string> serialize(const ServerResponse& response,
                                     const ResponseFraming& framing) {
  if (response.status < 200 || response.status > 599 ||
      !std::all_of(response.headers.begin(), response.headers.end(), is_sendable)) {
    return std::nullopt;
  }
  const bool bodiless = response.status == 204 || response.status == 304;
  std::string out;
  out.reserve(256 + response.body.size());
  out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  out.append(reason_phrase(response.status)).append("\r\n");
  for (const HeaderField& field : response.headers) append_field(out, field.name, field.value);
  if (!framing.date.empty()) append_field(out, "Date", framing.date);
  if (!bodiless) append_field(out, "Content-Length", std::to_string(response.body.size()));
  if (framing.close) {
    append_field(out, "Connection", "close");
  } else if (framing.http_1_0) {
    append_field(out, "Connection", "keep-alive");
  }
  out.append("\r\n");
  if (!bodiless && !framing.head_only) out.append(response.body);
  return out;
}

ServerResponse plain_answer(int status, std::string_view reason) {
  ServerResponse response;
  response.status = status;
  response.headers.push_back({"Content-Type", "text/plain; charset=utf-8"});
  response.body.append(reason).append("\n");
  return response;
}

std::string http_date(std::int64_t utc_seconds) {
  using namespace std::chrono;
  constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const sys_seconds at{seconds(utc_seconds)};
  const sys_days day = floor<days>(at);
  const year_month_day date(day);
  const hh_mm_ss time(at - day);
  std::array<char, 64> text{};
  const int length = std::snprintf(
      text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
      kDays[weekday(day).c_encoding()], static_cast<unsigned>(date.day()),
      kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
      static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
      static_cast<int>(time.seconds().count()));
  return std::string(text.data(), static_cast<std::size_t>(length));
}

}  // namespace outrider::net

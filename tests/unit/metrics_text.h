// One sample of a text in Prometheus' format, by its whole name: `x_total{a="b"}`. For tests that
// ask whether a number moved; whether the text is right is for promtool to say.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace outrider {

inline std::optional<double> sample(const std::string& text, std::string_view name) {
  const std::string line = "\n" + std::string(name) + " ";
  const std::size_t at = ("\n" + text).find(line);
  if (at == std::string::npos) return std::nullopt;
  return std::stod(text.substr(at + line.size() - 1));
}

}  // namespace outrider

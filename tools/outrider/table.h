// Tables for people: aligned columns, a line of titles, every cell on one line whatever it holds.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace outrider::cli {

struct Column {
  enum class Align { kLeft, kRight };
  std::string title;
  Align align = Align::kLeft;
  std::size_t widest = 80;  // a longer cell is cut, with "…"
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // One cell for each column; made printable here. An empty one is shown as "-".
  void add(const std::vector<std::string>& cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  // Titles and rows, each line ended; no blanks at line ends.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// "Name   value" lines for one thing's fields.
class FieldList {
 public:
  void add(std::string_view name, std::string_view value);  // made printable; empty: left out
  void add_always(std::string_view name, std::string_view value);  // empty: "-"
  [[nodiscard]] std::string text(std::size_t indent = 0) const;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace outrider::cli

// Widths are counted in terminal columns, not bytes, so that an é or a 漢 does not push its row
// aside.
#include "table.h"

#include <algorithm>
#include <cstdlib>

#include "terminal_text.h"

namespace outrider::cli {
namespace {

constexpr std::string_view kGap = "  ";

std::string cut(std::string text, std::size_t widest) {
  if (columns(text) <= widest) return text;
  std::string result;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view next = rest.substr(0, read_code_point(rest).bytes);
    if (columns(result) + columns(next) + 1 > widest) break;
    result += next;
    rest.remove_prefix(next.size());
  }
  return result + "…";
}

std::string padded(const std::string& text, std::size_t width, Column::Align align) {
  const std::string blanks(width - std::min(width, columns(text)), ' ');
  return align == Column::Align::kRight ? blanks + text : text + blanks;
}

void end_line(std::string& text) {
  text.erase(text.find_last_not_of(' ') + 1);
  text += '\n';
}

}  // namespace

void Table::add(const std::vector<std::string>& cells) {
  if (cells.size() != columns_.size()) std::abort();  // a bug of the caller
  std::vector<std::string> row;
  row.reserve(cells.size());
  for (std::size_t i = 0; i < cells.size(); ++i) {
    row.push_back(cells[i].empty() ? "-" : cut(printable(cells[i]), columns_[i].widest));
  }
  rows_.push_back(std::move(row));
}

std::string Table::text() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = columns(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, columns(row[i]));
    widths.push_back(width);
  }
  std::string result;
  const auto add_line = [&](const auto& cell_of) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i != 0) result += kGap;
      result += padded(cell_of(i), widths[i], columns_[i].align);
    }
    end_line(result);
  };
  add_line([&](std::size_t i) { return columns_[i].title; });
  for (const auto& row : rows_) {
    add_line([&](std::size_t i) { return row[i]; });
  }
  return result;
}

void FieldList::add(std::string_view name, std::string_view value) {
  if (!value.empty()) fields_.emplace_back(name, printable(value));
}

void FieldList::add_always(std::string_view name, std::string_view value) {
  fields_.emplace_back(name, value.empty() ? "-" : printable(value));
}

std::string FieldList::text(std::size_t indent) const {
  std::size_t width = 0;
  for (const auto& [name, value] : fields_) width = std::max(width, columns(name));
  std::string result;
  for (const auto& [name, value] : fields_) {
    result.append(indent, ' ');
    result += padded(name, width, Column::Align::kLeft);
    result += kGap;
    result += value;
    end_line(result);
  }
  return result;
}

}  // namespace outrider::cli

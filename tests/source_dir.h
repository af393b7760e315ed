// Where the checkout lies, for tests that read its data. Said in one small source, so that moving
// the checkout leaves every other object as it was.
#pragma once

#include <string>

namespace outrider {

[[nodiscard]] std::string source_dir();

}  // namespace outrider

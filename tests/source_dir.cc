// The only test source that knows where the checkout lies.
#include "tests/source_dir.h"

namespace outrider {

std::string source_dir() { return OUTRIDER_SOURCE_DIR; }

}  // namespace outrider

// The library's version. It is said once, in the root CMakeLists.txt; everything else asks for it
// here.
#include <string_view>

#include "outrider/outrider.h"

namespace outrider {

std::string_view version() noexcept { return OUTRIDER_VERSION; }

}  // namespace outrider

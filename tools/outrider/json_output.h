// The writer that the API answers with, by the name the commands know.
#pragma once

#include "core/json_output.h"

namespace outrider::cli {

using core::json_string;
using core::JsonOutput;

}  // namespace outrider::cli

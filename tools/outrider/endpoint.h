// What the files of `outrider endpoint` share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "command.h"

namespace outrider::cli {

void endpoint_id(CLI::App& app, std::string& id);  // the positional argument
void add_endpoint_add(CLI::App& endpoint, Commands& commands);
void add_endpoint_stats(CLI::App& endpoint, Commands& commands);
void add_endpoint_rotate_secret(CLI::App& endpoint, Commands& commands);
void add_endpoint_replay(CLI::App& endpoint, Commands& commands);

}  // namespace outrider::cli

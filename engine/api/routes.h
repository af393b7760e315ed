// The API as one table: what can be asked, by whom, and which function answers. The description in
// schemas/openapi.yaml is held against this table by a test, in both directions.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"
#include "outrider/database.h"

namespace outrider::api {

// Where a call is answered: on the loop at once, by the commit queue, or on the desk's thread with
// a Database of its own; kFollow there too, but it may wait elsewhere for something to tell.
enum class Work : std::uint8_t {
  kAlive,
  kReady,
  kDescription,
  kMetrics,
  kPublish,
  kBatch,
  kDatabase,
  kFollow
};

inline constexpr std::size_t kMaxBodyBytes = 1024 * 1024;
inline constexpr std::size_t kMaxBatchBytes = 16 * 1024 * 1024;

using DatabaseCall = Answer (*)(Database& database, const Call& call);

struct Route {
  std::string_view method;
  std::string_view pattern;  // "{id}" stands for an id
  Role need = Role::kNone;
  Work work = Work::kDatabase;
  DatabaseCall call = nullptr;                    // of kDatabase and kFollow
  std::vector<std::string_view> parameters = {};  // that its query may have
  std::size_t max_body_bytes = 0;                 // 0: it has none
};

[[nodiscard]] std::span<const Route> routes();

// Finds the route and puts the id into the call. HEAD is answered as GET. Problems: kNoRoute,
// kMethodNotAllowed (with Allow).
[[nodiscard]] Read<const Route*> find_route(Call& call);
// Every parameter of the query is one that the route knows.
[[nodiscard]] Read<void> check_parameters(const Route& route, const Call& call);

}  // namespace outrider::api

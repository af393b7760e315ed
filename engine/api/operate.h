// What operators read and change, each a translation to one or two calls of the Database. On the
// desk's thread. An object of an account that the caller does not see is not there.
#pragma once

#include "api/call.h"
#include "outrider/database.h"

namespace outrider::api {

Answer list_events(Database& database, const Call& call);
Answer show_event(Database& database, const Call& call);
Answer list_attempts(Database& database, const Call& call);
Answer retry_event(Database& database, const Call& call);
Answer cancel_event(Database& database, const Call& call);

Answer create_endpoint(Database& database, const Call& call);
Answer list_endpoints(Database& database, const Call& call);
Answer show_endpoint(Database& database, const Call& call);
Answer show_endpoint_stats(Database& database, const Call& call);
Answer change_endpoint(Database& database, const Call& call);
Answer delete_endpoint(Database& database, const Call& call);
Answer pause_endpoint(Database& database, const Call& call);
Answer activate_endpoint(Database& database, const Call& call);
Answer test_endpoint(Database& database, const Call& call);
Answer replay_endpoint(Database& database, const Call& call);
Answer rotate_secret(Database& database, const Call& call);

Answer list_notices(Database& database, const Call& call);
Answer show_queue(Database& database, const Call& call);
Answer list_providers(Database& database, const Call& call);

}  // namespace outrider::api

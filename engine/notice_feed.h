// Notices on their way out of a running engine: to the host's callback, and as events to the
// endpoints of providers whose definitions ask for them (`notices`).
//
// Both follow the feed behind the commits and are told only that something may have been noted; the
// disk says what. The callback's place in the feed lives in memory and begins where the host says.
// That of a provider is on the disk and moves in the commit that makes the events, so none is lost
// and none is sent twice, whatever happens in between. Without a callback and without such an
// endpoint nothing is read.
//
// What happens to endpoints and deliveries of such a provider is not sent to any of them: a
// receiver of notices that fails would otherwise be told so without end.
//
// One thread, the loop's.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/provider.h"
#include "core/time.h"
#include "crypto/public_id.h"
#include "log.h"
#include "outrider/types.h"
#include "storage_link.h"

namespace outrider {

class NoticeFeed {
 public:
  struct Parts {
    core::Clock& clock;
    core::Timers& timers;
    StorageLink& storage;
    const core::ProviderSet& providers;
    const crypto::PublicIds& ids;
    const Log& log;
    std::function<bool(const std::string& provider)> has_endpoints;
    std::function<void(const storage::Enqueued&)> enqueued;  // events were made
    std::function<void(const Notice&)> tell;                 // empty: nobody
  };
  explicit NoticeFeed(Parts parts);
  ~NoticeFeed();
  NoticeFeed(const NoticeFeed&) = delete;
  NoticeFeed& operator=(const NoticeFeed&) = delete;

  // Before anything is committed. Unset: the callback begins behind the newest notice.
  void start(std::optional<storage::NoticeRow> after);
  // Something may have been noted.
  void look();
  // After the last commit: `done` once the callback was told of it.
  void stop(std::function<void()> done);

 private:
  struct Listener {
    const core::Provider* provider = nullptr;
    bool running = false, again = false;
  };

  void tell_next();
  void told(const Result<storage::NoticeRows>& rows);
  void end_telling();
  void forward(Listener& listener);
  void make_events(Listener& listener, storage::NoticeRow from, storage::NoticeRows rows);
  void forwarded(Listener& listener, bool more, const storage::Outcome& outcome);
  void later();

  Parts parts_;
  std::vector<Listener> listeners_;
  std::optional<storage::NoticeRow> told_through_;  // unset: not known yet
  bool telling_ = false, tell_again_ = false;
  bool stopping_ = false;
  core::Timers::Id later_ = 0;
  std::function<void()> stopped_;
};

}  // namespace outrider

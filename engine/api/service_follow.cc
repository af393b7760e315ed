// Long polling: a request with `wait` that finds nothing rests here, in memory alone, until
// something may be new or its time is over. The desk's thread is held for the reads only, and a
// client that has left costs no more than its rest.
#include <utility>

#include "api/service.h"

namespace outrider::api {
namespace {

constexpr std::size_t kMostFollowers = 64;
constexpr std::uint32_t kMostWaitS = 30;
// What is noted in a burst is told together.
constexpr core::Duration kTellAfter{20};

}  // namespace

void Service::follow(std::uint64_t number, Call call, DatabaseCall work) {
  auto wait = number_parameter(call, "wait", 0, kMostWaitS, 0);
  if (!wait) return answer(number, tl::unexpected(std::move(wait.error())));
  if (*wait == 0 || stopping_ || followers_.size() >= kMostFollowers) {
    return ask_desk(number, std::move(call), work);
  }
  const core::Duration longest = std::chrono::seconds(*wait);
  Follower follower{.call = std::move(call),
                    .work = work,
                    .until = engine_.clock.now() + longest,
                    .timer = 0,
                    .nothing = {}};
  follower.timer = engine_.timers.start(longest, [this, number] {
    const auto found = followers_.find(number);
    if (found == followers_.end()) return;
    found->second.timer = 0;
    if (found->second.nothing) end_following(number, *std::move(found->second.nothing));
  });
  followers_.emplace(number, std::move(follower));
  ask_again(number);
}

void Service::ask_again(std::uint64_t number) {
  Follower& follower = followers_.at(number);
  follower.nothing.reset();
  const bool taken =
      desk_.submit([this, number, seen = noted_, work = follower.work, call = follower.call] {
        engine_.database->act_as(call.who.actor);
        engine_.post([this, number, seen, given = work(*engine_.database, call)]() mutable {
          followed(number, seen, std::move(given));
        });
      });
  if (!taken) {
    end_following(number,
                  refuse(kind_of(ErrorCode::kOverloaded), "too many requests wait already"));
  }
}

void Service::followed(std::uint64_t number, std::uint64_t seen, Answer given) {
  const auto found = followers_.find(number);
  if (found == followers_.end()) return;
  const bool over = stopping_ || engine_.clock.now() >= found->second.until;
  if (!given || !given->nothing || over) return end_following(number, std::move(given));
  if (seen != noted_) return ask_again(number);  // noted while it was read
  found->second.nothing = std::move(given);
}

void Service::end_following(std::uint64_t number, Answer given) {
  const auto found = followers_.find(number);
  engine_.timers.cancel(found->second.timer);
  followers_.erase(found);
  answer(number, std::move(given));
}

void Service::noted() {
  ++noted_;
  if (noted_timer_ != 0 || followers_.empty()) return;
  noted_timer_ = engine_.timers.start(kTellAfter, [this] {
    noted_timer_ = 0;
    std::vector<std::uint64_t> resting;
    for (const auto& [number, follower] : followers_) {
      if (follower.nothing) resting.push_back(number);
    }
    for (const std::uint64_t number : resting) ask_again(number);
  });
}

void Service::stop_waiting() {
  stopping_ = true;
  std::vector<std::uint64_t> resting;
  for (const auto& [number, follower] : followers_) {
    if (follower.nothing) resting.push_back(number);
  }
  for (const std::uint64_t number : resting) {
    end_following(number, *std::move(followers_.at(number).nothing));
  }
}

}  // namespace outrider::api

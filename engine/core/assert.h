// A bug is an assertion, and assertions stay on in release: a wrong state must not be written to an
// outbox. The message names the condition and the place, never a value.
#pragma once

#include <cstdio>
#include <cstdlib>

#define OUTRIDER_ASSERT(condition)                                                         \
  do {                                                                                     \
    if (!(condition)) [[unlikely]] {                                                       \
      std::fprintf(stderr, "outrider: bug: %s (%s:%d)\n", #condition, __FILE__, __LINE__); \
      std::abort();                                                                        \
    }                                                                                      \
  } while (false)

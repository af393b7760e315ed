// The C face, from C: compiles as C11 without warnings, publishes, enqueues in a host's
// transaction, and tells errors in words.
#include <outrider/outrider_c.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failures = 0;
#define EXPECT(condition)                                             \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                     \
    }                                                                 \
  } while (0)

int main(void) {
  char folder[] = "/tmp/outrider-c-XXXXXX";
  if (mkdtemp(folder) == NULL) return 1;
  char database[64];
  snprintf(database, sizeof database, "%s/host.db", folder);

  outrider_error error;
  outrider_engine* engine = NULL;
  outrider_options options = {.size = sizeof options, .database = database};
  EXPECT(outrider_open(NULL, &engine, &error) == OUTRIDER_INVALID_ARGUMENT);
  EXPECT(strstr(error.message, "options.size") != NULL);
  if (outrider_open(&options, &engine, &error) != OUTRIDER_OK) {
    fprintf(stderr, "open: %s\n", error.message);
    return 1;
  }
  EXPECT(outrider_health(engine, &error) == OUTRIDER_OK);

  outrider_event event = {.size = sizeof event,
                          .account = "acme",
                          .provider = "standard-webhooks",
                          .type = "loan.paid",
                          .payload = "{\"loan\":7}",
                          .idempotency_key = "once"};
  outrider_receipt first, second;
  EXPECT(outrider_publish(engine, &event, &first, &error) == OUTRIDER_OK);
  EXPECT(strncmp(first.id, "evt_", 4) == 0 && first.duplicate == 0);
  EXPECT(outrider_publish(engine, &event, &second, &error) == OUTRIDER_OK);
  EXPECT(second.duplicate == 1 && strcmp(first.id, second.id) == 0);
  event.payload = "{\"loan\":";
  EXPECT(outrider_publish(engine, &event, NULL, &error) == OUTRIDER_INVALID_PAYLOAD);
  EXPECT(error.message[0] != '\0' && strchr(error.message, '\n') == NULL);

  sqlite3* db = NULL;
  EXPECT(sqlite3_open(database, &db) == SQLITE_OK);
  sqlite3_busy_timeout(db, 10000);
  event.payload = "{\"loan\":8}";
  event.idempotency_key = NULL;
  int64_t row = 0;
  EXPECT(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
  EXPECT(outrider_enqueue(db, &event, &row, &error) == OUTRIDER_OK && row > 0);
  EXPECT(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK);
  sqlite3_close(db);
  outrider_notify(database);

  EXPECT(outrider_close(engine, &error) == OUTRIDER_OK);
  EXPECT(outrider_close(NULL, NULL) == OUTRIDER_OK);
  EXPECT(strlen(outrider_version()) >= 5);

  const char* const suffixes[] = {"", "-wal", "-shm", "-lock", ".lock", "-wake", ".wake"};
  for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; ++i) {
    char path[96];
    snprintf(path, sizeof path, "%s%s", database, suffixes[i]);
    unlink(path);
  }
  rmdir(folder);
  return failures == 0 ? 0 : 1;
}

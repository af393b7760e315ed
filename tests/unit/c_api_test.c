// The C face, from C: compiles as C11 without warnings, publishes, enqueues in a host's
// transaction, tells errors in words, and takes the options of older programs.
#include <outrider/outrider_c.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int failures = 0;
#define EXPECT(condition)                                             \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                     \
    }                                                                 \
  } while (0)

static const char* in(const char* folder, const char* name) {
  static char paths[4][96];
  static unsigned next = 0;
  char* path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

static int exists(const char* path) { return access(path, F_OK) == 0; }

// Opens, closes, and removes what that made, the key file apart. Returns what opening answered.
static int open_once(const outrider_options* options, outrider_error* error) {
  outrider_engine* engine = NULL;
  const int code = outrider_open(options, &engine, error);
  EXPECT((code == OUTRIDER_OK) == (engine != NULL));
  EXPECT(outrider_close(engine, NULL) == OUTRIDER_OK);
  return code;
}

static void remove_database(const char* database) {
  const char* const suffixes[] = {"", "-wal", "-shm", "-lock", ".lock", "-wake", ".wake", ".key"};
  for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; ++i) {
    char path[128];
    snprintf(path, sizeof path, "%s%s", database, suffixes[i]);
    unlink(path);
  }
}

static void each_option_reaches_the_engine(const char* folder) {
  outrider_error error;
  const char* database = in(folder, "options.db");
  const char* beside = in(folder, "options.db.key");
  const char* key_file = in(folder, "apart.key");
  outrider_options options = {.size = sizeof options, .database = database};
  options.key_file = key_file;
  EXPECT(open_once(&options, &error) == OUTRIDER_OK);
  EXPECT(exists(key_file) && !exists(beside));
  options.key_file = NULL;  // where there is none
  EXPECT(open_once(&options, &error) == OUTRIDER_KEY);
  unlink(key_file);
  remove_database(database);

  options.plain = 1;
  EXPECT(open_once(&options, &error) == OUTRIDER_OK);
  EXPECT(!exists(beside));
  remove_database(database);
  options.plain = 0;
  EXPECT(open_once(&options, &error) == OUTRIDER_OK);
  EXPECT(exists(beside));

  options.egress_proxy = "ftp://user:hush@proxy.example";
  EXPECT(open_once(&options, &error) == OUTRIDER_INVALID_ARGUMENT);
  EXPECT(strstr(error.message, "proxy") != NULL && strstr(error.message, "hush") == NULL);
  options.egress_proxy = "http://127.0.0.1:3128";
  EXPECT(open_once(&options, &error) == OUTRIDER_OK);
  options.loops = 17;
  EXPECT(open_once(&options, &error) == OUTRIDER_INVALID_ARGUMENT);
  EXPECT(strstr(error.message, "loops") != NULL);
  options.loops = 2;
  EXPECT(open_once(&options, &error) == OUTRIDER_OK);
  remove_database(database);
}

// A program of the first version has a shorter struct; one of a later version a longer one.
static void options_of_other_versions_are_understood_or_refused(const char* folder) {
  outrider_error error;
  const char* database = in(folder, "versions.db");
  outrider_options first = {.size = offsetof(outrider_options, key_file),
                            .database = database,
                            .key_file = "/nowhere/behind the end of the struct",
                            .plain = 1,
                            .egress_proxy = "not a proxy either"};
  EXPECT(open_once(&first, &error) == OUTRIDER_OK);
  EXPECT(exists(in(folder, "versions.db.key")));
  --first.size;
  EXPECT(open_once(&first, &error) == OUTRIDER_INVALID_ARGUMENT);
  EXPECT(strstr(error.message, "options.size") != NULL);

  struct {
    outrider_options known;
    const char* unknown;
  } later = {.known = {.size = sizeof later, .database = database}, .unknown = NULL};
  EXPECT(open_once(&later.known, &error) == OUTRIDER_OK);
  later.unknown = "set";
  EXPECT(open_once(&later.known, &error) == OUTRIDER_INVALID_ARGUMENT);
  EXPECT(strstr(error.message, "does not know") != NULL);
  later.known.size = (size_t)-1;
  EXPECT(open_once(&later.known, &error) == OUTRIDER_INVALID_ARGUMENT);
  remove_database(database);
}

struct heard {
  sem_t told;
  int count;
  int64_t row;
  char kind[32], id[32];
};

static void hear(void* context, const outrider_notice* notice) {
  struct heard* heard = context;
  ++heard->count;
  heard->row = notice->row;
  snprintf(heard->kind, sizeof heard->kind, "%s", notice->kind);
  snprintf(heard->id, sizeof heard->id, "%s", notice->id);
  sem_post(&heard->told);
}

// A row that is refused is told of, and the cursor goes on behind it.
static void notices_are_told(const char* folder) {
  outrider_error error;
  outrider_engine* engine = NULL;
  const char* database = in(folder, "notices.db");
  struct heard heard = {.count = 0};
  EXPECT(sem_init(&heard.told, 0, 0) == 0);
  outrider_options options = {.size = sizeof options,
                              .database = database,
                              .notice = hear,
                              .notice_context = &heard,
                              .notices_after = "ntc_madeup"};
  EXPECT(outrider_open(&options, &engine, &error) == OUTRIDER_INVALID_ARGUMENT);
  options.notices_after = "";
  EXPECT(outrider_open(&options, &engine, &error) == OUTRIDER_OK);
  sqlite3* db = NULL;
  EXPECT(sqlite3_open(database, &db) == SQLITE_OK);
  sqlite3_busy_timeout(db, 10000);
  const outrider_event event = {
      .size = sizeof event,
      .account = "acme",
      .provider = "nobody",
      .type = "loan.paid",
      .payload = "{}",
      .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"};
  int64_t row = 0;
  EXPECT(outrider_enqueue(db, &event, &row, &error) == OUTRIDER_OK);
  outrider_notify(database);
  struct timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += 60;  // generous; nothing waits that long when it works
  EXPECT(sem_timedwait(&heard.told, &limit) == 0);
  sqlite3_close(db);
  EXPECT(outrider_close(engine, &error) == OUTRIDER_OK);
  EXPECT(heard.count == 1 && heard.row == row && strcmp(heard.kind, "event.rejected") == 0);

  options.notices_after = heard.id;
  EXPECT(outrider_open(&options, &engine, &error) == OUTRIDER_OK);
  EXPECT(outrider_close(engine, &error) == OUTRIDER_OK);
  EXPECT(heard.count == 1);
  sem_destroy(&heard.told);
  remove_database(database);
}

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

  remove_database(database);
  each_option_reaches_the_engine(folder);
  options_of_other_versions_are_understood_or_refused(folder);
  notices_are_told(folder);
  EXPECT(rmdir(folder) == 0);  // nothing else was left behind
  return failures == 0 ? 0 : 1;
}

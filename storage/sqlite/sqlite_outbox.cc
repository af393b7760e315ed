#include "storage/sqlite/sqlite_outbox.h"

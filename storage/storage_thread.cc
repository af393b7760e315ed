#include "storage/storage_thread.h"

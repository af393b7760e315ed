// Each wrapped file is a header of ours followed by the real file's own memory.
#include "fault_vfs.h"

#include <sqlite3.h>

#include <optional>

namespace outrider::storage {
namespace {

std::optional<FaultVfs::Fault> fault;
int failed_calls = 0;
sqlite3_vfs* real_vfs = nullptr;

struct File {
  sqlite3_file base;
  sqlite3_file* real;
  const char* name;  // SQLite keeps it as long as the file is open
};

File* file_of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
sqlite3_file* real(sqlite3_file* file) { return file_of(file)->real; }

// The code to fail with, or SQLITE_OK.
int strike(FaultVfs::Call call, const char* name) {
  if (!fault || fault->call != call || name == nullptr) return SQLITE_OK;
  if (!std::string(name).ends_with(fault->file_suffix)) return SQLITE_OK;
  if (fault->after-- > 0) return SQLITE_OK;
  const int code = fault->code;
  ++failed_calls;
  if (fault->once) fault.reset();
  return code;
}

int x_close(sqlite3_file* file) {
  const int code = real(file)->pMethods->xClose(real(file));
  sqlite3_free(real(file));
  return code;
}
int x_read(sqlite3_file* file, void* buffer, int size, sqlite3_int64 offset) {
  return real(file)->pMethods->xRead(real(file), buffer, size, offset);
}
int x_write(sqlite3_file* file, const void* buffer, int size, sqlite3_int64 offset) {
  const int code = strike(FaultVfs::Call::kWrite, file_of(file)->name);
  return code != SQLITE_OK ? code : real(file)->pMethods->xWrite(real(file), buffer, size, offset);
}
int x_truncate(sqlite3_file* file, sqlite3_int64 size) {
  return real(file)->pMethods->xTruncate(real(file), size);
}
int x_sync(sqlite3_file* file, int flags) {
  const int code = strike(FaultVfs::Call::kSync, file_of(file)->name);
  return code != SQLITE_OK ? code : real(file)->pMethods->xSync(real(file), flags);
}
int x_file_size(sqlite3_file* file, sqlite3_int64* size) {
  return real(file)->pMethods->xFileSize(real(file), size);
}
int x_lock(sqlite3_file* file, int level) { return real(file)->pMethods->xLock(real(file), level); }
int x_unlock(sqlite3_file* file, int level) {
  return real(file)->pMethods->xUnlock(real(file), level);
}
int x_check(sqlite3_file* file, int* result) {
  return real(file)->pMethods->xCheckReservedLock(real(file), result);
}
int x_control(sqlite3_file* file, int op, void* argument) {
  return real(file)->pMethods->xFileControl(real(file), op, argument);
}
int x_sector_size(sqlite3_file* file) { return real(file)->pMethods->xSectorSize(real(file)); }
int x_characteristics(sqlite3_file* file) {
  return real(file)->pMethods->xDeviceCharacteristics(real(file));
}
int x_shm_map(sqlite3_file* file, int page, int size, int extend, void volatile** memory) {
  return real(file)->pMethods->xShmMap(real(file), page, size, extend, memory);
}
int x_shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}
void x_shm_barrier(sqlite3_file* file) { real(file)->pMethods->xShmBarrier(real(file)); }
int x_shm_unmap(sqlite3_file* file, int erase) {
  return real(file)->pMethods->xShmUnmap(real(file), erase);
}

const sqlite3_io_methods kMethods{2,
                                  x_close,
                                  x_read,
                                  x_write,
                                  x_truncate,
                                  x_sync,
                                  x_file_size,
                                  x_lock,
                                  x_unlock,
                                  x_check,
                                  x_control,
                                  x_sector_size,
                                  x_characteristics,
                                  x_shm_map,
                                  x_shm_lock,
                                  x_shm_barrier,
                                  x_shm_unmap,
                                  nullptr,
                                  nullptr};

int x_open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  File* wrapped = file_of(file);
  wrapped->base.pMethods = nullptr;
  wrapped->name = name;
  if (const int code = strike(FaultVfs::Call::kOpen, name); code != SQLITE_OK) return code;
  wrapped->real = static_cast<sqlite3_file*>(sqlite3_malloc(static_cast<int>(real_vfs->szOsFile)));
  const int code = real_vfs->xOpen(real_vfs, name, wrapped->real, flags, out_flags);
  if (wrapped->real->pMethods == nullptr) {
    sqlite3_free(wrapped->real);
    return code;
  }
  wrapped->base.pMethods = &kMethods;
  return code;
}

}  // namespace

void FaultVfs::install() {
  static sqlite3_vfs vfs;
  if (real_vfs != nullptr) return;
  real_vfs = sqlite3_vfs_find(nullptr);
  vfs = *real_vfs;  // everything but files is the real one's
  vfs.zName = "fault";
  vfs.pNext = nullptr;
  vfs.szOsFile = sizeof(File);
  vfs.xOpen = x_open;
  sqlite3_vfs_register(&vfs, 1);
}

void FaultVfs::set(Fault wanted) {
  fault = std::move(wanted);
  failed_calls = 0;
}
void FaultVfs::clear() { fault.reset(); }
int FaultVfs::hits() { return failed_calls; }

}  // namespace outrider::storage

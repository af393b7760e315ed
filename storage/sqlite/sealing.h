// What is sealed in a SQLite file, and with which keys. A data key is made when an account first
// needs one on a day, inside the transaction that uses it, and kept in memory once unwrapped.
//
// A database is sealed or plain from its first day on; outrider_meta says which, and which key file
// is its own. Plain values carry a first byte of their own, so that no sealed one is ever taken for
// plain text.
//
// Other processes may destroy keys (forget) or wrap them anew (rotation) at any time. begin() sees
// the first by a counter in the file; the second shows when a generation is unknown, and in the key
// file's own identity before a key is made.
//
// Threads: the outbox's. Failures of sealing are failures of the transaction: they go to `db`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "crypto/sealed.h"
#include "outrider/result.h"
#include "storage/key_file.h"
#include "storage/operator_records.h"
#include "storage/sqlite/db.h"

namespace outrider::storage {

struct SealingOptions {
  std::string key_file;  // path
  bool credential = false;
  bool seal = true;   // of a database that is new
  bool need = false;  // an engine: a key file that cannot be used is an error now, not later
  std::function<void(const std::string& path)> key_created;  // may be empty
};

enum class KeyUse : std::uint8_t {
  kStanding,  // of what stays: secrets, headers, TLS keys, digests
  kDay,       // of what passes through: payloads, answers
};

class Sealing {
 public:
  // Decides for a new database, and makes its key file where there is none. Errors: kKey (another
  // database's file; with `need` also: missing, unusable), kIo.
  [[nodiscard]] static Result<Sealing> open(Db& db, const SealingOptions& options);

  // At the start of every transaction and snapshot on either connection.
  void begin(Db& db);
  // Keys that were made in a transaction that did not commit are no keys.
  void rolled_back();

  // In a write transaction: what is stored for `plain`. Fails into `db`.
  [[nodiscard]] std::string seal(Db& db, KeyUse use, const crypto::SealedPlace& place,
                                 std::int64_t now, std::string_view plain);
  // The same for what may be left out: a failure is answered, and is none of the transaction's.
  [[nodiscard]] Result<std::string> try_seal(Db& db, KeyUse use, const crypto::SealedPlace& place,
                                             std::int64_t now, std::string_view plain);
  // Errors: kNotFound (the account was forgotten), kKey, kCorrupt.
  [[nodiscard]] Result<std::string> open(Db& db, const crypto::SealedPlace& place,
                                         std::string_view stored);

  // A keyed digest of 16 bytes, for texts that are only ever compared; the key is the account's.
  // `purpose` keeps digests of different things apart. In a write transaction.
  [[nodiscard]] std::string digest(Db& db, std::string_view account, std::string_view purpose,
                                   std::string_view text);
  // The same without making a key: nothing means that no such digest can have been stored.
  [[nodiscard]] std::optional<std::string> known_digest(Db& db, std::string_view account,
                                                        std::string_view purpose,
                                                        std::string_view text);

  // The key alone that digests of a purpose are made with, for whoever makes many of another form.
  // In a write transaction; fails into `db`.
  [[nodiscard]] std::string digest_key(Db& db, std::string_view account, std::string_view purpose);
  // Errors: kKey (see KeyStatus::problem), kCorrupt (no such key is there).
  [[nodiscard]] Result<std::string> known_digest_key(Db& db, std::string_view account,
                                                     std::string_view purpose);

  // Within the write transaction; see the mutations of these names.
  [[nodiscard]] Result<void> forget(Db& db, const std::string& account);
  [[nodiscard]] Result<std::uint32_t> rotate(Db& db, std::uint32_t limit);
  // Keys of days before this one seal nothing any more that is kept.
  std::uint32_t erase_keys_before(Db& db, std::int64_t day, std::uint32_t limit);

  [[nodiscard]] bool sealed() const { return sealed_; }
  [[nodiscard]] bool can_seal() const { return !unusable_; }  // the key file, where one is needed
  [[nodiscard]] std::uint32_t generation() const { return file_ ? file_->current() : 0; }
  [[nodiscard]] KeyStatus status(Db& db) const;

 private:
  struct DataKey {
    std::string key;
    std::optional<crypto::Sealer> sealer;  // once it has sealed or opened something
  };
  Sealing(bool sealed, SealingOptions options, std::string plain_key)
      : sealed_(sealed), options_(std::move(options)), plain_key_(std::move(plain_key)) {}
  [[nodiscard]] Result<void> use_file(Db& db, bool is_new);
  [[nodiscard]] Result<void> load_again();
  void drop_cached();

  [[nodiscard]] Result<std::uint32_t> key_for(Db& db, std::string_view account, std::int64_t day);
  [[nodiscard]] Result<std::uint32_t> make_key(Db& db, std::string_view account, std::int64_t day);
  [[nodiscard]] static const crypto::Sealer& sealer_of(DataKey& key);
  [[nodiscard]] Result<DataKey*> key_by_id(Db& db, std::uint32_t id);
  [[nodiscard]] Result<std::string> unwrap(std::string_view account, std::int64_t row,
                                           std::uint32_t generation, std::string_view wrapped);

  bool sealed_;
  SealingOptions options_;
  std::string plain_key_;  // of digests in a plain database
  std::optional<KeyFile> file_;
  std::optional<Error> unusable_;  // set instead of file_
  std::int64_t destroyed_ = 0;     // the file's counter of forgotten accounts
  std::map<std::string, std::map<std::int64_t, std::uint32_t>, std::less<>> ids_;  // account, day
  std::unordered_map<std::uint32_t, DataKey> keys_;
  crypto::Nonces nonces_;  // of one transaction
};

}  // namespace outrider::storage

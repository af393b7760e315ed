// Values in and out. A stored value's first byte tells its form: 00 plain, 01 sealed; which of the
// two is believed depends on the database alone, never on the byte.
//
// The file's write lock orders everything that matters: keys are made, destroyed and wrapped anew
// inside write transactions, and the key file is looked at again inside them too. So a key that
// this process makes is never one that another is about to strike out.
#include "storage/sqlite/sealing.h"

#include "core/assert.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "storage/sqlite/schema.h"

namespace outrider::storage {
namespace {

constexpr char kPlainVersion = '\0';
constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kStandingDay = 0;
constexpr std::size_t kMostCachedKeys = 4096;
constexpr std::size_t kDigestBytes = 16;

constexpr const char* kBegin = "BEGIN IMMEDIATE";
constexpr const char* kMeta = "SELECT value FROM outrider_meta WHERE name = ?";
constexpr const char* kPutMeta = "INSERT INTO outrider_meta (name, value) VALUES (?, ?)";
constexpr const char* kDestroyed =
    "SELECT CAST(value AS INTEGER) FROM outrider_meta WHERE name = 'keys_destroyed'";
constexpr const char* kCountDestroyed =
    "INSERT INTO outrider_meta (name, value) VALUES ('keys_destroyed', 1)"
    " ON CONFLICT (name) DO UPDATE SET value = value + 1";
constexpr const char* kFindKey =
    "SELECT id, generation, wrapped FROM outrider_key WHERE account = ? AND day = ?";
constexpr const char* kKeyById =
    "SELECT account, generation, wrapped FROM outrider_key WHERE id = ?";
// Ids are not given out again: what was sealed with a destroyed key must not find another one.
constexpr const char* kNextKey =
    "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outrider_key'), 0) + 1";
constexpr const char* kInsertKey =
    "INSERT INTO outrider_key (id, account, day, generation, wrapped) VALUES (?, ?, ?, ?, ?)";
constexpr const char* kDestroyKey = "DELETE FROM outrider_key WHERE id = ?";
constexpr const char* kDestroyKeys = "DELETE FROM outrider_key WHERE account = ?";
constexpr const char* kBehind =
    "SELECT id, account, generation, wrapped FROM outrider_key WHERE generation <> ? LIMIT ?";
constexpr const char* kRewrap =
    "UPDATE outrider_key SET generation = ?2, wrapped = ?3 WHERE id = ?1";
constexpr const char* kEraseOldKeys =
    "DELETE FROM outrider_key WHERE id IN"
    " (SELECT id FROM outrider_key WHERE day > 0 AND day < ? LIMIT ?)";
constexpr const char* kCountKeys =
    "SELECT count(*), count(DISTINCT account), coalesce(sum(generation <> ?), 0)"
    " FROM outrider_key WHERE account <> ''";

std::optional<std::string> meta(Db& db, const char* name) {
  auto row = db.query(kMeta, name);
  return row.next() ? row.maybe_text(0) : std::nullopt;
}

std::int64_t destroyed_in(Db& db) {
  auto row = db.query(kDestroyed);
  return row.next() ? row.integer(0) : 0;
}

std::string mac(std::string_view key, std::string_view text) {
  auto digest = crypto::digest(core::Algorithm::kHmacSha256, key, text);
  OUTRIDER_ASSERT(digest.has_value());  // HMAC fails on a broken library alone
  return std::move(*digest);
}

std::string digest_with(std::string_view key, std::string_view purpose, std::string_view text) {
  std::string own_key = mac(key, purpose);
  std::string digest = mac(own_key, text).substr(0, kDigestBytes);
  crypto::wipe(own_key);
  return digest;
}

tl::unexpected<Error> take_failure(Db& db) {
  Error error = db.failure();
  db.clear_failure();
  if (db.in_transaction()) db.run("ROLLBACK");
  db.clear_failure();
  return tl::unexpected(std::move(error));
}

}  // namespace

// ---- a database finds its key file ----

Result<Sealing> Sealing::open(Db& db, const SealingOptions& options) {
  auto id_key = read_id_key(db);
  if (!id_key) return tl::unexpected(std::move(id_key.error()));
  auto kind = meta(db, "sealing");
  const bool is_new = !kind && !db.failed();
  if (is_new) {  // this opener decides, or one that was faster
    db.run(kBegin);
    kind = meta(db, "sealing");
  }
  Sealing sealing(kind ? *kind == "sealed" : options.seal, options, std::move(*id_key));
  Result<void> usable;
  if (sealing.sealed_ && !db.failed()) usable = sealing.use_file(db, is_new && !kind);
  if (is_new) {
    if (!usable) {
      db.run("ROLLBACK");
      return tl::unexpected(std::move(usable.error()));
    }
    if (!kind) db.run(kPutMeta, "sealing", sealing.sealed_ ? "sealed" : "plain");
    db.run("COMMIT");
  }
  sealing.destroyed_ = destroyed_in(db);
  if (db.failed()) return take_failure(db);
  if (!usable && options.need) return tl::unexpected(std::move(usable.error()));
  if (!usable) sealing.unusable_ = std::move(usable.error());
  return sealing;
}

Result<void> Sealing::use_file(Db& db, bool is_new) {
  auto file = KeyFile::load(options_.key_file, options_.credential);
  if (!file && is_new && file.error().code == ErrorCode::kNotFound) {
    file = KeyFile::create(options_.key_file);
    if (file && options_.key_created) options_.key_created(options_.key_file);
    if (!file && file.error().code == ErrorCode::kConflict) {  // another opener was faster
      file = KeyFile::load(options_.key_file, options_.credential);
    }
  }
  if (!file) {
    if (file.error().code == ErrorCode::kNotFound) {
      file.error() = {ErrorCode::kKey, "the key file of this database is missing",
                      options_.key_file,
                      "restore it from its backup, or name it with --key-file; "
                      "nothing was changed"};
    }
    return tl::unexpected(std::move(file.error()));
  }
  if (is_new) {
    db.run(kPutMeta, "key_file", file->id());
  } else if (meta(db, "key_file") != file->id()) {
    return fail(ErrorCode::kKey, "this is the key file of another database", options_.key_file,
                "name the right one with --key-file; nothing was changed");
  }
  file_ = std::move(*file);
  return {};
}

Result<void> Sealing::load_again() {
  auto file = KeyFile::load(options_.key_file, options_.credential);
  if (!file) return tl::unexpected(std::move(file.error()));
  if (file->id() != file_->id()) {
    return fail(ErrorCode::kKey, "the key file was replaced by another database's",
                options_.key_file, "put the right one back");
  }
  file_ = std::move(*file);
  return {};
}

void Sealing::drop_cached() {
  for (auto& [id, key] : keys_) crypto::wipe(key.key);
  keys_.clear();
  ids_.clear();
}

void Sealing::begin(Db& db) {
  if (!sealed_) return;
  nonces_.drop();  // none is kept where a host may fork
  const std::int64_t destroyed = destroyed_in(db);
  if (db.failed() || destroyed == destroyed_) return;
  drop_cached();
  destroyed_ = destroyed;
  if (file_) (void)load_again();  // where it cannot be read, what it was is better than nothing
}

void Sealing::rolled_back() { drop_cached(); }

// ---- data keys ----

Result<std::string> Sealing::unwrap(std::string_view account, std::int64_t row,
                                    std::uint32_t generation, std::string_view wrapped) {
  if (unusable_) return tl::unexpected(*unusable_);
  auto key = file_->unwrap(account, row, generation, wrapped);
  if (key || key.error().code != ErrorCode::kKey || !file_->replaced()) return key;
  if (auto loaded = load_again(); !loaded) return tl::unexpected(std::move(loaded.error()));
  return file_->unwrap(account, row, generation, wrapped);
}

Result<Sealing::DataKey*> Sealing::key_by_id(Db& db, std::uint32_t id) {
  if (const auto known = keys_.find(id); known != keys_.end()) return &known->second;
  Result<std::string> key = fail(ErrorCode::kNotFound, "its key was destroyed", {});
  {
    auto row = db.query(kKeyById, id);
    if (row.next()) key = unwrap(row.text(0), id, row.count(1), row.text(2));
  }
  if (!key) return tl::unexpected(std::move(key.error()));
  if (keys_.size() >= kMostCachedKeys) drop_cached();
  return &keys_.emplace(id, DataKey{std::move(*key), {}}).first->second;
}

const crypto::Sealer& Sealing::sealer_of(DataKey& key) {
  if (!key.sealer) key.sealer.emplace(key.key);
  return *key.sealer;
}

Result<std::uint32_t> Sealing::make_key(Db& db, std::string_view account, std::int64_t day) {
  if (file_->replaced()) {
    if (auto loaded = load_again(); !loaded) return tl::unexpected(std::move(loaded.error()));
  }
  std::uint32_t id = 0;
  {
    auto row = db.query(kNextKey);
    if (row.next()) id = row.count(0);
  }
  auto key = crypto::random_bytes(crypto::kSealingKeyBytes);
  if (!key) return tl::unexpected(std::move(key.error()));
  auto wrapped = file_->wrap(account, id, *key);
  if (!wrapped) return tl::unexpected(std::move(wrapped.error()));
  db.run(kInsertKey, id, account, day, file_->current(), Bytes{*wrapped});
  if (keys_.size() >= kMostCachedKeys) drop_cached();
  keys_.insert_or_assign(id, DataKey{std::move(*key), {}});
  return id;
}

Result<std::uint32_t> Sealing::key_for(Db& db, std::string_view account, std::int64_t day) {
  if (unusable_) return tl::unexpected(*unusable_);
  if (const auto days = ids_.find(account); days != ids_.end()) {
    const auto known = days->second.find(day);
    if (known != days->second.end() && keys_.contains(known->second)) return known->second;
  }
  std::uint32_t id = 0;
  {
    auto row = db.query(kFindKey, account, day);
    if (row.next()) id = row.count(0);
  }
  if (id != 0) {
    auto key = key_by_id(db, id);
    if (!key && key.error().code == ErrorCode::kNotFound) {  // a forget was cut short
      db.run(kDestroyKey, id);
      id = 0;
    } else if (!key) {
      return tl::unexpected(std::move(key.error()));
    }
  }
  if (id == 0) {
    auto made = make_key(db, account, day);
    if (!made) return made;
    id = *made;
  }
  ids_[std::string(account)][day] = id;
  return id;
}

// ---- values ----

Result<std::string> Sealing::try_seal(Db& db, KeyUse use, const crypto::SealedPlace& place,
                                      std::int64_t now, std::string_view plain) {
  if (!sealed_) return std::string(1, kPlainVersion).append(plain);
  if (db.failed()) return std::string();
  auto id = key_for(db, place.account, use == KeyUse::kDay ? now / kDayMs : kStandingDay);
  if (!id) return tl::unexpected(std::move(id.error()));
  auto nonce = nonces_.next();
  if (!nonce) return tl::unexpected(std::move(nonce.error()));
  return sealer_of(keys_.at(*id)).seal(*id, place, plain, *nonce);
}

std::string Sealing::seal(Db& db, KeyUse use, const crypto::SealedPlace& place, std::int64_t now,
                          std::string_view plain) {
  auto sealed = try_seal(db, use, place, now, plain);
  if (sealed) return std::move(*sealed);
  db.fail_with(std::move(sealed.error()));
  return {};
}

Result<std::string> Sealing::open(Db& db, const crypto::SealedPlace& place,
                                  std::string_view stored) {
  if (!sealed_) {
    if (!stored.empty() && stored.front() == kPlainVersion) return std::string(stored.substr(1));
    return fail(ErrorCode::kCorrupt, "a stored value has an unknown form", {},
                "restore the database from a backup");
  }
  const auto id = crypto::sealing_key_of(stored);
  if (!id) {
    return fail(ErrorCode::kCorrupt, "a stored value is not sealed as all others are", {},
                "restore the database from a backup");
  }
  auto key = key_by_id(db, *id);
  if (!key) return tl::unexpected(std::move(key.error()));
  return sealer_of(**key).open(place, stored);
}

std::string Sealing::digest(Db& db, std::string_view account, std::string_view purpose,
                            std::string_view text) {
  if (!sealed_) {
    return digest_with(plain_key_, purpose, std::string(account).append(1, '\0').append(text));
  }
  if (db.failed()) return {};
  auto id = key_for(db, account, kStandingDay);
  if (!id) {
    db.fail_with(std::move(id.error()));
    return {};
  }
  return digest_with(keys_.at(*id).key, purpose, text);
}

std::optional<std::string> Sealing::known_digest(Db& db, std::string_view account,
                                                 std::string_view purpose, std::string_view text) {
  if (!sealed_) return digest(db, account, purpose, text);
  std::uint32_t id = 0;
  {
    auto row = db.query(kFindKey, account, kStandingDay);
    if (row.next()) id = row.count(0);
  }
  if (id == 0) return std::nullopt;
  auto key = key_by_id(db, id);
  if (!key) return std::nullopt;
  return digest_with((*key)->key, purpose, text);
}

std::string Sealing::digest_key(Db& db, std::string_view account, std::string_view purpose) {
  if (!sealed_) return mac(plain_key_, std::string(purpose).append(1, '\0').append(account));
  if (db.failed()) return {};
  auto id = key_for(db, account, kStandingDay);
  if (id) return mac(keys_.at(*id).key, purpose);
  db.fail_with(std::move(id.error()));
  return {};
}

Result<std::string> Sealing::known_digest_key(Db& db, std::string_view account,
                                              std::string_view purpose) {
  if (!sealed_) return digest_key(db, account, purpose);
  if (unusable_) return tl::unexpected(*unusable_);
  std::uint32_t id = 0;
  {
    auto row = db.query(kFindKey, account, kStandingDay);
    if (row.next()) id = row.count(0);
  }
  if (id == 0) {
    return fail(ErrorCode::kCorrupt, "a key that everything hangs on is gone from the database",
                db.path(), "restore the database from a backup");
  }
  auto key = key_by_id(db, id);
  if (!key) return tl::unexpected(std::move(key.error()));
  return mac((*key)->key, purpose);
}

// ---- the keys' own life ----

// The key file first: from then on a crash leaves rows that nobody can open, and doing it again
// takes them away. The other way round, an engine could seal something new with a key that is about
// to be struck out; here it cannot, since the write lock is held.
Result<void> Sealing::forget(Db& db, const std::string& account) {
  if (!sealed_) {
    return fail(ErrorCode::kRefused, "this database is kept plain: there is no key to destroy",
                "account", "remove the endpoints and let retention erase the payloads");
  }
  if (unusable_) return tl::unexpected(*unusable_);
  if (file_->replaced()) {
    if (auto loaded = load_again(); !loaded) return loaded;
  }
  if (auto struck = file_->forget(account); !struck) return struck;
  db.run(kDestroyKeys, account);
  db.run(kCountDestroyed);
  drop_cached();
  return {};
}

Result<std::uint32_t> Sealing::rotate(Db& db, std::uint32_t limit) {
  if (!sealed_) {
    return fail(ErrorCode::kRefused, "this database is kept plain: there is no key to rotate", {});
  }
  if (unusable_) return tl::unexpected(*unusable_);
  if (file_->replaced()) {
    if (auto loaded = load_again(); !loaded) return tl::unexpected(std::move(loaded.error()));
  }
  if (!file_->rotating()) {
    if (auto begun = file_->begin_generation(); !begun) return tl::unexpected(begun.error());
  }
  struct Behind {
    std::int64_t id;
    std::string account, wrapped;
    std::uint32_t generation;
  };
  std::vector<Behind> page;
  {
    auto rows = db.query(kBehind, file_->current(), limit);
    while (rows.next()) {
      page.push_back({rows.integer(0), rows.text(1), rows.text(3), rows.count(2)});
    }
  }
  if (db.failed()) return 0;
  for (const Behind& row : page) {
    auto key = file_->unwrap(row.account, row.id, row.generation, row.wrapped);
    if (!key) return tl::unexpected(std::move(key.error()));
    auto wrapped = file_->wrap(row.account, row.id, *key);
    crypto::wipe(*key);
    if (!wrapped) return tl::unexpected(std::move(wrapped.error()));
    db.run(kRewrap, row.id, file_->current(), Bytes{*wrapped});
  }
  if (page.empty()) {
    if (auto dropped = file_->drop_older_generations(); !dropped) {
      return tl::unexpected(std::move(dropped.error()));
    }
  }
  return static_cast<std::uint32_t>(page.size());
}

std::uint32_t Sealing::erase_keys_before(Db& db, std::int64_t day, std::uint32_t limit) {
  if (!sealed_ || day <= 0) return 0;
  return db.run(kEraseOldKeys, day, limit) ? db.changes() : 0;
}

KeyStatus Sealing::status(Db& db) const {
  KeyStatus status{.sealed = sealed_, .key_file = sealed_ ? options_.key_file : std::string()};
  if (!sealed_) return status;
  if (unusable_) status.problem = unusable_->message;
  if (file_) {
    status.generation = file_->current();
    status.rotating = file_->rotating();
  }
  auto row = db.query(kCountKeys, status.generation);
  if (row.next()) {
    status.keys = static_cast<std::uint64_t>(row.integer(0));
    status.accounts = static_cast<std::uint64_t>(row.integer(1));
    status.keys_behind = status.generation == 0 ? 0 : static_cast<std::uint64_t>(row.integer(2));
  }
  return status;
}

}  // namespace outrider::storage

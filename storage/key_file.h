// The key file: what every sealed value of a database hangs on. It holds the secret from which each
// account's own key follows (crypto/key_tree.h); with that key the account's data keys are wrapped,
// which lie in the database and seal its values.
//
// The file is text, checked by a digest at its end, and only its owner may read it: mode 0400 or
// 0600. It is never changed in place: a new one takes its name, then the old one's bytes are
// overwritten. What makes it change:
//   - forget: an account's key is struck out, for this file and whoever has only this one left;
//   - rotation: a new generation begins. Until every data key is wrapped anew the file holds both.
// Its id stays, so that a database can tell its own file from another's.
//
// Threads: one at a time. Errors name the file and never hold a byte of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crypto/key_tree.h"
#include "outrider/result.h"

namespace outrider::storage {

class KeyFile {
 public:
  // `credential`: handed over by the service manager, which answers for who may read it; its mode
  // is not looked at. Errors: kNotFound, kKey (others may read it; not a key file; damaged), kIo.
  [[nodiscard]] static Result<KeyFile> load(const std::string& path, bool credential = false);
  // A new one, durable before this returns. Errors: kConflict (something has that name), kIo.
  [[nodiscard]] static Result<KeyFile> create(const std::string& path);

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  // Generations count from 1. New data keys are wrapped with the current one.
  [[nodiscard]] std::uint32_t current() const { return generations_.back().number; }
  [[nodiscard]] bool rotating() const { return generations_.size() > 1; }

  // A data key, sealed with the account's own key. `row` is where the database keeps it. Errors:
  // kInternal.
  [[nodiscard]] Result<std::string> wrap(std::string_view account, std::int64_t row,
                                         std::string_view data_key) const;
  // Errors: kNotFound (the account was forgotten), kKey (this file does not have the generation),
  // kCorrupt.
  [[nodiscard]] Result<std::string> unwrap(std::string_view account, std::int64_t row,
                                           std::uint32_t generation,
                                           std::string_view wrapped) const;

  // Each replaces the file, and is durable when it returns; after an error the file is as it was.
  // Errors: kIo (its directory cannot be written: a mounted secret or credential cannot be changed
  // from here), kConflict (the file was changed meanwhile).
  [[nodiscard]] Result<void> forget(std::string_view account);
  [[nodiscard]] Result<void> begin_generation();
  [[nodiscard]] Result<void> drop_older_generations();

  // Whether the name stands for another file now than the one this was loaded from.
  [[nodiscard]] bool replaced() const;

 private:
  struct Generation {
    std::uint32_t number = 1;
    crypto::KeyTree tree;
  };
  // What tells one file that had the name from another.
  struct Identity {
    std::uint64_t device = 0, inode = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const Identity&, const Identity&) = default;
  };
  KeyFile(std::string path, std::string id, std::vector<Generation> generations)
      : path_(std::move(path)), id_(std::move(id)), generations_(std::move(generations)) {}
  [[nodiscard]] static std::optional<Identity> identity_of(const std::string& path);
  [[nodiscard]] static Result<KeyFile> parse(const std::string& path, std::string_view text);
  [[nodiscard]] std::string text() const;
  [[nodiscard]] Result<void> replace(std::vector<Generation> generations);

  std::string path_;
  std::string id_;
  std::vector<Generation> generations_;  // oldest first, at least one
  std::optional<Identity> identity_;
};

}  // namespace outrider::storage

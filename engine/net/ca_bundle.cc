// The system's bundle and the operator's own become one file that lives in memory (memfd), sealed
// against change and named through /proc: nothing on disk to clean up or to tamper with. It is
// parsed once and shared by all connections: without that each new one costs milliseconds.
#include "net/ca_bundle.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <uv.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include "crypto/certificates.h"
#include "net/curl_handle.h"

namespace outrider::net {
namespace {

constexpr std::size_t kMaxExtraBytes = 4 * 1024 * 1024;
constexpr std::uint64_t kReadAgainNs = 86'400'000'000'000;
constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----";

[[nodiscard]] std::optional<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in.good() && !in.eof()) return std::nullopt;
  return std::move(text).str();
}

// The certificates of a PEM text, without whatever else is in it. Nothing: a block does not end, or
// there is none.
[[nodiscard]] std::optional<std::string> certificates_in(std::string_view pem) {
  std::string found;
  for (;;) {
    const std::size_t begin = pem.find(kBegin);
    if (begin == std::string_view::npos) break;
    const std::size_t end = pem.find(kEnd, begin);
    if (end == std::string_view::npos) return std::nullopt;
    found += pem.substr(begin, end + kEnd.size() - begin);
    found += '\n';
    pem.remove_prefix(end + kEnd.size());
  }
  if (found.empty()) return std::nullopt;
  return found;
}

[[nodiscard]] std::string system_bundle_path() {
  const CurlEasy easy(curl_easy_init());
  char* path = nullptr;
  if (easy) curl_easy_getinfo(easy.get(), CURLINFO_CAINFO, &path);
  return path != nullptr ? path : "";
}

[[nodiscard]] Result<UniqueFd> in_memory(const std::string& text) {
  UniqueFd memory(memfd_create("outrider-trusted", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  std::string_view left = text;
  while (memory && !left.empty()) {
    const ssize_t written = ::write(memory.get(), left.data(), left.size());
    if (written <= 0) break;
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  if (!memory || !left.empty() || fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0) {
    return fail(ErrorCode::kInternal,
                std::string("cannot keep the trusted certificates: ") + std::strerror(errno));
  }
  return memory;
}

}  // namespace

bool TrustedBundle::use_in(void* ssl_ctx) {
  const std::uint64_t now = uv_hrtime();
  if (!store_ || now - read_at_ns_ >= kReadAgainNs) {
    auto read = crypto::TrustedStore::load(path_);
    if (read) {
      store_ = std::move(*read);
      read_at_ns_ = now;
    }
  }
  if (!store_) return false;  // what was read before stays good while it cannot be read anew
  store_->use_in(ssl_ctx);
  return true;
}

Result<CaBundle> make_ca_bundle(const std::string& extra_file) {
  if (extra_file.empty()) return CaBundle{.path = system_bundle_path(), .memory = {}};
  const auto extra = read_file(extra_file);
  if (!extra) {
    return fail(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument,
                std::string("cannot read the CA file: ") + std::strerror(errno), extra_file);
  }
  const auto certificates =
      extra->size() <= kMaxExtraBytes ? certificates_in(*extra) : std::nullopt;
  if (!certificates) {
    return fail(ErrorCode::kInvalidArgument, "the CA file holds no certificate", extra_file,
                "give a PEM file of up to 4 MiB");
  }
  // One that cannot be read would make libcurl refuse them all, at every connection.
  if (auto ok = crypto::check_certificates(*certificates, extra_file); !ok) {
    return tl::unexpected(ok.error());
  }
  // A system without a bundle trusts the operator's file alone.
  const std::string system = read_file(system_bundle_path()).value_or("");
  auto memory = in_memory(system + "\n" + *certificates);
  if (!memory) return tl::unexpected(memory.error());
  CaBundle bundle;
  bundle.path = "/proc/self/fd/" + std::to_string(memory->get());
  bundle.memory = std::move(*memory);
  return bundle;
}

}  // namespace outrider::net

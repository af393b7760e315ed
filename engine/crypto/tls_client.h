// What the HTTP client needs to know of a TLS connection that libcurl holds, and libcurl does not
// tell.
#pragma once

namespace outrider::crypto {

// Has the connection received bytes that nobody has read yet, decrypted or not? They are no longer
// in the socket: libcurl takes exactly the bytes an answer is announced to have, and the rest of
// their TLS record stays here. `ssl`: libcurl's CURLINFO_TLS_SSL_PTR where its backend is OpenSSL;
// not null. Thread: the one that uses the connection.
[[nodiscard]] bool has_unread_bytes(const void* ssl) noexcept;

// Why the peer's chain of certificates was refused, in OpenSSL's words; null where `verify_result`
// (of SSL_get_verify_result) gives no reason. Any thread.
[[nodiscard]] const char* refusal_text(long verify_result) noexcept;

}  // namespace outrider::crypto

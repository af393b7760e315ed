#!/usr/bin/env python3
"""Public ids computed by the description in engine/crypto/public_id.h alone, for tests/unit/public_id_test.cc."""
import hashlib
import hmac

KEY = b'0123456789abcdef0123456789abcdef'
ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
PREFIXES = ('evt_', 'dlv_', 'ep_')


def half_round(kind, number, half):
    message = b'outrider id ' + bytes([kind, number]) + half.to_bytes(4, 'big')
    return int.from_bytes(hmac.new(KEY, message, hashlib.sha256).digest()[:4], 'big')


def public_id(kind, row):
    left, right = row >> 32, row & 0xffffffff
    for number in range(4):
        left, right = right, left ^ half_round(kind, number, right)
    value = left << 32 | right
    return PREFIXES[kind] + ''.join(ALPHABET[value >> 5 * i & 31] for i in reversed(range(13)))


if __name__ == '__main__':
    for kind, row in ((0, 1), (1, 1), (2, 1), (0, 2), (0, 1 << 40)):
        print(kind, row, public_id(kind, row))

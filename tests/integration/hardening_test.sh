#!/bin/bash
# The built program has what the compiler and linker can give it against exploitation. Expected as the second argument:
# "fortified" where the build optimises (without that there is no fortification), else "plain".
#
# usage: hardening_test.sh OUTRIDER fortified|plain
set -euo pipefail
binary=$1 build=$2
failed=0
check() {
  if ! grep -Eq -- "$2" <<<"$3"; then
    echo "missing: $1"
    failed=1
  fi
}
header=$(readelf -hW "$binary") segments=$(readelf -lW "$binary") dynamic=$(readelf -dW "$binary")
symbols=$(readelf --dyn-syms -W "$binary")
check 'position-independent executable' 'Type: +DYN' "$header"
check 'position-independent executable (flag)' 'PIE' "$dynamic"
check 'RELRO' 'GNU_RELRO' "$segments"
check 'BIND_NOW' 'BIND_NOW|Flags:.*NOW' "$dynamic"
check 'a stack that is not executable' 'GNU_STACK.* RW ' "$segments"
check 'stack protector' '__stack_chk_fail' "$symbols"
check 'libstdc++ assertions' '__glibcxx_assert_fail' "$symbols"
if [ "$build" = fortified ]; then check '_FORTIFY_SOURCE' '__[a-z]+_chk@' "$symbols"; fi
exit "$failed"

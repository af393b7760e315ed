#!/bin/bash
# install_test.sh SOURCE BUILD: what a user of the library does. Installs BUILD to a prefix of its own, builds the C++
# example against it with find_package(outrider) and nothing else, and runs it.
set -euo pipefail
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/prefix" >/dev/null
for file in bin/outrider include/outrider/outrider.h share/outrider/providers/provider.schema.json; do
  [ -e "$work/prefix/$file" ] || { echo "not installed: $file"; exit 1; }
done
if grep -rlF "$source" "$work/prefix/include" "$work/prefix/share" "$work"/prefix/lib*/cmake "$work"/prefix/lib*/*/cmake \
  2>/dev/null; then
  echo "these installed files name the source tree"
  exit 1
fi

cmake -G Ninja -S "$source/tools/examples/embed_cpp" -B "$work/consumer" \
  -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Debug >/dev/null
cmake --build "$work/consumer"
"$work/consumer/embed_cpp" "$work/platform.db" | tee "$work/said"
grep -q 'the receiver verified: {"loan":7}' "$work/said"

"$work/prefix/bin/outrider" version

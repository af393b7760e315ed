# Sourced by the commands in tools/ and by .ci/run: everything between a bare Debian 12 and a built tree.
#
# What must hold: each step looks before it acts, so that a second run does nothing and says so in one line; each step
# that takes long says what it does; a step that fails shows its whole output and ends the run. Nothing is written
# outside the checkout, except Debian packages.

set -Eeuo pipefail
trap 'echo "failed: $0: line $LINENO: $BASH_COMMAND" >&2' ERR
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Another checkout of the same sources finds what this one has compiled.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1

if [ -t 1 ]; then
  bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' dim=$'\e[2m' plain=$'\e[0m'
else
  bold='' red='' green='' dim='' plain=''
fi

say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }
note() { printf '    %s\n' "$*"; }
die() {
  printf '%sfailed:%s %s\n' "$red" "$plain" "$*" >&2
  exit 1
}

# quietly LOG COMMAND...: runs it with its output in LOG, which is shown only when it fails.
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 60 "$log" >&2
    die "\"$*\" failed; its whole output is in $log"
  fi
}

# missing_packages LIST...: the packages of tools/packages/LIST that this machine lacks.
missing_packages() {
  local list package command
  for list in "$@"; do
    while read -r package command; do
      case $package in '' | '#'*) continue ;; esac
      if [ -n "$command" ] && command -v "$command" >/dev/null; then continue; fi
      if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
        echo "$package"
      fi
    done <"tools/packages/$list"
  done
}

# install_packages LIST...: brings in what is missing, as root or through sudo.
install_packages() {
  command -v dpkg-query >/dev/null ||
    die "this set-up knows Debian 12 (apt); install what tools/packages/ lists by other means"
  local missing as_root=()
  mapfile -t missing < <(missing_packages "$@")
  if [ "${#missing[@]}" -eq 0 ]; then
    note "Debian packages: all there"
    return
  fi
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "these Debian packages are missing, and this is neither root nor is" \
      "there sudo; let an administrator run: apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
  fi
  say "Installing ${#missing[@]} Debian packages (once; a few minutes): ${missing[*]}"
  as_root+=(env DEBIAN_FRONTEND=noninteractive)
  quietly build/log/apt-update "${as_root[@]}" apt-get update
  quietly build/log/apt-install "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"
}

# program_of PACKAGE FILE: one program of a Debian package, in build/programs, without installing the package: it would
# bring along what the tests have no use for, and start a service.
program_of() {
  local package=$1 file=$2 folder=build/programs program
  program=$(basename "$file")
  if command -v "$program" >/dev/null || [ -x "$folder/$program" ]; then return; fi
  say "Fetching $program (Debian package $package; not installed)"
  rm -rf "$folder/$package"
  mkdir -p "$folder/$package"
  if [ -z "$(apt-cache madison "$package" 2>/dev/null)" ] && [ "$(id -u)" -eq 0 ]; then
    quietly build/log/apt-update apt-get update
  fi
  quietly "build/log/fetch-$package" sh -c "cd '$folder/$package' && apt-get download '$package' && dpkg-deb -x ./*.deb ."
  mv "$folder/$package/$file" "$folder/$program"
  rm -rf "${folder:?}/$package"
}

# progress WHAT: ninja's output on standard input as a line for each tenth. It begins with the first thing that is really
# built: ninja cannot tell beforehand, because it must look through the globbed directories first.
progress() {
  awk -v heading="$bold==>$plain Building ($1)" -v idle="    build ($1): up to date" '
    /^-- / || /^ninja: / && !/error/ { next }  # CMake, when a file was added
    /Re-checking globbed|Re-running CMake/ { next }
    match($0, /^\[[0-9]+\/[0-9]+\]/) {
      if (!begun) { begun = 1; print heading; fflush() }
      split(substr($0, 2, RLENGTH - 2), of, "/")
      tenth = int(of[1] * 10 / of[2])
      if (tenth > shown) { shown = tenth; printf "    built %d of %d\n", of[1], of[2]; fflush() }
      if ($2 == "FAILED:") print
      next
    }
    { print; fflush() }
    END { if (!begun) print idle }'
}

# build PRESET TARGET...: configures build/PRESET once, then builds what changed.
build() {
  local preset=$1 tree=build/$1
  shift
  if [ ! -f "$tree/build.ninja" ]; then
    quietly "build/log/configure-$preset" cmake --preset "$preset"
  fi
  # Ninja takes two jobs more than there are cores when told nothing.
  ninja -C "$tree" -j "$(nproc)" "$@" </dev/null | progress "$preset" || die "the build ($preset) failed; see above"
}

# npm_packages DIR: the receivers' own libraries, from DIR/package-lock.json, again only when that file changed.
npm_packages() {
  local folder=$1 stamp=$1/node_modules/.outrider-lock
  [ -f "$folder/package-lock.json" ] || return 0
  if cmp -s "$folder/package-lock.json" "$stamp"; then
    note "npm packages ($folder): all there"
    return
  fi
  say "Installing npm packages ($folder)"
  quietly build/log/npm-ci npm --prefix "$folder" ci --no-audit --no-fund --no-update-notifier
  cp "$folder/package-lock.json" "$stamp"
}

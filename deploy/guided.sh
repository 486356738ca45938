#!/usr/bin/env bash
# deploy/guided.sh [CARGO OPTION…]: the `dist` build, guided by a profile of its own work. It builds with counters, which deploy/train.sh
# puts through a day's work, and then with what they counted. Where valgrind is, it looks at what of that runs, and builds it once more with
# all of it laid together: 2 MB less when idle. Prints where the binary is. Needs what train.sh needs, and rustup for LLVM's
# tools, unless they are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
out=$PWD/target/guided
profdata=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
[ -x "$profdata" ] || rustup component add llvm-tools
# Nothing unwinds through the C here, and tables for it are a tenth of a megabyte.
export CFLAGS="${CFLAGS:-} -fno-asynchronous-unwind-tables"

# build NAME "FLAGS…" [OPTIONS…] -- [FLAGS…]: the former flags for all of the target, as what runs while building is not counted; the latter
# for the last step, where everything is put together.
build() {
    CARGO_TARGET_DIR=$out/$1 RUSTFLAGS="${RUSTFLAGS:-} $2" cargo rustc --profile dist --bin squall --target "$host" "${@:3}"
}

# Every function that runs from a start to some requests, C and the standard library too, which have no counters: the costliest first.
watched() {
    rm -f "$out"/watched.*
    deploy/train.sh 10 "$1" valgrind --quiet --tool=callgrind --demangle=no --callgrind-out-file="$out/watched.%p" >&2
    for file in "$out"/watched.*; do
        callgrind_annotate --threshold=100 --auto=no "$file"
    done | sed -n 's/^ *\([0-9,]*\) ([ 0-9.]*%) .*:\([^: ]*\) \[.*/\1 \2/p' | tr -d , | sort --numeric-sort --reverse | awk '!seen[$2]++ { print $2 }'
}

rm -rf "$out/counts"
build counting "-Cprofile-generate=$out/counts" "$@"
deploy/train.sh 1 "$out/counting/$host/dist/squall"
"$profdata" merge --output "$out/profile" "$out/counts"

# Relocations are packed where the loader knows that (glibc 2.36); as with every binary, an older glibc than that of the machine that built
# it may not do.
layout=()
glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)
if [ -n "$glibc" ] && printf '2.36\n%s\n' "$glibc" | sort --check --version-sort 2>/dev/null; then
    layout+=(-Clink-arg=-Wl,-z,pack-relative-relocs)
fi
guided="-Cprofile-use=$out/profile"
# Laying functions out by name is LLD's art, which is the linker here only.
if [ "$host" = x86_64-unknown-linux-gnu ] && command -v callgrind_annotate >/dev/null; then
    build final "$guided" "$@" -- "${layout[@]}" -Cstrip=none
    watched "$out/final/$host/dist/squall" >"$out/order"
    layout+=("-Clink-arg=-Wl,--symbol-ordering-file=$out/order" -Clink-arg=-Wl,--no-warn-symbol-ordering)
else
    # What was never run lies apart all the same.
    case $host in *-linux-*) layout+=(-Clink-arg=-Wl,-z,keep-text-section-prefix) ;; esac
fi
build final "$guided" "$@" -- "${layout[@]}"
install -D "$out/final/$host/dist/squall" "$out/squall"
echo "$out/squall"

#!/usr/bin/env bash
# deploy/guided.sh [CARGO OPTION…]: the `dist` build, guided by a profile of its own work. It builds twice: once with counters, which
# deploy/train.sh puts through a day's work, and once with what they counted. Prints where the binary is. Needs what train.sh needs, and
# rustup for LLVM's tools, unless they are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
out=$PWD/target/guided
profdata=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
[ -x "$profdata" ] || rustup component add llvm-tools

# What was never run lies apart, so that it is not read from the disk with what was. Relocations are packed where the loader knows that
# (glibc 2.36); as with every binary, an older glibc than that of the machine that built it may not do.
layout=()
case $host in
*-linux-*) layout+=(-Clink-arg=-Wl,-z,keep-text-section-prefix) ;;
esac
glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)
if [ -n "$glibc" ] && printf '2.36\n%s\n' "$glibc" | sort --check --version-sort 2>/dev/null; then
    layout+=(-Clink-arg=-Wl,-z,pack-relative-relocs)
fi

# Flags for the target alone: what runs while building is not counted.
build() {
    CARGO_TARGET_DIR=$out/$1 RUSTFLAGS="${RUSTFLAGS:-} $2" \
        cargo rustc --profile dist --bin squall --target "$host" "${@:3}" -- "${layout[@]}"
}

rm -rf "$out/counts"
build counting "-Cprofile-generate=$out/counts" "$@"
deploy/train.sh "$out/counting/$host/dist/squall"
"$profdata" merge --output "$out/profile" "$out/counts"
build final "-Cprofile-use=$out/profile" "$@"
install -D "$out/final/$host/dist/squall" "$out/squall"
echo "$out/squall"

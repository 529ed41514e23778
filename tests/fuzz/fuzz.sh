#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Run every libFuzzer target for SECONDS_EACH seconds (default 600) on a copy of its corpus, under ASan
# and UBSan. New inputs stay in build-fuzz/corpus/ for a person to look at.
set -euo pipefail
cd "$(dirname "$0")/../.."
each=${SECONDS_EACH:-600}
build="build-fuzz"
[ -f $build/build.ninja ] ||
	CC=clang meson setup $build . -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debugoptimized
ninja -C $build
bad=0 seen=0
for target in "$build"/tests/fuzz/fuzz_*; do
	name=${target##*/fuzz_}
	case $name in replay_* | *.p) continue ;; esac
	[ -x "$target" ] || continue
	seen=$((seen + 1))
	mkdir -p "$build/corpus/$name"
	cp -n tests/fuzz/corpus/"$name"/* "$build/corpus/$name/"
	echo "== $name, $each s"
	"$target" -max_total_time="$each" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$build/crash-$name-" "$build/corpus/$name" || bad=1
done
[ "$seen" -gt 0 ] || { echo "no fuzz target was built"; bad=1; }
exit $bad

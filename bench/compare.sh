#!/usr/bin/env bash
# Micro-benchmarks of two versions, ten times each and in turn, through benchstat:
#
#   bench/compare.sh REF [BENCH] [PACKAGE ...]       the working tree against REF
#
# BENCH is go test's -bench ('.'), packages are ./codec and ./shard unless named.
# In turn, because the machine drifts more than the versions differ. rounds= and
# benchtime= in the environment change how often and how long (10, 200ms).
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
readonly benchstat=golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
ref=$1 bench=${2:-.}
shift $(($# > 1 ? 2 : 1))
[ $# -gt 0 ] || set -- ./codec ./shard

cd "$(git -C "$(dirname "$0")" rev-parse --show-toplevel)"
git rev-parse --verify --quiet "$ref^{commit}" >/dev/null || { echo "compare.sh: $ref is no commit" >&2; exit 2; }
dir=$(mktemp -d)
trap 'git worktree remove --force "$dir/tree" 2>/dev/null || true; rm -rf "$dir"' EXIT
git worktree add --quiet --detach "$dir/tree" "$ref"

packages=()
for package; do
  name=${package//[^a-z0-9]/_}
  [ -d "$dir/tree/$package" ] || { echo "compare.sh: $ref has no $package, left out" >&2; continue; }
  (cd "$dir/tree" && go test -c -o "$dir/$name.old" "$package")
  go test -c -o "$dir/$name.new" "$package"
  packages+=("$package")
done
for round in $(seq "${rounds:-10}"); do
  for package in "${packages[@]}"; do
    for side in old new; do
      echo "round $round $package $side" >&2
      # In the package's own directory: benchmarks read testdata.
      (cd "$package" && "$dir/${package//[^a-z0-9]/_}.$side" -test.run '^$' -test.bench "$bench" \
        -test.benchtime "${benchtime:-200ms}" -test.timeout 20m) >>"$dir/$side.txt"
    done
  done
done
GOFLAGS='' go run "$benchstat" "$ref=$dir/old.txt" "now=$dir/new.txt"

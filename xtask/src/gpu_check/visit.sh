#!/bin/sh
# Checks this machine's NVIDIA GPU and measures on it what modality-bench computes:
#
#     ./gpu-check.sh OUT
#
# Results go to the folder OUT; the last lines, also in OUT/summary.txt, say what came of each step. Nothing is fetched and
# nothing is written outside OUT and this folder; the data of all studies takes about 1 GB there.
#
# Needs x86-64 Linux with a glibc and libstdc++ as new as where this folder was made, a driver for CUDA 13 (580 or newer), and
# cuBLAS and cuSOLVER of CUDA 13: a toolkit in $CUDA_HOME or /usr/local/cuda, or what Python's torch brings. The rows of the
# peer `cuml-peer` need python3 with SciPy and PyTorch or CuPy, those of the MLP need python3 with PyTorch 2.11.0 (or $LIBTORCH,
# the folder of a libtorch 2.11.0); compute-sanitizer is used where it is installed. What is not there is said, and the rest
# goes on.
#
# Variables, all optional:
#     QUICK=1            correctness only: nothing is timed and no study run
#     ONLY=A,B           these steps: checks, studies, sanitizer
#     STUDIES=A,B        these studies; they are then run without a GPU too, with the rows that need none
#     ROWS=A,B           these rows of the studies: methods, backends, or method/backend
#     REPEATS=N          runs of each row
#     MINUTES=N          begin nothing new after so many minutes; what runs then, goes on
#     CUDA_VISIBLE_DEVICES=N   take another GPU than the first
#     MODALITY_BENCH_CACHE=DIR keep data there, not in OUT
#
# Exit codes: 0 all is as it should be, 1 something is wrong, or there is no GPU, or nothing was run, 2 a mistake in the
# command line.
set -u

if [ "$#" -ne 1 ] || [ -z "$1" ]; then
    echo "usage: $0 OUT, the folder where results go" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd) || exit 2
mkdir -p "$1" || exit 2
out=$(cd "$1" && pwd) || exit 2

# Programs are unpacked in their places when they are first used.
for packed in "$here"/*.gz "$here"/runners/*.gz; do
    if [ -f "$packed" ] && ! gzip -df "$packed"; then
        echo "$packed cannot be unpacked; copy $here to where it can be written" >&2
        exit 2
    fi
done

MODALITY_BENCH_CACHE=${MODALITY_BENCH_CACHE:-$out/cache}
export MODALITY_BENCH_CACHE
mkdir -p "$MODALITY_BENCH_CACHE" && cp -R "$here/cache/." "$MODALITY_BENCH_CACHE/" ||
    echo "the data of the studies cannot be copied to $MODALITY_BENCH_CACHE" >&2

set -- --offline gpu-check --out "$out"
if [ "${QUICK:-0}" = 1 ]; then set -- "$@" --quick; fi
if [ -n "${ONLY:-}" ]; then set -- "$@" --only "$ONLY"; fi
if [ -n "${STUDIES:-}" ]; then set -- "$@" --studies "$STUDIES"; fi
if [ -n "${ROWS:-}" ]; then set -- "$@" --rows "$ROWS"; fi
if [ -n "${REPEATS:-}" ]; then set -- "$@" --repeats "$REPEATS"; fi
if [ -n "${MINUTES:-}" ]; then set -- "$@" --minutes "$MINUTES"; fi
exec "$here/modality-bench" "$@"

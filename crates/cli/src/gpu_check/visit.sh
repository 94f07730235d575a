#!/usr/bin/env bash
# One visit of a machine with an NVIDIA GPU that is lent for minutes: checks it and measures on it, what is worth most first.
#
#     BUNDLE/visit.sh OUT                 this script lies in the bundle
#     OUT=DIR bash visit.sh BUNDLE        it lies anywhere
#
# After every phase OUT/results.tgz holds all there is so far, whatever became of the phase, in less than 16 MiB: without
# predictions (*.npy) and what else has no room, which left-out.txt in it names. visit.txt in it is what is printed here.
#
# Needs x86-64 Linux with bash, and a glibc and libstdc++ as new as where the bundle was made; a driver for CUDA 13 (580 or newer);
# cuBLAS and cuSOLVER of CUDA 13, from a toolkit in $CUDA_HOME or /usr/local/cuda or from Python's torch. The rows of the peer
# need python3 with SciPy and PyTorch or CuPy, those of the MLP PyTorch 2.11.0. compute-sanitizer and ncu are used where they
# are. Nothing is fetched; the bundle is not written to, and may have lost the modes of its files.
#
# Variables, all optional:
#     LIMIT=570        seconds for all of it
#     MEMORY=GiB       what studies may take, a whole number; touched first, as a virtual machine may have it only then
#     PHASES="A B"     only these
#     LEAST=N          seconds that must be left for any phase, in place of its own
#     WORK=DIR         unpack there and leave it there: WORK/modality-bench does what else is wanted
#     MODALITY_BENCH_CACHE=DIR   keep data there, for another visit
#     CUDA_VISIBLE_DEVICES=N     take another GPU than the first
#
# Exit codes: 0 all that was begun went well, 1 something is wrong, 2 a mistake in the command line, 3 there is no GPU.
set -u

LIMIT=${LIMIT:-570}
# For stopping and packing.
reserve=$((2 + LIMIT / 60))
# Bytes of the packed results, of a file that may be among them, and of what is kept of a phase's words.
most_packed=$((15 << 20)) most_file=$((64 << 20)) most_words=$((2 << 20))

mistake() { echo "$0: $1" >&2; exit 2; }

case $LIMIT${MEMORY:-0}${LEAST:-1} in
*[!0-9]*) mistake "LIMIT, MEMORY and LEAST are whole numbers" ;;
esac
if [ $# -ne 1 ] || [ -z "$1" ]; then mistake "name the folder where results go, or \$OUT and the bundle"; fi
if [ -f "$1/made-from.txt" ]; then bundle=$1 out=${OUT:-}; else bundle=$(dirname "$0") out=$1; fi
if [ -z "$out" ]; then mistake "set OUT to the folder where results go"; fi
if [ ! -f "$bundle/made-from.txt" ]; then mistake "$bundle is no bundle: it has no made-from.txt"; fi
mkdir -p "$out" && out=$(cd "$out" && pwd) || mistake "$out cannot be made"
if [ -n "${WORK:-}" ]; then mkdir -p "$WORK" && work=$(cd "$WORK" && pwd); else work=$(mktemp -d); fi ||
    mistake "there is no folder to work in"
results=$work/results
mkdir "$results" 2>/dev/null || mistake "$results is there already; name another WORK"

say() { echo "$*" | tee -a "$results/visit.txt"; }

# Kills all processes of a session, whatever groups they are in; one that the driver does not let go of is not waited for.
stop() {
    local session=$1 stat line found=1 tries=0
    while [ $found = 1 ] && [ $tries -lt 20 ]; do
        found=0 tries=$((tries + 1))
        for stat in /proc/[0-9]*/stat; do
            { read -r line <"$stat"; } 2>/dev/null || continue
            # After the name: state, parent, group, session.
            set -- ${line##*) }
            if [ "$4" = "$session" ] && [ "$1" != Z ]; then
                stat=${stat#/proc/}
                kill -KILL "${stat%/stat}" 2>/dev/null && found=1
            fi
        done
        if [ $found = 1 ]; then sleep 0.02; fi
    done
}

pack() {
    (
        cd "$results" || exit
        : >left-out.txt
        room=$most_packed
        find . -type f ! -name left-out.txt -printf '%s %P\n' | sort -n | while read -r bytes name; do
            size=$bytes
            if [ "$bytes" -gt 262144 ] && [ "$bytes" -le $most_file ]; then size=$(gzip -1 <"$name" | wc -c); fi
            if [[ $name == *.npy ]] || [ $((size + 1024)) -gt "$room" ]; then
                echo "$name: $bytes bytes" >>left-out.txt
            else
                room=$((room - size - 1024))
                echo "$name"
            fi
        done >"$work/packed.txt"
        # 1 is for a file that grew meanwhile.
        tar czf "$out/.results.tgz" -T "$work/packed.txt" left-out.txt 2>/dev/null || [ $? -eq 1 ]
    ) && mv "$out/.results.tgz" "$out/results.tgz" || say "the results cannot be packed into $out"
}

# What is printed is kept up to a size, and read to its end.
keep_words() { head -c $most_words; cat >/dev/null; }

session='' holder='' data='' wrong=0

# phase NAME LEAST MOST COMMAND...: for so many seconds at most, and not at all where fewer than LEAST are left. @limit in the
# command is what it is given to end by itself.
phase() {
    local name=$1 least=${LEAST:-$2} most=$3 start=$SECONDS left=$((LIMIT - reserve - SECONDS)) words rc tries=0
    shift 3
    case " ${PHASES:-$name} " in *" $name "*) ;; *) return 0 ;; esac
    if [ $left -lt 1 ] || [ $left -lt "$least" ]; then
        say "== $name: not begun, $left s are left"
        return 0
    fi
    if [ "$most" -gt $left ]; then most=$left; fi
    keep_words <"$work/pipe" >"$results/$name.txt" 2>/dev/null & words=$!
    setsid timeout -s KILL "$most" "${@//@limit/$(((most * 19 + 19) / 20))}" </dev/null >"$work/pipe" 2>&1 & session=$!
    wait $session 2>/dev/null
    rc=$?
    stop $session
    session=''
    # One that left its session may still hold the pipe.
    while kill -0 $words 2>/dev/null && [ $tries -lt 40 ]; do sleep 0.05; tries=$((tries + 1)); done
    kill $words 2>/dev/null
    wait $words 2>/dev/null
    if [ $rc -ne 0 ]; then wrong=1; fi
    say "== $name: exit code $rc$([ $rc -ne 137 ] || echo ', killed') after $((SECONDS - start)) s, at $SECONDS s"
    say "$(tail -n "${TAIL:-6}" "$results/$name.txt" | tr -d '\0' | cut -c1-400)"
    pack
    return $rc
}

finish() {
    trap - EXIT
    # The shell would tell of whatever it sees killed.
    exec 2>/dev/null
    for left in $session $holder $data; do stop "$left"; done
    say "done at $SECONDS s"
    pack
    if [ -z "${WORK:-}" ]; then rm -rf "$work"; fi
    exit "$1"
}
trap 'finish $?' EXIT
trap 'say stopped from outside; exit 1' HUP INT TERM

if ! { cp -R "$bundle/." "$work/" && chmod -R u+rwX "$work" && mkfifo "$work/pipe"; }; then
    mistake "$bundle cannot be copied to $work"
fi
for packed in "$work"/*.gz "$work"/runners/*.gz; do
    if [ -f "$packed" ] && ! { gzip -df "$packed" && chmod +x "${packed%.gz}"; }; then mistake "$packed cannot be unpacked"; fi
done
export MODALITY_BENCH_CACHE=${MODALITY_BENCH_CACHE:-$work/cache} PYTHONUNBUFFERED=1
if [ "$MODALITY_BENCH_CACHE" != "$work/cache" ]; then
    mkdir -p "$MODALITY_BENCH_CACHE" && cp -R "$work/cache/." "$MODALITY_BENCH_CACHE/"
fi
bench=$work/modality-bench runners=$work/runners
cd "$work" || exit 2
say "$(cat made-from.txt)"

TAIL=8 phase machine 1 20 bash -c 'date; nvidia-smi; nvidia-smi -q -d CLOCK,POWER,ECC; lscpu; env | grep -E "CUDA|LD_LIB|NVIDIA|OMP"
    ls -d /usr/local/cuda*; ldconfig -p | grep -E "libcuda\.|libcublas|libcusolver|nvidia-ml"; ldd --version | head -n 1
    for program in python3 nvcc ncu compute-sanitizer; do command -v $program; done; free -g; true'

phase facts 2 45 "$runners/gpu-check" --facts
facts=$?
if [ $facts -ne 0 ]; then
    # Whatever the program does not find by itself may be among Python's packages.
    libraries=$(timeout 20 python3 -c 'import site; print(site.getsitepackages()[0])' 2>/dev/null)/nvidia/cu13/lib
    if [ -d "$libraries" ]; then
        export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
        phase facts-by-path 2 45 "$runners/gpu-check" --facts
        facts=$?
    fi
    if [ $facts -ne 0 ]; then
        phase loader 2 30 bash -c 'LD_DEBUG=libs "$0" --facts 2>&1 | grep -E "lib(cuda|cublas|cusolver|nvidia)"' "$runners/gpu-check"
        if [ $facts -eq 3 ]; then say "there is no GPU that can be checked"; exit 3; fi
        say "the device does not answer"
        exit 1
    fi
    wrong=0
fi

# Ends with the visit even where this script is killed.
setsid bash -c 'sleep "$0" | "$1" --hold' "$LIMIT" "$runners/gpu-check" >"$results/hold.txt" 2>&1 & holder=$!
if [ -n "${MEMORY:-}" ]; then
    # The first to go where there is less.
    phase memory 5 60 bash -c 'echo 1000 >/proc/self/oom_score_adj; head -c "$0G" /dev/zero | tail -c "$0G" >/dev/null; free -g' "$MEMORY"
fi
# The data of the largest study, beside what leaves most cores idle.
RAYON_NUM_THREADS=$(($(nproc) * 2 / 3 + 1)) setsid timeout -s KILL $((LIMIT / 3 + 1)) \
    "$bench" --offline fetch bmmc-synthetic --size paper >"$results/fetch.txt" 2>&1 & data=$!

# In a process each: a kernel that breaks the device fails all that follows it.
TAIL=40 phase conformance 5 60 "$runners/gpu-check" --only conformance --out "$results/conformance.json"
TAIL=80 phase kernels 10 110 "$runners/gpu-check" --only kernels --out "$results/kernels.json"
wait $data 2>/dev/null
say "data: exit code $?, at $SECONDS s"
stop $data
data=''

# study NAME LEAST MOST OPTION...
study() {
    local name=$1 least=$2 most=$3
    shift 3
    phase "$name" "$least" "$most" "$bench" --offline gpu-check --only studies --limit @limit --out "$results/$name" \
        ${MEMORY:+--memory "$MEMORY"} "$@"
}
study first 15 60 --studies gpu-paper --rows cuda --repeats 1
study paper 60 270 --studies gpu-paper --rows tsvd-krr --repeats 3
study small 30 90 --studies gpu --rows tsvd-krr --repeats 3
study mlp 30 90 --studies gpu --rows mlp/torch-cuda --repeats 3
# Where there are two ways to compute something, the other one, beside `first`.
for way in halves no-cholesky-qr no-streams; do
    MODALITY_BENCH_CUDA_WAYS=$way study $way 15 45 --studies gpu-paper --rows cuda --repeats 1
done
# What first calls of the libraries' kernels cost inside the timed stages: beside `first`.
CUDA_MODULE_LOADING=EAGER study eager 15 45 --studies gpu-paper --rows cuda --repeats 1
# Fewer landmarks, which a GPU may like better than a CPU does.
cat >bench-configs/studies/landmarks.toml <<'END'
title = "Landmarks on a GPU"
description = "TSVD + KRR by the number of landmarks."
dataset = { name = "bmmc-synthetic", size = "paper" }
repeats = 1
seed = 0
rows = ["tsvd-krr/cuda"]

[sweep.tsvd-krr]
landmarks = [768, 1024, 1536, 2064]
END
study landmarks 20 60 --studies landmarks
study gnn 30 120 --studies gpu --rows gnn/torch-cuda --repeats 1

phase sanitizer 60 120 "$bench" --offline gpu-check --only sanitizer --limit @limit --out "$results/sanitizer"

# The time of every kernel of a run, the libraries' among them; then our own slowest, looked into.
if command -v ncu >/dev/null; then
    phase launches 40 100 ncu --clock-control none --target-processes all --metrics gpu__time_duration.sum --csv --page raw \
        --log-file "$results/launches.csv" "$bench" --offline reproduce --study gpu-paper --only tsvd-krr/cuda --repeats 1 \
        --timeout @limit --out "$results/launches"
    for kernel in multiply_kept keep_tiles; do
        phase $kernel 15 40 ncu --clock-control none --set detailed --kernel-name "regex:^$kernel\$" --launch-skip 10 \
            --launch-count 1 --kill yes --csv --page details --log-file "$results/$kernel.csv" "$runners/gpu-check" --only kernels
    done
fi
exit $wrong

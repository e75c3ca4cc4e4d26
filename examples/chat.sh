#!/usr/bin/env bash
# Talks with a Gemma 4: installs what is missing, builds examples/chat.cpp for the model, and runs it.
#
#   examples/chat.sh                                 the small model of this repository
#   examples/chat.sh "Name three rivers."            one question, one answer
#   examples/chat.sh --model DIR [PROMPT] [OPTION]…  another checkpoint: a folder, or a GGUF file
#   examples/chat.sh --model DIR --draft DIR …       the same with its assistant, which guesses answers: quicker
#   examples/chat.sh --help                          all options
#
# With CARAT_WEIGHTS=f32|bf16|f16|q8_0|q4_0 in the environment the weights are kept in that format, not as stored. Activations
# are rounded for the machine's dot product, as a chat does not mind, unless CARAT_ARITHMETIC is exact.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

model=
draft=
previous=
groups=()
for argument in "$@"; do
    case $argument in --model=*) model=${argument#--model=} ;; esac
    [[ $previous == --model ]] && model=$argument
    case $argument in --draft=*) draft=${argument#--draft=} ;; esac
    [[ $previous == --draft ]] && draft=$argument
    # A file of moving pictures needs more packages than a folder of frames or a GIF.
    video=
    case $argument in --video=*) video=${argument#--video=} ;; esac
    [[ $previous == --video ]] && video=$argument
    [[ -f $video && $video != *.[gG][iI][fF] ]] && groups=(--with video)
    if [[ $argument == --help || $argument == -h ]]; then  # the program, built below, tells the rest
        sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"
        echo
    fi
    previous=$argument
done
arguments=("$@")
if [[ -z $model ]]; then
    model=$root/examples/pocket
    arguments=(--model "$model" "$@")
fi
if [[ ! -f $model/config.json && ! (-f $model && $model == *.[gG][gG][uU][fF]) ]] &&
    ! compgen -G "$model/*.[gG][gG][uU][fF]" >/dev/null; then
    echo "carat: $model has no config.json; expected the folder of a Gemma 4 checkpoint, or its GGUF file" >&2
    exit 1
fi

"$root/cmake/setup.sh" ${groups[@]+"${groups[@]}"}

# One build folder for each model, assistant, weight format and arithmetic, since they are part of the program.
if [[ -f $model ]]; then
    model=$(cd "$(dirname "$model")" && pwd)/$(basename "$model")
else
    model=$(cd "$model" && pwd)
fi
if [[ -n $draft ]]; then
    if [[ ! -f $draft/config.json ]]; then
        echo "carat: $draft has no config.json; expected the folder of a Gemma 4's assistant" >&2
        exit 1
    fi
    draft=$(cd "$draft" && pwd)
fi
weights=${CARAT_WEIGHTS:-}
arithmetic=${CARAT_ARITHMETIC:-fast}
build=$root/build/chat
if [[ $model != "$root/examples/pocket" || -n $weights$draft || $arithmetic != fast ]]; then
    build=$root/build/chat-$(cksum <<<"$model $weights $arithmetic $draft" | cut -d ' ' -f 1)
fi

# Quiet, unless it takes long or fails.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { "$@" >"$log" 2>&1 </dev/null || { cat "$log" >&2; exit 1; }; }
if ((${#groups[@]} > 0)) && ! grep -qs '^CARAT_FFMPEG_DIR:PATH=/' "$build/CMakeCache.txt"; then
    rm -f "$build/build.ninja"  # configured without
fi
if ! grep -qs "^CARAT_ARITHMETIC:STRING=$arithmetic\$" "$build/CMakeCache.txt"; then
    rm -f "$build/build.ninja"  # by an older version of this file
fi
if [[ ! -f $build/build.ninja ]]; then
    echo "carat: building the chat program for $(basename "$model"), once; this takes a minute or two" >&2
    (cd "$root" && quietly cmake --preset chat -B "$build" "-DCARAT_MODEL=$model" "-DCARAT_WEIGHTS=$weights" \
        "-DCARAT_ARITHMETIC=$arithmetic" "-DCARAT_DRAFT=$draft")
fi
quietly cmake --build "$build" --target chat -j "$(getconf _NPROCESSORS_ONLN)"
rm -f "$log"
trap - EXIT
exec "$build/examples/chat" "${arguments[@]}"

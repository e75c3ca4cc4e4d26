#!/usr/bin/env bash
# Installs what is missing, then configures, builds and tests everything: what CI runs and what a contributor runs.
#
#   tests/run.sh           preset dev (each public header alone: preset clang, or cmake --build --preset headers)
#   tests/run.sh PRESET…   others: clang, release, asan, tsan, noexcept; for other machines baseline, avx2, avx2_vnni, avx512,
#                          aarch64, aarch64_dotprod, aarch64_bf16, wasm
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cmake/setup.sh --with tests --with video
for preset in "${@:-dev}"; do
    if [[ $preset == clang ]]; then cmake/setup.sh --with clang; fi
    if [[ $preset == wasm ]]; then cmake/setup.sh --with web; fi
    if [[ $preset == aarch64* ]]; then cmake/setup.sh --with aarch64; fi
    cmake --workflow --preset "$preset"
done

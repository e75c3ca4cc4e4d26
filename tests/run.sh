#!/usr/bin/env bash
# Installs what is missing, then configures, builds and tests everything: what CI runs and what a contributor runs.
#
#   tests/run.sh           preset dev
#   tests/run.sh PRESET…   others: clang, release, baseline, asan, tsan, noexcept
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cmake/setup.sh --with tests --with video
for preset in "${@:-dev}"; do
    if [[ $preset == clang ]]; then cmake/setup.sh --with clang; fi
    cmake --workflow --preset "$preset"
done

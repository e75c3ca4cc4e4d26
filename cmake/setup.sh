#!/usr/bin/env bash
# Installs, by package name, what carat needs to build, test and run, and is silent and quick when nothing is missing.
#
#   cmake/setup.sh               compiler, CMake, Ninja and the libraries
#   cmake/setup.sh --with clang  the second compiler as well (preset `clang`)
#   cmake/setup.sh --with tests  what only the tests of packages and debuggers need as well
#   cmake/setup.sh --with video  FFmpeg's libraries as well, for video files (120 MB, half a minute)
#   cmake/setup.sh --with web    emscripten for the page in examples/web, and a browser to test it (1.5 GB)
#   cmake/setup.sh --with aarch64  the cross compiler and the emulator of presets `aarch64…` as well, and what carat::text links
#   cmake/setup.sh --with bench  what bench/compare needs as well: NumPy, npm for its peer, oneDNN for its products
#
# Works as root or through sudo. Debian 12 has Highway 1.0 and carat needs 1.2: there the headers come from Debian 13's
# package, fetched by name with apt from the mirror this machine uses already, checked against the same archive key,
# and unpacked into ${XDG_CACHE_HOME:-~/.cache}/carat/highway, where carat's CMake looks. Nothing of it is installed.
# So do the libraries for Arm (.../carat/aarch64): the packages of two architectures cannot be installed side by side.
set -euo pipefail

packages=(g++ cmake ninja-build libxsimd-dev rapidjson-dev libsentencepiece-dev libutf8proc-dev libcli11-dev
          libedit-dev libeigen3-dev libsndfile1-dev libmpg123-dev libsoxr-dev libpng-dev libjpeg-dev libgif-dev
          libwebp-dev doctest-dev libbenchmark-dev)
highway_floor=1.2
arm=
arm_packages=(libsentencepiece-dev libsentencepiece0 libutf8proc-dev libutf8proc2)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ -n ${XDG_CACHE_HOME:-} ]]; then cache=$XDG_CACHE_HOME/carat
elif [[ -n ${HOME:-} ]]; then cache=$HOME/.cache/carat
else cache=$here/build/cache; fi

say() { printf 'carat: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

while (($#)); do
    case $1 in
        --with)
            case ${2:-} in
                clang) packages+=(clang) ;;
                tests) packages+=(gdb pkg-config doxygen libxml2-utils) ;;
                video) packages+=(libavformat-dev libavcodec-dev libswscale-dev) ;;
                web) packages+=(emscripten chromium) ;;
                aarch64) packages+=(g++-aarch64-linux-gnu qemu-user); arm=yes ;;
                bench) packages+=(python3-numpy npm libdnnl-dev) ;;
                *) die "--with knows the groups clang, tests, video, web, aarch64 and bench; found '${2:-}'" ;;
            esac
            shift 2 ;;
        -h | --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"; exit 0 ;;
        *) die "unknown argument '$1'; see cmake/setup.sh --help" ;;
    esac
done

if ! { command -v dpkg-query && command -v apt-get; } >/dev/null; then
    # Another system: whoever has a compiler and CMake has made their choice, and CMake names what it does not find.
    if command -v c++ && command -v cmake && command -v ninja; then exit 0; fi >/dev/null
    die "this system has no apt; please install g++ 12 or clang 14 (or newer), CMake 3.25, Ninja, Highway 1.2" \
        "(headers), xsimd 8.1, RapidJSON, sentencepiece, utf8proc, CLI11, Eigen, libsndfile, mpg123, soxr, libpng," \
        "libjpeg-turbo, giflib, libwebp; to edit lines libedit; for video files FFmpeg 5.1;" \
        "for the tests doctest, for the benchmarks Google Benchmark"
fi

log=
scratch=
trap 'rm -rf ${log:+"$log"} ${scratch:+"$scratch"}' EXIT

# Runs a command quietly; what it said is shown only if it fails.
quietly() {
    log=${log:-$(mktemp)}
    "$@" >"$log" 2>&1 </dev/null || { tail -n 20 "$log" >&2; return 1; }
}
as_root() {
    if [[ $(id -u) == 0 ]]; then env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null; then sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else die "packages are missing and this is neither root nor is there sudo; please install: ${missing[*]}"; fi
}

version_of() { dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | sed -n 's/^installed //p'; }
have_highway() {
    [[ -f $cache/highway/usr/include/hwy/highway.h ]] && return
    local version
    version=$(version_of libhwy-dev)
    [[ -n $version ]] && dpkg --compare-versions "$version" ge "$highway_floor"
}

updated=
update() {
    [[ -n $updated ]] && return
    say "reading the package lists"
    quietly as_root apt-get update || die "apt-get update failed"
    updated=yes
}
# install PACKAGE...: all in one step.
install() {
    update
    say "installing $*"
    quietly as_root apt-get install -y --no-install-recommends "$@" || die "apt-get could not install: $*"
}

missing=()
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true)
for package in "${packages[@]}"; do
    [[ $'\n'$installed$'\n' == *$'\n'"installed $package"$'\n'* ]] && continue
    case $package in  # a tool from elsewhere will do
        g++ | cmake | npm) command -v "$package" >/dev/null && continue ;;
        ninja-build) command -v ninja >/dev/null && continue ;;
        clang) command -v clang++ >/dev/null && continue ;;
        emscripten) command -v em++ >/dev/null && continue ;;
    esac
    missing+=("$package")
done
((${#missing[@]} == 0)) || install "${missing[@]}"

# debian_sources FILE RELEASE SUITES: this machine's own sources of the suites (an expression), with the release in their
# place and for any architecture: the same mirror, the same options, the same key. Says which file it wrote.
debian_sources() {
    local suites=$3 file
    for file in /etc/apt/sources.list.d/*.sources; do
        [[ -f $file ]] || continue
        awk -v suites="^($suites)\$" -v release="$2" '
            BEGIN { RS = ""; FS = "\n" }
            {
                type = suite = 0
                for (i = 1; i <= NF; ++i) {
                    n = split($i, word, /[ \t]+/)
                    if ($i ~ /^Types:/) for (j = 2; j <= n; ++j) if (word[j] == "deb") type = 1
                    if ($i ~ /^Suites:/) for (j = 2; j <= n; ++j) if (word[j] ~ suites) suite = 1
                    if (tolower($i) ~ /^enabled:[ \t]*no/) type = 0
                }
                if (!type || !suite) next
                for (i = 1; i <= NF; ++i) {
                    if ($i ~ /^(#|Architectures:)/) continue
                    if ($i ~ /^Types:/) $i = "Types: deb"
                    if ($i ~ /^Suites:/) $i = "Suites: " release
                    if ($i ~ /^Components:/) $i = "Components: main"
                    print $i
                }
                exit
            }' "$file" >"$1.sources"
        if [[ -s $1.sources ]]; then echo "$1.sources"; return; fi
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [[ -f $file ]] || continue
        sed -nE -e "s/^deb[ \t]+(\[[^]]*\][ \t]+)?([^ \t]+)[ \t]+($suites)[ \t]+(.*[ \t])?main([ \t].*)?\$/deb \1\2 $2 main/p" \
            "$file" | sed -E 's/(\[[^]]*)arch=[^] ]*/\1/; s/\[ *\] *//' | head -n 1 >"$1.list"
        if [[ -s $1.list ]]; then echo "$1.list"; return; fi
    done
    return 1
}
# fetch WHERE WHAT ARCHITECTURE RELEASE SUITES PACKAGE...: unpacks packages of another release or architecture into
# a folder of the cache, with package lists of its own.
fetch() {
    local where=$1 what=$2 architecture=$3 release=$4 suites=$5 sources options package
    shift 5
    mkdir -p "$cache"
    scratch=$(mktemp -d "$cache/fetch.XXXXXX")
    mkdir -p "$scratch/lists/partial" "$scratch/archives/partial" "$scratch/packages"
    : >"$scratch/status"  # nothing is installed there
    sources=$(debian_sources "$scratch/debian" "$release" "$suites") || return
    options=(-o "Dir::Etc::SourceList=$sources" -o Dir::Etc::SourceParts=/dev/null
             -o "Dir::State::Lists=$scratch/lists" -o "Dir::State::status=$scratch/status" -o "Dir::Cache=$scratch"
             -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture"
             -o Acquire::Languages=none -o APT::Get::List-Cleanup=0)
    [[ $(id -u) == 0 ]] && options+=(-o APT::Sandbox::User=root)  # the scratch folder is root's
    say "fetching $what"
    quietly apt-get "${options[@]}" update || die "could not read the package list of Debian's $release"
    (cd "$scratch/packages" && quietly apt-get "${options[@]}" download "$@") ||
        die "could not download $* of Debian's $release"
    for package in "$scratch"/packages/*.deb; do dpkg -x "$package" "$scratch/unpacked"; done
    rm -rf "${cache:?}/$where"
    mv "$scratch/unpacked" "$cache/$where" || return
    rm -rf "$scratch"
}

if [[ -n $arm && ! -e $cache/aarch64/usr/lib/aarch64-linux-gnu/libsentencepiece.so ]]; then
    release=$(. /etc/os-release && echo "${ID}_${VERSION_CODENAME:-}")
    if [[ $release != debian_?* ]] ||
        ! fetch aarch64 "what carat::text links on 64-bit Arm (${arm_packages[*]})" \
            arm64 "${release#debian_}" "${release#debian_}|testing|stable|oldstable" "${arm_packages[@]}"; then
        say "found no Debian mirror to fetch ${arm_packages[*]} for arm64 from: no carat::text in presets aarch64…"
    fi
fi
have_highway && exit 0

candidate=$(apt-cache policy libhwy-dev 2>/dev/null | sed -n 's/^ *Candidate: //p')
if [[ -z $candidate || $candidate == "(none)" ]]; then
    update
    candidate=$(apt-cache policy libhwy-dev | sed -n 's/^ *Candidate: //p')
fi
system=$(. /etc/os-release && echo "$ID $VERSION_ID")
if [[ -n $candidate && $candidate != "(none)" ]] && dpkg --compare-versions "$candidate" ge "$highway_floor"; then
    missing=(libhwy-dev)
    install libhwy-dev
elif [[ $system == "debian 12" ]]; then
    fetch highway "the headers of Highway 1.2 (libhwy-dev of Debian 13)" \
        "$(dpkg --print-architecture)" trixie 'bookworm|oldstable|stable' libhwy-dev ||
        die "found no Debian mirror in /etc/apt to fetch libhwy-dev 1.2 from; set CARAT_HIGHWAY_DIR for CMake instead"
    have_highway || die "libhwy-dev of Debian 13 holds no hwy/highway.h"
else
    die "carat needs the headers of Highway 1.2 or newer and this system offers '${candidate}'; unpack them anywhere" \
        "and tell CMake: -DCARAT_HIGHWAY_DIR=<folder that holds hwy/highway.h>"
fi

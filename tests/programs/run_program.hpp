/// \file
/// The real programs, run with arguments, and what they say.
#pragma once

#include "carat/text/read_file.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace carat::test {

inline const std::string pocket = CARAT_SOURCE_DIR "/examples/pocket";
inline const std::string scratch = CARAT_PROGRAMS_SCRATCH "/";

struct Ran {
    int status = 0;
    std::string out, error;
};
inline Ran run(const std::string& program, const std::string& arguments) {
    const std::string out = scratch + "stdout", error = scratch + "stderr";
    const std::string line =
        CARAT_PROGRAMS "/" + program + " " + arguments + " >" + out + " 2>" + error + " </dev/null";
    Ran r;
    r.status = std::system(line.c_str());
    const auto text = [](const std::string& path) {
        const auto read = read_file(path);
        return read ? *read : std::string();
    };
    r.out = text(out);
    r.error = text(error);
    return r;
}
inline void write(const std::string& name, const std::string& bytes) {
    std::ofstream file(scratch + name, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    REQUIRE(file.flush());
}

}  // namespace carat::test

#include "carat/attachments/base64.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

using namespace carat;

TEST_CASE("base64 is RFC 4648's, to the last bit") {
    const auto decoded = [](std::string_view text) {
        const auto bytes = decode_base64(text, "x");
        return bytes ? std::string(bytes->begin(), bytes->end()) : bytes.error().text;
    };
    for (const auto& [text, bytes] :
         std::initializer_list<std::pair<const char*, const char*>>{{"", ""},
                                                                    {"Zg==", "f"},
                                                                    {"Zm8=", "fo"},
                                                                    {"Zm9v", "foo"},
                                                                    {"Zm9vYg==", "foob"},
                                                                    {"Zm9vYmE=", "fooba"},
                                                                    {"Zm9vYmFy", "foobar"},
                                                                    {"Zm9vYmE", "fooba"},
                                                                    {"Zg", "f"},
                                                                    {"++//", "\xfb\xef\xff"}})
        CHECK(decoded(text) == bytes);
    for (const char* text : {"Z", "Zm9vY", "Zh", "Zm9=", "Zm9vYh=="})
        CHECK(decoded(text) == "x: base64 breaks off inside a byte");
    CHECK(decoded("Zm9v\n") == "x: no base64 at character 4 of 5");
    CHECK(decoded("Zg=") == "x: no base64 at character 2 of 3");
    CHECK(decoded("=Zg=") == "x: no base64 at character 0 of 4");
    CHECK(decoded("Z===") == "x: no base64 at character 1 of 4");
    CHECK(decoded("Zm-v") == "x: no base64 at character 2 of 4");
    CHECK(decoded("====") == "x: no base64 at character 0 of 4");
}

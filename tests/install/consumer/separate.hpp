#pragma once
#include <carat/base/result.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

carat::Result<std::vector<std::int32_t>> ids_of(const std::string& folder, std::string_view text);

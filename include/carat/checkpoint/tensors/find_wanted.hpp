/// \file
/// Wanted tensors in the files of a checkpoint: found, and compared in shape and type.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/checkpoint/bind_options.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/tensors/stored_tensor.hpp"
#include "carat/checkpoint/tensors/wanted_tensor.hpp"
#include "carat/tensor/arena.hpp"
#include "carat/tensor/element.hpp"
#include "carat/tensor/stored_blocks.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace carat::inline CARAT_ABI {
namespace detail {

/// Equal but for axes of one, which GGUF files drop or add.
inline bool same_file_shape(const StoredTensor& tensor, std::span<const std::size_t> shape) {
    const bool scalar = tensor.shape.empty() && shape.size() == 1 && shape[0] == 1;
    if (scalar || std::equal(tensor.shape.begin(), tensor.shape.end(), shape.begin(), shape.end()))
        return true;
    if (tensor.stored_as.empty()) return false;
    const auto next = [](std::span<const std::size_t> s, std::size_t& i) {
        while (i < s.size() && s[i] == 1) ++i;
        return i < s.size() ? s[i++] : 1;
    };
    for (std::size_t i = 0, j = 0; i < tensor.shape.size() || j < shape.size();)
        if (next(tensor.shape, i) != next(shape, j)) return false;
    return true;
}

/// Compares a tensor of a file with what is wanted.
[[gnu::cold]] inline void check_wanted(const BindOptions& options, WantedTensor& want,
                                       const CheckpointFiles::Located& found,
                                       std::span<const std::size_t> shape, Faults& faults) {
    const StoredTensor& tensor = *found.tensor;
    const std::string who = "tensor " + printable(tensor.spelling());
    if (!same_file_shape(tensor, shape)) {
        faults.add_in(
            found.file->name, Errc::mismatch,
            joined({who, " is ", shape_text(tensor.shape), ", expected ", shape_text(shape)}));
        return;
    }
    const bool any = want.dtype == DType::unknown, same = tensor.dtype == want.dtype;
    if (tensor.panels ? !same || want.pack == nullptr || tensor.bytes != want.packed_bytes
                      : tensor.sums != nullptr &&
                            ((!any && (!same || want.pack != nullptr)) || want.order != nullptr)) {
        faults.add_in(
            found.file->name, Errc::mismatch,
            joined({who, " is packed as ", name_of(tensor.dtype), tensor.panels ? " in panels" : "",
                    " of ", tensor.bytes, " bytes, expected ",
                    any ? std::string("rows") : std::string(name_of(want.dtype)),
                    want.pack != nullptr ? " in panels" : ""}));
        return;
    }
    if (!same && !((any || options.convert) && is_float_stored(tensor.dtype))) {
        faults.add_in(
            found.file->name, Errc::mismatch,
            joined({who, " is ", printable(tensor.dtype_name, 16), ", expected ",
                    any ? std::string("a type of numbers") : std::string(name_of(want.dtype)),
                    any || !options.convert    ? ""
                    : tensor.stored_as.empty() ? " or another of F32, BF16, F16"
                                               : " or another of F32, BF16, F16, Q8_0, "
                                                 "Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, "
                                                 "Q6_K"}));
        return;
    }
    if (tensor.converted != Converted::nothing && want.row_values == 0)
        want.row_values = shape.back();
    want.count = tensor.count();  // its bytes are in the file, so that some times more are fine
    const auto address = reinterpret_cast<std::uintptr_t>(tensor.data);
    const std::size_t alignment = any                    ? 1
                                  : want.pack != nullptr ? planned_alignment
                                                         : size_of(want.dtype);
    const bool stays =
        want.residence == Residence::mapped || (comes_packed(want) && options.in_place);
    want.copied = !any && !(stays && as_wanted(want) && address % alignment == 0);
}

/// Looks a tensor up, and says what is wrong with it.
[[gnu::cold]] inline void find_wanted(const CheckpointFiles& files, const BindOptions& options,
                                      WantedTensor& want, Faults& faults) {
    want.copied = false;
    want.up = {};
    want.found = files.find(want.name);
    if (!want.found) {  // experts that a file splits into two tensors?
        want.found = files.find(want.name + ".gate");
        want.up = files.find(want.name + ".up");
        if (!want.found || !want.up || want.shape.size() != 3) want.found = want.up = {};
    }
    if (!want.found) {
        if (!want.optional)
            faults.add(Errc::mismatch, joined({"tensor ", want.name, " is missing"}));
        return;
    }
    if (!want.up) return check_wanted(options, want, want.found, want.shape, faults);
    const std::size_t half[] = {want.shape[0], want.shape[1] / 2, want.shape[2]};
    check_wanted(options, want, want.found, half, faults);
    const std::size_t count = want.count;
    check_wanted(options, want, want.up, half, faults);
    want.count += count;
    want.copied = true;
    if (want.row_values == 0) want.row_values = want.shape[2];
}

}  // namespace detail
}  // namespace carat::inline CARAT_ABI

/// \file
/// What the towers' tensors have in common: whether files have them, and that they stay there.
#pragma once

#include "carat/checkpoint/bind.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"

#include <cstddef>
#include <initializer_list>
#include <string>

namespace carat::inline CARAT_ABI {

/// Weights of a tower, or nothing where the config has none.
template <bool present, class Tower>
struct TowerWeights {
    using type = typename Tower::Weights;
};
template <class Tower>
struct TowerWeights<false, Tower> {
    struct type {};
};

/// Binds what a tower wants in its file: who talks only never pays for ears.
template <class Bind>
struct InFile {
    using Name = typename Bind::Name;
    Bind& bind;
    static constexpr Name layer_prefix(std::size_t layer) { return Bind::layer_prefix(layer); }
    template <class Slot>
    constexpr void operator()(Name name, Slot& slot, Residence = Residence::mapped) {
        bind(name, slot, Residence::mapped);
    }
    template <class Slot>
    constexpr void optional(Name name, Slot& slot, Residence = Residence::mapped) {
        bind.optional(name, slot, Residence::mapped);
    }
};

/// Whether the files have one of these tensors; the binder's prefix is then theirs.
inline bool find_tower(const CheckpointFiles& files, Binder& bind,
                       std::initializer_list<const char*> names) {
    for (const char* prefix : {"model.", ""})
        for (const char* name : names)
            if (files.find(std::string(prefix) + name)) {
                bind.set_prefix(prefix);
                return true;
            }
    return false;
}

}  // namespace carat::inline CARAT_ABI

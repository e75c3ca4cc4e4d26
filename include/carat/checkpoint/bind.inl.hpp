/// \file
/// What bind.hpp declares.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/name_order.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/bind.hpp"
#include "carat/checkpoint/faults.hpp"
#include "carat/checkpoint/packed.hpp"
#include "carat/checkpoint/tensors/find_wanted.hpp"
#include "carat/checkpoint/tensors/read_wanted.hpp"
#include "carat/checkpoint/tensors/wanted_tensor.hpp"
#include "carat/checkpoint/unfinished_file.hpp"
#include "carat/tensor/arena.hpp"
#include "carat/tensor/view.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

[[gnu::cold]] CARAT_ONCE Result<std::size_t> Binder::plan() {
    Faults faults(files_->name());
    for (Want& want : wants_) detail::find_wanted(*files_, options_, want, faults);
    if (!faults.none()) return faults.error();
    // A tensor wanted twice in one form is copied once: the first to want it leads.
    std::vector<std::size_t> order = copied_in_file_order();
    std::size_t leader = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
        if (i == 0 || !detail::same_copy(wants_[leader], wants_[order[i]])) leader = order[i];
        wants_[order[i]].leader = leader;
    }
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < wants_.size(); ++i) {
        Want& want = wants_[i];
        if (!want.copied || want.leader != i) continue;
        want.offset = bytes;
        const std::size_t size = want.bytes();  // plausible: see check_wanted()
        if (size > static_cast<std::size_t>(-1) / 2 - bytes)
            return Error{Errc::out_of_memory, files_->name() + ": larger than memory"};
        bytes += aligned_size(size);
    }
    return bytes;
}

[[gnu::cold]] CARAT_ONCE Result<Arena> Binder::finish(Progress progress) {
    const Result<std::size_t> bytes = plan();
    if (!bytes) return bytes.error();
    Arena arena;
    std::byte* base = nullptr;
    if (*bytes > 0) {
        arena = Arena(*bytes);
        base = arena.take<std::byte, dynamic>(*bytes).data();
        if (base == nullptr)
            return Error{Errc::out_of_memory,
                         joined({files_->name(), ": ", *bytes,
                                 " bytes of memory for the weights were refused"})};
    }
    std::vector<detail::ReadJob> jobs;
    for (const std::size_t i : copied_in_file_order())
        if (wants_[i].leader == i) detail::cut_into_jobs(wants_[i], jobs);
    for (const Want& want : wants_)
        if (options_.verify && !want.copied && detail::comes_packed(want))
            detail::cut_into_jobs(want, jobs);
    detail::ReadWork work{*files_, "loading", progress};
    for (const detail::ReadJob& job : jobs) work.total += job.bytes;
    const auto place = [base](const Want& want) { return base + want.offset; };
    if (auto done = detail::run_jobs(jobs, place, options_.executor, work); !done)
        return std::move(done).error();
    for (const Want& want : wants_) {
        const std::byte* data = nullptr;
        if (want.copied)
            data = base + wants_[want.leader].offset;
        else if (want.found)
            data = want.found.tensor->data;
        want.set(want.slot, data, want.found ? want.found.tensor->dtype : want.dtype);
    }
    return arena;
}

[[gnu::cold]] CARAT_ONCE Result<void> Binder::pack(UnfinishedFile& file, const PackedFor& made_for,
                                                   Progress progress) {
    const Result<std::size_t> planned = plan();
    if (!planned) return planned.error();
    std::vector<const Want*> order;
    for (const Want& want : wants_)
        if (want.found) order.push_back(&want);
    sort_by_name(order, [](const Want* want) { return std::string_view(want->name); });
    std::vector<PackedTensor> tensors;
    std::size_t most = 0;
    detail::ReadWork work{*files_, "packing", progress};
    for (std::size_t i = 0; i < order.size(); ++i) {
        const Want& want = *order[i];
        if (i + 1 < order.size() && order[i + 1]->name == want.name)
            return Error{Errc::unsupported,
                         joined({files_->name(), ": tensor ", printable(want.name),
                                 " is wanted twice, which a packed checkpoint cannot say"})};
        const bool as_is = detail::as_wanted(want);
        tensors.push_back({want.name,
                           as_is ? want.found.tensor->dtype : want.dtype,
                           want.pack != nullptr,
                           {want.shape.begin(), want.shape.end()},
                           as_is ? want.found.tensor->bytes : want.bytes()});
        if (!as_is) most = std::max(most, aligned_size(want.bytes()));
        work.total += tensors.back().bytes;
    }
    const Result<std::string> head = packed_head(made_for, tensors);
    if (!head) return head.error();
    Arena buffer(most);
    std::byte* base = buffer.take<std::byte, dynamic>(most).data();
    if (base == nullptr && most > 0)
        return Error{Errc::out_of_memory, joined({files_->name(), ": ", most,
                                                  " bytes of memory for a tensor were refused"})};
    file.write(head->data(), head->size());
    std::vector<std::uint64_t> sums;
    for (std::size_t i = 0; i < order.size() && !file.failed(); ++i) {
        const Want& want = *order[i];
        const bool as_is = detail::as_wanted(want);
        if (!as_is) {
            std::vector<detail::ReadJob> jobs;
            detail::cut_into_jobs(want, jobs);
            std::fill_n(base, aligned_size(want.bytes()), std::byte{});
            const auto place = [base](const Want&) { return base; };
            if (auto done = detail::run_jobs(jobs, place, options_.executor, work); !done)
                return done;
        }
        const std::span<const std::byte> from =
            as_is ? want.found.tensor->span() : std::span<const std::byte>(base, want.bytes());
        if (auto done = detail::write_pieces(file, want, from, as_is, sums, work); !done)
            return done;
    }
    file.write(sums.data(), sums.size() * sizeof(std::uint64_t));
    return {};
}

[[gnu::noinline, gnu::cold]] CARAT_ONCE void Binder::want(std::string_view name, Want tensor) {
    tensor.name.append(prefix_).append(name);
    wants_.push_back(std::move(tensor));
}

[[gnu::cold]] CARAT_ONCE std::vector<std::size_t> Binder::copied_in_file_order() const {
    std::vector<std::size_t> order =
        sorted_places(wants_.size(), [this](std::size_t i, std::size_t j) {
            if (wants_[i].copied != wants_[j].copied) return wants_[i].copied;
            if (!wants_[i].copied) return i < j;
            const Want &a = wants_[i], &b = wants_[j];
            const std::less<const void*> before;
            if (a.found.file != b.found.file) return before(a.found.file, b.found.file);
            if (a.found.tensor->data != b.found.tensor->data)
                return before(a.found.tensor->data, b.found.tensor->data);
            if (a.found.tensor != b.found.tensor) return before(a.found.tensor, b.found.tensor);
            return a.dtype != b.dtype ? a.dtype < b.dtype : i < j;
        });
    while (!order.empty() && !wants_[order.back()].copied) order.pop_back();
    return order;
}

}  // namespace carat::inline CARAT_ABI

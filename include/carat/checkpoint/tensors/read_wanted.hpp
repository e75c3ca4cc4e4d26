/// \file
/// Wanted tensors brought in from their files piece by piece: copied, converted, packed into
/// panels, compared with their checksums, by as many threads as there are.
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/printable.hpp"
#include "carat/base/progress.hpp"
#include "carat/base/result.hpp"
#include "carat/checkpoint/checkpoint_files.hpp"
#include "carat/checkpoint/checksum.hpp"
#include "carat/checkpoint/packed.hpp"
#include "carat/checkpoint/tensors/convert_elements.hpp"
#include "carat/checkpoint/tensors/converted_values.hpp"
#include "carat/checkpoint/tensors/wanted_tensor.hpp"
#include "carat/checkpoint/unfinished_file.hpp"
#include "carat/parallel/executor.hpp"
#include "carat/tensor/arena.hpp"
#include "carat/tensor/element.hpp"
#include "carat/tensor/matrix.hpp"
#include "carat/tensor/stored_blocks.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {
namespace detail {

/// A part of the copying: values [begin, end) of a tensor, or rows where it becomes panels or
/// is split, or bytes where it is packed.
struct ReadJob {
    const WantedTensor* want;
    std::size_t begin, end, bytes;
};

/// How far the copying is.
struct ReadWork {
    const CheckpointFiles& files;
    const char* what;
    Progress progress;
    std::size_t done = 0, total = 0;

    Result<void> add(std::size_t bytes) {
        done += bytes;
        if (progress(done, total)) return {};
        return Error{Errc::cancelled, joined({files.name(), ": ", what, " was cancelled after ",
                                              done, " of ", total, " bytes"})};
    }
};

/// Brings in the part of the file, unless it has gone since the file was opened.
inline bool still_there(const WantedTensor& want, std::span<const std::byte> part) {
    return want.found.file->map.will_need(part);
}

/// The same for a piece of a packed tensor and its checksum.
inline bool piece_still_there(const ReadJob& job) {
    const StoredTensor& t = *job.want->found.tensor;
    return still_there(*job.want, {t.data + job.begin, job.end - job.begin}) &&
           still_there(*job.want, packed_sum(t, job.begin));
}

/// Why a job could not be done.
inline Error job_fault(const ReadJob& job) {
    const StoredTensor& t = *job.want->found.tensor;
    const std::string who =
        joined({printable(job.want->found.file->name, 400), ": tensor ", printable(t.spelling())});
    if (t.converted != Converted::nothing && still_there(*job.want, t.span()))
        return {Errc::bad_format, who + " has values that are no softplus of anything"};
    if (!comes_packed(*job.want) || !piece_still_there(job))
        return {Errc::io, who + " is no longer in the file, which has been shortened"};
    return {Errc::bad_format, joined({who, " is damaged: its bytes [", job.begin, ", ", job.end,
                                      "] do not have the checksum of the file"})};
}

/// Where a row comes from: of each expert first the gate's rows, then the up's; or where an order
/// says.
struct RowSource {
    const StoredTensor* tensor;
    const std::byte* row;
};
inline RowSource row_source(const WantedTensor& want, std::size_t row) {
    const StoredTensor* t = want.found.tensor;
    if (want.order != nullptr) {
        row = static_cast<std::size_t>(want.order[row]);
    } else if (want.up) {
        const std::size_t half = want.shape[1] / 2, in_expert = row % want.shape[1];
        if (in_expert >= half) t = want.up.tensor;
        row = row / want.shape[1] * half + in_expert % half;
    }
    return {t, t->data + stored_bytes(t->dtype, row * want.row_values)};
}

/// still_there() for rows [begin, end) of experts in two tensors; those of either follow one
/// another.
inline bool halves_still_there(const WantedTensor& want, std::size_t begin, std::size_t end) {
    for (const CheckpointFiles::Located& half : {want.found, want.up}) {
        const std::size_t row_bytes = stored_bytes(half.tensor->dtype, want.row_values);
        const std::byte *first = nullptr, *last = nullptr;
        for (std::size_t row = begin; row < end; ++row)
            if (const RowSource source = row_source(want, row); source.tensor == half.tensor) {
                if (first == nullptr) first = source.row;
                last = source.row + row_bytes;
            }
        if (first != nullptr && !half.file->map.will_need({first, last})) return false;
    }
    return true;
}

/// still_there() for rows [begin, end) of a tensor in another order.
inline bool ordered_still_there(const WantedTensor& want, std::size_t begin, std::size_t end) {
    const std::size_t bytes = stored_bytes(want.found.tensor->dtype, want.row_values);
    for (std::size_t row = begin; row < end; ++row)
        if (!still_there(want, {row_source(want, row).row, bytes})) return false;
    return true;
}

/// Pieces of a megabyte of a file, so that memory peaks at the plan: each lets go of its source
/// behind itself. (Smaller ones are slower: letting go interrupts the other threads.)
inline void cut_into_jobs(const WantedTensor& want, std::vector<ReadJob>& jobs) {
    if (comes_packed(want)) {
        const std::size_t all = aligned_size(want.found.tensor->bytes);
        for (std::size_t at = 0; at < all; at += packed_piece) {
            const std::size_t end = std::min(all, at + packed_piece);
            jobs.push_back({&want, at, end, end - at});
        }
        return;
    }
    const StoredBlock block = stored_block(want.found.tensor->dtype);
    // Values: about so many bytes of the file, a whole number of any blocks.
    const std::size_t piece =
        packed_piece / block.bytes * block.values / most_block_values * most_block_values;
    const std::size_t width = read_by_rows(want) ? want.row_values : 1, all = want.count / width;
    const std::size_t step = std::max(piece / width / panel_rows, std::size_t{1}) * panel_rows;
    for (std::size_t at = 0; at < all; at += step) {
        const std::size_t end = std::min(all, at + step);
        const auto share = [&](std::size_t n) {  // of the bytes, without overflow
            return want.bytes() / all * n + want.bytes() % all * n / all;
        };
        jobs.push_back({&want, at, end, share(end) - share(at)});
    }
}

/// A piece of a packed tensor, with the zeros behind it: copied if the tensor is.
inline bool run_packed_job(const ReadJob& job, std::byte* to) {
    const WantedTensor& want = *job.want;
    const std::size_t n = job.end - job.begin;
    std::span<const std::byte> piece(want.found.tensor->data + job.begin, n);
    if (!piece_still_there(job)) return false;
    const std::span<const std::byte> source = piece;
    if (want.copied) {
        std::memcpy(to + job.begin, piece.data(), n);
        piece = {to + job.begin, n};
    }
    const bool good = packed_piece_is_good(*want.found.tensor, job.begin, piece);
    if (want.copied || want.residence == Residence::mapped) want.found.file->map.dont_need(source);
    return good;
}

/// The longest row that a job of them needs to have as floats.
inline std::size_t longest_row(std::span<const ReadJob> jobs) {
    std::size_t most = 0;
    for (const ReadJob& job : jobs) {
        const WantedTensor& want = *job.want;
        if (!comes_packed(want) &&
            (want.pack != nullptr || want.found.tensor->converted != Converted::nothing))
            most = std::max(most, want.row_values);
    }
    return most;
}

/// False where the file is shorter than it was, or where a packed or converted tensor is not what
/// was written. `values` and `stored` have room for longest_row(): nothing is allocated here, where
/// no thread could say that it was refused.
inline bool run_job(const ReadJob& job, std::byte* to, float* values, float* stored) {
    const WantedTensor& want = *job.want;
    if (comes_packed(want)) return run_packed_job(job, to);
    if (!read_by_rows(want)) {
        const StoredTensor& t = *want.found.tensor;
        const std::size_t first = stored_bytes(t.dtype, job.begin);
        const auto part = t.span().subspan(first, stored_bytes(t.dtype, job.end - job.begin));
        if (!still_there(want, part)) return false;
        convert_elements(to + stored_bytes(want.dtype, job.begin), want.dtype, part.data(), t.dtype,
                         job.end - job.begin);
        want.found.file->map.dont_need(part);
        return true;
    }
    const auto size = [&](std::size_t rows) {
        return stored_bytes(want.found.tensor->dtype, rows * want.row_values);
    };
    std::span<const std::byte> part;
    if (want.order != nullptr) {
        if (!ordered_still_there(want, job.begin, job.end)) return false;
    } else if (!want.up) {
        part = want.found.tensor->span().subspan(size(job.begin), size(job.end) - size(job.begin));
        if (!still_there(want, part)) return false;
    } else if (!halves_still_there(want, job.begin, job.end)) {
        return false;
    }
    const bool converted = want.found.tensor->converted != Converted::nothing;
    const auto place = [&](std::size_t row) {
        return to + stored_bytes(want.dtype, row * want.row_values);
    };
    for (std::size_t row = job.begin; row < job.end; ++row) {
        const auto [t, from] = row_source(want, row);
        if (converted) {
            read_stored(t->dtype, from, want.row_values, stored);
            if (!undo_conversion(t->converted, stored, want.row_values, values)) return false;
        } else if (want.pack == nullptr) {
            convert_elements(place(row), want.dtype, from, t->dtype, want.row_values);
            continue;
        } else if (t->dtype == want.dtype) {
            want.pack_blocks(to, row, from);
            continue;
        } else {
            read_stored(t->dtype, from, want.row_values, values);
        }
        if (want.pack != nullptr)
            want.pack(to, row, values);
        else
            convert_elements(place(row), want.dtype, reinterpret_cast<const std::byte*>(values),
                             DType::f32, want.row_values);
    }
    want.found.file->map.dont_need(part);
    return true;
}

/// Runs as many jobs at a time as keep the threads busy between two words of progress. A want's
/// bytes go to place(want).
template <class Place>
Result<void> run_jobs(std::span<const ReadJob> jobs, Place place,
                      const std::optional<ExecutorRef>& executor, ReadWork& work) {
    const std::size_t threads = executor ? executor->concurrency() : 1;
    const std::size_t batch = threads == 1 ? 1 : 4 * threads;
    const std::size_t row = longest_row(jobs);
    std::vector<float> rows(2 * row * threads);
    for (std::size_t first = 0; first < jobs.size(); first += batch) {
        const auto some = jobs.subspan(first, std::min(batch, jobs.size() - first));
        std::atomic<const ReadJob*> bad{nullptr};
        const auto share = [&](std::size_t worker) {
            float* const values = rows.data() + 2 * row * worker;
            for (std::size_t i = worker; i < some.size(); i += threads)
                if (!run_job(some[i], place(*some[i].want), values, values + row)) bad = &some[i];
        };
        if (threads == 1) {
            share(0);
        } else {
            executor->run(share);
        }
        if (const ReadJob* job = bad) return job_fault(*job);
        std::size_t bytes = 0;
        for (const ReadJob& job : some) bytes += job.bytes;
        if (auto done = work.add(bytes); !done) return done;
    }
    return {};
}

/// The bytes of a tensor, filled up, and their checksums. `counts`: they are progress.
inline Result<void> write_pieces(UnfinishedFile& file, const WantedTensor& want,
                                 std::span<const std::byte> from, bool counts,
                                 std::vector<std::uint64_t>& sums, ReadWork& work) {
    std::vector<std::byte> piece;
    for (std::size_t at = 0; at < from.size(); at += packed_piece) {
        const auto part = from.subspan(at, std::min(packed_piece, from.size() - at));
        if (counts && !still_there(want, part)) return job_fault({&want, 0, 0, 0});
        piece.assign(part.begin(), part.end());
        piece.resize(aligned_size(piece.size()));
        if (counts) {
            want.found.file->map.dont_need(part);
            if (auto done = work.add(part.size()); !done) return done;
        }
        sums.push_back(checksum(piece));
        file.write(piece.data(), piece.size());
    }
    return {};
}

}  // namespace detail
}  // namespace carat::inline CARAT_ABI

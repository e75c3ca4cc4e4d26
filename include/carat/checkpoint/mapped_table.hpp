/// \file
/// MappedTable: a table that stays in its file and is read a row a token, without its pages piling
/// up in memory.
#pragma once

#include "carat/checkpoint/checkpoint_files.hpp"

#include <atomic>
#include <cstddef>
#include <functional>
#include <span>

namespace carat::inline CARAT_ABI {

/// Sessions that read it tell it so, from any thread. Stays where it is.
class MappedTable {
  public:
    /// Rows whose pages may be in memory at once: so many are read before they are let go.
    static constexpr std::size_t rows_kept = 8;
    /// Bytes that they take, of rows of so many. The system maps 64 KB around a page that is
    /// touched.
    static constexpr std::size_t bytes_kept(std::size_t row_bytes) {
        constexpr std::size_t around = std::size_t{1} << 16;
        return rows_kept * ((row_bytes + around - 1) / around * around);
    }

    /// The table is `bytes`, in one of these files, which must stay, or in none.
    void find(const CheckpointFiles& files, std::span<const std::byte> bytes) {
        const std::less_equal<const std::byte*> before;
        for (const CheckpointFiles::File& file : files.files()) {
            const std::span<const std::byte> all = file.map.bytes();
            if (!all.empty() && before(all.data(), bytes.data()) &&
                before(bytes.data() + bytes.size(), all.data() + all.size()))
                file_ = &file.map;
        }
        bytes_ = bytes;
    }
    [[nodiscard]] bool in_file() const noexcept { return file_ != nullptr; }

    /// `rows` more of the table at `self` have been read: its pages go once rows_kept have.
    static void rows_read(const void* self, std::size_t rows) {
        const MappedTable& t = *static_cast<const MappedTable*>(self);
        if (t.file_ == nullptr) return;
        if (t.rows_.fetch_add(rows, std::memory_order_relaxed) + rows < rows_kept) return;
        t.rows_.store(0, std::memory_order_relaxed);
        t.file_->dont_need(t.bytes_);
    }

  private:
    const MappedFile* file_ = nullptr;
    std::span<const std::byte> bytes_{};
    mutable std::atomic<std::size_t> rows_{0};  ///< read since the pages last went
};

}  // namespace carat::inline CARAT_ABI

// What a model really takes, beside its plan.
#include "carat/gemma4.hpp"
#include "carat/parallel/executor.hpp"
#include "support/files.hpp"

#include <doctest/doctest.h>

#include <carat/models/pocket.hpp>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(CARAT_EMULATED)
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

namespace carat::test {
namespace {

using Gemma = Gemma4<models::pocket>;
constexpr SessionOptions options{.context_tokens = 1024, .chunk_tokens = 256};

/// A line of /proc/self/status in bytes.
std::size_t status(const char* name) {
    std::FILE* file = std::fopen("/proc/self/status", "r");
    if (file == nullptr) return 0;
    char line[256];
    std::size_t kilobytes = 0;
    while (std::fgets(line, sizeof line, file) != nullptr)
        if (std::strncmp(line, name, std::strlen(name)) == 0)
            std::sscanf(line + std::strlen(name), " %zu", &kilobytes);
    std::fclose(file);
    return 1024 * kilobytes;
}
/// The peak so far becomes what is there now.
bool reset_peak() {
    std::FILE* file = std::fopen("/proc/self/clear_refs", "w");
    if (file == nullptr) return false;
    const bool written = std::fputs("5", file) >= 0;
    return std::fclose(file) == 0 && written;
}

/// Pocket in a folder of its own, its weights written a page at a time. Of a file written otherwise
/// the system may keep pages together by the megabyte, and where one of them is read it counts all
/// as this process's: up to 4.4 MB of a file's pages that carat let go of or never read.
void copy_pocket(const Folder& to) {
    std::filesystem::copy(pocket, to.path());
    const std::string weights = read_text(pocket + "model.safetensors");
    std::ofstream file(to / "model.safetensors", std::ios::binary | std::ios::trunc);
    for (std::size_t at = 0; at < weights.size(); at += 4096) {
        const std::string_view page = std::string_view(weights).substr(at, 4096);
        file.write(page.data(), static_cast<std::streamsize>(page.size()));
        file.flush();
    }
    REQUIRE(file.good());
}

/// Opens the model, fills the context with a long prompt and answers. What it took by plan.
std::size_t run(const std::string& folder) {
    const auto model = Gemma::open(folder);
    if (!model) return 0;
    Serial serial;
    auto session = model->session(serial, options);
    if (!session) return 0;
    std::vector<std::int32_t> ids(960);
    for (std::size_t i = 0; i < ids.size(); ++i)
        ids[i] = static_cast<std::int32_t>(7 + i * 2654435761u % (Gemma::Text::vocab - 7));
    if (!session->append(ids)) return 0;
    for (const std::int32_t id : std::span(ids).first(60))
        if (!session->append(std::span(&id, 1))) return 0;
    return model->memory_bytes() + session->memory_bytes();
}

/// Bytes of the heap, used or free; 0 where the C library does not tell.
std::size_t heap() {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    return ::mallinfo2().arena;
#else
    return 0;
#endif
}

/// Of a process of its own: what was planned, twice; the heap that the first run left; what was
/// there before the second; its peak.
struct Told {
    std::size_t planned, again, heap, base, peak;
    [[nodiscard]] std::size_t grown() const { return peak - base; }
};
Told measured(const std::string& folder) {
    // Apart from the process itself, as a first run leaves it: code, stack, and some hundred
    // kilobytes of heap, which no plan knows of: names and shapes of tensors, the files' heads.
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    Told told{};
    if (child == 0) {  // warm: code and heap are there before
#if defined(__GLIBC__)
        ::mallopt(M_TRIM_THRESHOLD, 1 << 30);  // and stay there
#endif
        const std::size_t before = heap();
        told.planned = run(folder);
        told.heap = heap() - before;
        if (reset_peak()) {
            told.base = status("VmRSS:");
            told.again = run(folder);
            told.peak = status("VmHWM:");
        }
        const bool written = ::write(ends[1], &told, sizeof told) == sizeof told;
        ::_exit(written ? 0 : 1);
    }
    REQUIRE(::read(ends[0], &told, sizeof told) == sizeof told);
    ::waitpid(child, nullptr, 0);
    ::close(ends[0]);
    ::close(ends[1]);
    return told;
}

TEST_CASE("pocket's peak is its plan within two percent") {
    const Folder folder("peak");
    copy_pocket(folder);
    // Runs differ in what the system counts beside carat's own; what is carat's is in each of them.
    auto told = measured(folder.path());
    for (int again = 0; again < 4; ++again)
        if (const Told next = measured(folder.path()); next.grown() < told.grown()) told = next;
    REQUIRE(told.planned > 0);
    constexpr auto plan = Gemma::memory_plan(options);
    CHECK(plan.resident() == told.planned);
    if (told.base == 0 || told.peak == 0) {
        MESSAGE("this system does not tell a process's peak: nothing is compared");
        return;
    }
    MESSAGE("planned " << told.planned << ", measured " << told.grown() << ", heap " << told.heap);
    CHECK(told.again == told.planned);
    CHECK(told.heap <= 1'000'000);
    const auto planned = static_cast<double>(told.planned);
    CHECK(static_cast<double>(told.grown()) <= 1.02 * planned);
    CHECK(static_cast<double>(told.grown()) >= 0.98 * planned);
}

}  // namespace
}  // namespace carat::test
#endif

/// \file
/// Resampler: sound from one rate to another, in pieces of any size; the work is the SoX
/// resampler's.
///
/// The reference leaves this step to an outside decoder (a band-limited filter of the same package,
/// its "HQ"), so it is not bit-exact by its nature: carat takes the same filter and the same
/// length, ceil(samples · to / from).
#pragma once

#include "carat/base/joined.hpp"
#include "carat/base/result.hpp"
#include "carat/media/audio/waveform.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <soxr.h>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace carat::inline CARAT_ABI {

/// Not to be used by two threads at once.
class Resampler {
  public:
    /// Bad input: rates outside 1000 to 1 000 000 Hz: of a lower one, a short file would become
    /// gigabytes.
    static Result<Resampler> create(std::size_t from_hz, std::size_t to_hz) {
        for (const std::size_t hz : {from_hz, to_hz})
            if (hz < 1000 || hz > 1000000)
                return Error{Errc::unsupported,
                             joined({"a sample rate of ", hz, " Hz, expected 1000 to 1000000"})};
        Resampler r(from_hz, to_hz);
        if (from_hz != to_hz) {
            soxr_error_t error = nullptr;
            const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
            r.soxr_.reset(soxr_create(static_cast<double>(from_hz), static_cast<double>(to_hz), 1,
                                      &error, nullptr, &quality, nullptr));
            if (!r.soxr_)
                return Error{Errc::unsupported,
                             joined({"resampling from ", from_hz, " to ", to_hz,
                                     " Hz: ", error != nullptr ? error : "refused"})};
        }
        return r;
    }

    /// Appends to `out` what the samples so far determine.
    void push(std::span<const float> samples, std::vector<float>& out) {
        taken_ += samples.size();
        if (!soxr_) {
            out.insert(out.end(), samples.begin(), samples.end());
            given_ += samples.size();
        } else if (!samples.empty()) {
            run(samples.data(), samples.size(), out);
        }
    }
    /// Appends the rest. The stream is over.
    void finish(std::vector<float>& out) {
        if (!soxr_ || taken_ == 0) return;
        while (run(nullptr, 0, out) > 0) {
        }
        // One sample more or less, as the reference has it.
        const auto length = static_cast<std::size_t>(std::ceil(
            static_cast<double>(taken_) * (static_cast<double>(to_) / static_cast<double>(from_))));
        out.resize(out.size() - given_ + length);
        given_ = length;
    }

  private:
    struct Delete {
        void operator()(soxr_t s) const { soxr_delete(s); }
    };
    Resampler(std::size_t from, std::size_t to) : from_(from), to_(to) {}

    /// Feeds all of the samples, or with none flushes once; how many came out.
    std::size_t run(const float* samples, std::size_t n, std::vector<float>& out) {
        constexpr std::size_t room = 4096;
        std::size_t came = 0;
        for (std::size_t used = 0;;) {
            const std::size_t end = out.size();
            out.resize(end + room);
            std::size_t in_done = 0, out_done = 0;
            soxr_process(soxr_.get(), samples == nullptr ? nullptr : samples + used, n - used,
                         &in_done, out.data() + end, room, &out_done);
            out.resize(end + out_done);
            used += in_done;
            came += out_done;
            if (out_done == 0 && (used == n || in_done == 0)) break;
        }
        given_ += came;
        return came;
    }

    std::size_t from_, to_, taken_ = 0, given_ = 0;
    std::unique_ptr<soxr, Delete> soxr_;
};

/// The waveform at another rate. Bad input: as Resampler::create; more than the system has memory
/// for.
inline Result<Waveform> resampled(Waveform w, std::size_t sample_rate_hz) {
    return memory_errors([&]() -> Result<Waveform> {
        if (w.sample_rate_hz == sample_rate_hz) return std::move(w);
        auto resampler = Resampler::create(w.sample_rate_hz, sample_rate_hz);
        if (!resampler) return resampler.error();
        Waveform out{{}, sample_rate_hz};
        resampler->push(w.samples, out.samples);
        resampler->finish(out.samples);
        return out;
    });
}

}  // namespace carat::inline CARAT_ABI

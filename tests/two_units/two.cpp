#include <carat/fwd.hpp>
#if defined(__GLIBCXX__) || defined(_LIBCPP_VERSION)
#error "carat/fwd.hpp must cost nothing: it includes a standard header"
#endif

#include "everything.hpp"

#include <carat/instantiate/handle.hpp>

const carat::Version& version_in_the_other_unit();

const carat::Version& version_in_the_other_unit() { return carat::version; }

// What fwd.hpp declares is what the other headers define.
template <class... T>
constexpr bool defined = ((sizeof(T) > 0) && ...);
static_assert(defined<carat::Version, carat::Errc, carat::Error, carat::Result<int>,
                      carat::Progress, carat::ModelConfig, carat::TextConfig, carat::VisionConfig,
                      carat::AudioConfig, carat::Serial, carat::ThreadPool, carat::ExecutorRef,
                      carat::MemoryPlan, carat::MemoryCeiling, carat::CheckpointFiles,
                      carat::GenerationConfig, carat::SessionHandle, carat::ModelHandle,
                      carat::SessionOptions, carat::SamplerOptions, carat::GenerateOptions>);
#if defined(CARAT_WITH_TEXT)
static_assert(
    defined<carat::Tokenizer, carat::TextStream, carat::Conversation, carat::Tools,
            carat::ChatOptions, carat::Reply, carat::AnswerShape, carat::Constraint,
            carat::Chat<carat::Gemma4<carat::presets::e2b>>, carat::ChatSettings, carat::ChatTurn>);
#endif
#if defined(CARAT_WITH_MEDIA)
static_assert(defined<carat::Image, carat::Video, carat::Waveform>);
#endif

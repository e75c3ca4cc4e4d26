/// \file
/// The names of what a program holds by pointer or reference, for headers that say no more than
/// that. It includes nothing of the standard library.
///
/// Not here: Gemma4, whose first parameter is a value of ModelConfig, and its Session (ModelHandle
/// and SessionHandle are both without it); Sampler and the layers, whose namespace is that of
/// Highway's target; Json, which is RapidJSON's.
#pragma once

#include "carat/base/abi.hpp"

namespace carat::inline CARAT_ABI {

struct Version;
enum class Errc;
struct Error;
template <class T>
class Result;
class Progress;

struct ModelConfig;
struct TextConfig;
struct VisionConfig;
struct AudioConfig;
struct DrafterConfig;

struct Serial;
class ThreadPool;
class ExecutorRef;

class MemoryPlan;
struct MemoryCeiling;
class CheckpointFiles;
struct GenerationConfig;

class SessionHandle;
class ModelHandle;
struct SessionOptions;
struct SamplerOptions;
struct GenerateOptions;

class Tokenizer;
class TextStream;
class Conversation;
class Tools;
struct ChatOptions;
struct Reply;
struct AnswerShape;
class Constraint;
template <class M>
class Chat;
struct ChatSettings;
struct ChatTurn;

struct Image;
struct Video;
struct Waveform;

}  // namespace carat::inline CARAT_ABI

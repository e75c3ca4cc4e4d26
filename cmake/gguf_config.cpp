// Prints the config.json that a GGUF file stands for, with one key of its own: carat_weights, the
// weight format that takes its matrices as they are, or nearest. CaratAddModel.cmake builds and
// runs it while it configures.
#include "carat/checkpoint/gguf_config.hpp"

#include <charconv>
#include <cstdio>
#include <string>

namespace {

std::string text;

void key(std::string_view name) {
    text.append(text.empty() ? "{" : ",\n ").append("\"").append(name).append("\": ");
}
void put(std::string_view name, std::size_t n) { key(name), text += std::to_string(n); }
void put(std::string_view name, std::int32_t n) { key(name), text += std::to_string(n); }
void put(std::string_view name, bool b) { key(name), text += b ? "true" : "false"; }
void put(std::string_view name, std::string_view s) {
    key(name), text.append("\"").append(s).append("\"");
}
std::string number(double x) {
    char digits[40];
    return {digits, std::to_chars(digits, digits + sizeof digits, x).ptr};
}
void put(std::string_view name, double x) { key(name), text += number(x); }
std::string rope(const carat::RopeParameters& r, const char* type) {
    return "{\"rope_type\": \"" + std::string(type) + "\", \"rope_theta\": " + number(r.theta) +
           ", \"partial_rotary_factor\": " + number(r.partial_rotary_factor) + "}";
}

std::string_view weights(const carat::CheckpointFiles& files) {
    const auto found = files.find("model.language_model.layers.0.self_attn.q_proj.weight");
    switch (found ? found.tensor->dtype : carat::DType::bf16) {
        case carat::DType::f32:
            return "f32";
        case carat::DType::f16:
            return "f16";
        case carat::DType::bf16:
            return "bf16";
        case carat::DType::q4_0:
            return "q4_0";
        default:
            return "q8_0";  // holds every other block format to within its own rounding
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const auto files = carat::CheckpointFiles::open(argv[1]);
    if (!files) return std::fprintf(stderr, "%s\n", files.error().text.c_str()), 1;
    const auto config = carat::read_gguf_config(*files);
    if (!config) return std::fprintf(stderr, "%s\n", config.error().text.c_str()), 1;
    const carat::TextConfig& c = config->text;
    put("model_type", std::string_view("gemma4_text"));
    for (const auto& f : carat::detail::text_sizes) put(f.key, c.*f.member);
    for (const auto& f : carat::detail::text_flags) put(f.key, c.*f.member);
    for (const auto& f : carat::detail::text_reals) put(f.key, c.*f.member);
    put("pad_token_id", c.pad_token_id);
    put("eos_token_id", c.eos_token_id);
    put("bos_token_id", c.bos_token_id);
    put("hidden_activation", std::string_view("gelu_pytorch_tanh"));
    if (c.use_bidirectional_attention == carat::Bidirectional::vision)
        put("use_bidirectional_attention", std::string_view("vision"));
    key("layer_types");
    for (std::size_t l = 0; l < c.num_hidden_layers; ++l)
        text +=
            (l == 0 ? "[\"" : ", \"") +
            std::string(c.attention_type(l) == carat::AttentionType::full ? "full" : "sliding") +
            "_attention\"";
    text += "]";
    key("rope_parameters");
    text += "{\"full_attention\": " + rope(c.full_rope, "proportional") +
            ",\n  \"sliding_attention\": " + rope(c.sliding_rope, "default") + "}";
    put("carat_weights", weights(*files));
    std::printf("%s\n}\n", text.c_str());
    return 0;
}

// Two builds of carat for two instruction sets in one program: both give the model's logits.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <vector>

std::vector<float> narrow();
std::vector<float> wide();

int main() {
    const std::vector<float> a = narrow(), b = wide();
    if (a.empty() || a.size() != b.size()) return std::puts("a model does not open"), 1;
    float most = 0;
    for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
    std::printf("%zu logits differ by up to %g\n", a.size(), static_cast<double>(most));
    return most < 1e-3f ? 0 : 1;
}

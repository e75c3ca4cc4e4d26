// What `pkg-config --cflags --libs carat` names: a kernel, and ThreadPool with the threads it
// needs.
#include <carat/parallel/thread_pool.hpp>
#include <carat/simd/dot.hpp>

int main() {
    const float a[] = {1, 2, 3}, b[] = {4, 5, 6};
    float products[2];
    carat::ThreadPool threads(2);
    threads.run([&](std::size_t i) { products[i] = carat::simd::dot(a, b, 3); });
    return products[0] == 32.0f && products[1] == 32.0f ? 0 : 1;
}

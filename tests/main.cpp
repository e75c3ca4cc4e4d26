#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#ifdef __SANITIZE_ADDRESS__
// libsndfile 1.2 loses what libvorbis took for some broken Ogg files that it refuses to open.
extern "C" const char* __lsan_default_suppressions() { return "leak:vorbis_info_init\n"; }
#if !defined(__clang__) && __GNUC__ >= 13
// With a stack protector g++ 13 lays the 64-byte variables of its substitute frames wrongly.
extern "C" const char* __asan_default_options() { return "detect_stack_use_after_return=0"; }
#endif
#endif

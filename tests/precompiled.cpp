// Stands for the precompiled header that test binaries share; CMake makes one for a target with a
// source only.

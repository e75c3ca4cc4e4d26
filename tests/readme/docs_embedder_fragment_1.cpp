// embedder.md, "What your build pays": the unit that a project compiles once.
#include "fragment.inc"

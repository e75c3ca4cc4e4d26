// The floor: what the compiler takes for no program at all.
int main() {}

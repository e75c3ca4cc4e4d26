// A header that holds a tokenizer and a conversation and looks into neither.
#include <carat/fwd.hpp>

struct Assistant {
    const carat::Tokenizer& tokenizer;
    const carat::Conversation* conversation;
    carat::Result<void> (*answer)(const carat::Conversation&);
};

int main() {}

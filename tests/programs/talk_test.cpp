// The chat program as a person meets it: in a terminal, and over several runs.
#include "carat/format/json.hpp"
#include "carat/text/read_file.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <pty.h>
#include <string>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <vector>

namespace carat::test {
namespace {

const std::string pocket = CARAT_SOURCE_DIR "/examples/pocket";
const std::string scratch = CARAT_PROGRAMS_SCRATCH "/talk/";
const std::string chat_program = CARAT_PROGRAMS "/chat";

/// The program in a terminal of its own.
class Terminal {
  public:
    explicit Terminal(const std::vector<std::string>& arguments) {
        std::vector<std::string> all{chat_program, "--model", pocket, "--greedy"};
        all.insert(all.end(), arguments.begin(), arguments.end());
        std::vector<char*> argv;
        for (std::string& a : all) argv.push_back(a.data());
        argv.push_back(nullptr);
        const winsize size{40, 200, 0, 0};
        child_ = forkpty(&fd_, nullptr, nullptr, &size);
        if (child_ == 0) {
            setenv("TERM", "xterm", 1);
            unsetenv("NO_COLOR");
            execv(argv[0], argv.data());
            _exit(127);
        }
        REQUIRE(child_ > 0);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    ~Terminal() {
        if (child_ > 0) kill(child_, SIGKILL), waitpid(child_, nullptr, 0);
        close(fd_);
    }

    void type(const std::string& keys) {
        REQUIRE(write(fd_, keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
    }
    /// What the program shows up to a text, which it must show.
    std::string until(const std::string& text) {
        while (shown_.find(text) == std::string::npos && more()) {
        }
        const std::size_t at = shown_.find(text);
        REQUIRE_MESSAGE(at != std::string::npos, "no '" << text << "' in: " << shown_);
        const std::string out = shown_.substr(0, at);
        shown_.erase(0, at + text.size());
        return out;
    }
    /// What the program shows up to its prompt. Then it reads key by key; what is typed before may
    /// be shown twice, or an end of input be lost.
    std::string until_prompt() {
        std::string out = until("> ");
        for (int i = 0; CARAT_LIBEDIT && i < 60000 && !is_edited(); ++i) usleep(1000);
        return out;
    }
    /// What a line is answered with, as a person sees it in the end: without the prompt that
    /// follows and the progress that a slow machine shows and erases.
    std::string ask(const std::string& line) {
        type(line + "\r");
        until("\n");  // the line as it was typed
        const std::string answer = until_prompt();
        const std::size_t erased = answer.rfind("\x1b[K");
        return erased == std::string::npos ? answer : answer.substr(erased + 3);
    }
    /// The status that the program ends with, -1 where it does not.
    int end() {
        while (more()) {
        }
        int status = -1;
        for (int i = 0; i < 10000 && waitpid(child_, &status, WNOHANG) == 0; ++i) usleep(1000);
        if (status != -1) child_ = 0;
        return status;
    }

  private:
    bool is_edited() const {
        termios now{};
        return tcgetattr(fd_, &now) != 0 || (now.c_lflag & ICANON) == 0;
    }
    bool more() {
        pollfd p{fd_, POLLIN, 0};
        if (poll(&p, 1, 60000) <= 0) return false;
        char bytes[4096];
        const ssize_t n = read(fd_, bytes, sizeof bytes);
        if (n > 0) shown_.append(bytes, static_cast<std::size_t>(n));
        return n > 0;
    }

    int fd_ = -1;
    pid_t child_ = -1;
    std::string shown_;
};

void write_file(const std::string& name, const std::string& text) {
    std::ofstream file(scratch + name, std::ios::binary);
    file << text;
    REQUIRE(file.flush());
}
/// Answers to lines of standard input, each as its JSON.
std::vector<Json> answers(const std::string& arguments, const std::vector<std::string>& lines) {
    std::string all;
    for (const std::string& line : lines) all += line + '\n';
    write_file("in", all);
    const std::string command = chat_program + " --model " + pocket + " --json " + arguments +
                                " <" + scratch + "in >" + scratch + "out 2>" + scratch + "error";
    const int status = std::system(command.c_str());
    const auto error = read_file(scratch + "error");
    REQUIRE(error);
    REQUIRE_MESSAGE(status == 0, *error);
    std::vector<Json> out;
    const auto text = read_file(scratch + "out");
    REQUIRE(text);
    for (std::size_t at = 0; at < text->size();) {
        const std::size_t end = text->find('\n', at);
        auto tree = parse_json(text->substr(at, end - at), "answer");
        REQUIRE(tree);
        out.push_back(*std::move(tree));
        at = end + 1;
    }
    return out;
}

TEST_CASE("in a terminal, commands are obeyed and wrong ones answered in a line") {
    std::filesystem::create_directories(scratch);
    write_file("tools.json",
               R"([{"type":"function","function":{"name":"get_weather","description":"Weather.",
                "parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}])");
    Terminal t({});
    t.until("/help tells the commands, Ctrl-D ends.");
    t.until_prompt();
    CHECK(t.ask("What is the capital of France?") == "The capital of France is Paris.\r\n");
    CHECK(t.ask("") == "");
    const std::string help = t.ask("/help");
    for (const char* name : {"/help", "/reset", "/undo", "/save", "/load", "/image", "/audio",
                             "/video", "/system", "/tools", "/think", "/stats", "/exit"})
        CHECK(help.find(name) != std::string::npos);
    CHECK(t.ask("/stats").starts_with("["));
    CHECK(t.ask("/undo twice") == "[/undo takes nothing more; found 'twice']\r\n");
    CHECK(t.ask("/save") == "[/save FILE: which one?]\r\n");
    CHECK(t.ask("/image nowhere.png") == "[nowhere.png: no such file]\r\n");
    CHECK(t.ask("/load nowhere.chat").find("nowhere.chat: ") != std::string::npos);
    CHECK(t.ask("/think perhaps") == "[/think is on or off; found 'perhaps']\r\n");
    CHECK(t.ask("/what") == "[no command /what; /help tells them]\r\n");
    CHECK(t.ask("/save " + scratch + "t.chat") == "[saved]\r\n");
    CHECK(t.ask("/undo") == "[took back: What is the capital of France?]\r\n");
    CHECK(t.ask("/undo") == "[there is nothing to take back]\r\n");
    CHECK(t.ask("/load " + scratch + "t.chat").starts_with("[2 messages, "));
    CHECK(t.ask("/image " + pocket + "/samples/shapes.png") ==
          "[comes with the next question]\r\n");
    CHECK(t.ask("Describe the image.") == "A red circle to the left of a blue square.\r\n");
    CHECK(t.ask("/reset") == "[a new conversation]\r\n");
    CHECK(t.ask("/tools") == "[the model may call nothing; /tools FILE declares functions]\r\n");
    CHECK(t.ask("/tools " + scratch + "tools.json").starts_with("get_weather "));
    t.type("What is the weather in London?\r");
    t.until("[calls get_weather {\"city\":\"London\"}]");
    t.until_prompt();
    CHECK(t.ask(R"({"condition": "rainy", "temperature": 14})").find("14") != std::string::npos);
    t.type("/exit\r");
    CHECK(t.end() == 0);
}

TEST_CASE("Ctrl-C stops an answer and not the program; Ctrl-D ends it") {
    std::filesystem::create_directories(scratch);
    Terminal t({"--regex", "(ab ){900}", "--max-tokens", "3600"});  // an answer that takes long
    t.until_prompt();
    for (int i = 0; i < 2; ++i) {
        t.type("Go on.\r");
        t.until("ab ab ");
        t.type("\x03");
        t.until("[stopped]\r\n");
        t.until_prompt();
    }
    CHECK(t.ask("/stats").find(" tokens of answer") != std::string::npos);
    t.type("\x04");
    CHECK(t.end() == 0);
}

#if CARAT_LIBEDIT
TEST_CASE("lines are edited, given up, found again, and kept for the next run") {
    std::filesystem::create_directories(scratch);
    const std::string history = scratch + "history";
    std::filesystem::remove(history);
    {
        Terminal t({"--history", history});
        t.until_prompt();
        CHECK(t.ask("What is the capital of Frnce?\033[D\033[D\033[D\033[Da") ==
              "The capital of France is Paris.\r\n");
        t.type("half a line");
        t.until("half a line");
        t.type("\x03");
        t.until("^C\r\n");
        t.until_prompt();
        CHECK(t.ask("\033[A") == "The capital of France is Paris.\r\n");
        CHECK(t.ask("My name\\\r is Anna.") != "");
        t.type("\x04");
        CHECK(t.end() == 0);
    }
    Terminal t({"--history", history});
    t.until_prompt();
    t.type("\033[A\033[A\033[A");
    t.until("What is the capital of France?");
    t.type("\r");
    t.until("The capital of France is Paris.");
}
#endif

TEST_CASE("thoughts are pale in a terminal, and nothing is coloured in a file") {
    std::filesystem::create_directories(scratch);
    Terminal t({"--think", "What is 17 + 25?"});
    const std::string shown = t.until("42");
    CHECK(t.end() == 0);
    CHECK(shown.find("\033[2m") != std::string::npos);
    const std::string out = scratch + "plain";
    REQUIRE(std::system((chat_program + " --model " + pocket +
                         " --greedy --think 'What is 17 + 25?' >" + out + " 2>&1")
                            .c_str()) == 0);
    const auto text = read_file(out);
    REQUIRE(text);
    CHECK(text->find("42") != std::string::npos);
    CHECK(text->find('\033') == std::string::npos);
}

TEST_CASE(
    "a long conversation with picture and sound goes on in another process, token for token") {
    std::filesystem::create_directories(scratch);
    const std::vector<std::string> lines = {"Describe the image.",
                                            "My name is Anna.",
                                            "What is the capital of France?",
                                            "What is 17 + 25?",
                                            "Tell me a story about a fox.",
                                            "What is my name?",
                                            "What is the capital of Spain?",
                                            "Describe the image.",
                                            "And then?",
                                            "What is my name?"};
    const std::string media =
        " --image " + pocket + "/samples/shapes.png --audio " + pocket + "/samples/digits.wav ";
    for (const std::string how : {"--greedy ", "--temperature 1 --seed 7 "}) {
        CAPTURE(how);
        const std::vector<Json> whole = answers(how + media, lines);
        REQUIRE(whole.size() == lines.size());
        for (const std::size_t cut : {std::size_t{1}, std::size_t{6}}) {
            const auto middle = lines.begin() + static_cast<std::ptrdiff_t>(cut);
            const std::string file = scratch + "saved.chat";
            answers(how + media + "--save " + file, {lines.begin(), middle});
            const std::vector<Json> rest = answers(how + "--load " + file, {middle, lines.end()});
            REQUIRE(rest.size() == lines.size() - cut);
            for (std::size_t i = 0; i < rest.size(); ++i)
                for (const char* ids : {"input_ids", "token_ids"})
                    CHECK(*json::find(rest[i], ids) == *json::find(whole[cut + i], ids));
        }
    }
}

}  // namespace
}  // namespace carat::test

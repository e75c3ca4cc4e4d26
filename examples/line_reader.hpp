// Lines that a person types: with editing and history on a terminal where libedit was there to
// build with, one after the other as they come everywhere else.
#pragma once

#include <cstdio>
#include <iostream>
#include <optional>
#include <string>
#include <unistd.h>

#if CARAT_LIBEDIT
#include <clocale>
#include <cstring>
#include <histedit.h>
#include <langinfo.h>
#include <termios.h>
#endif

/// Whether somebody types and somebody reads.
inline bool on_terminal() { return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0; }

/// Prompts go to a terminal only. A line that ends in a backslash goes on with the next one.
class LineReader {
  public:
    /// `history` is a file of earlier lines, read now and written at the end; empty: none.
    explicit LineReader(std::string history = {}) : history_file_(std::move(history)) {
#if CARAT_LIBEDIT
        if (on_terminal()) open();
#endif
    }
    LineReader(const LineReader&) = delete;
    LineReader& operator=(const LineReader&) = delete;
#if CARAT_LIBEDIT
    ~LineReader() {
        if (edit_ == nullptr) return;
        HistEvent event;
        if (!history_file_.empty()) history(history_, &event, H_SAVE, history_file_.c_str());
        history_end(history_);
        el_end(edit_);
    }
#endif

    /// The next line without its end; nothing at the end of the input. Ctrl-C on a line that is
    /// being edited gives it up and asks again.
    std::optional<std::string> next(const std::string& prompt) {
        auto line = one(prompt);
        while (line && on_terminal() && line->ends_with('\\')) {
            line->back() = '\n';
            const auto more = one("… ");
            if (!more) break;
            *line += *more;
        }
        return line;
    }

  private:
    std::optional<std::string> one(const std::string& prompt) {
#if CARAT_LIBEDIT
        if (edit_ != nullptr) return edited(prompt);
#endif
        if (on_terminal()) std::printf("%s", prompt.c_str()), std::fflush(stdout);
        std::string line;
        if (!std::getline(std::cin, line)) return std::nullopt;
        return line;
    }

#if CARAT_LIBEDIT
    void open() {
        std::setlocale(LC_CTYPE, "");  // which says how wide a letter is
        if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
        edit_ = el_init("carat", stdin, stdout, stderr);
        if (edit_ == nullptr) return;
        history_ = history_init();
        HistEvent event;
        history(history_, &event, H_SETSIZE, 1000);
        history(history_, &event, H_SETUNIQUE, 1);
        if (!history_file_.empty()) history(history_, &event, H_LOAD, history_file_.c_str());
        el_set(edit_, EL_CLIENTDATA, this);
        el_set(edit_, EL_HIST, history, history_);
        el_set(edit_, EL_PROMPT, prompt_of);
        el_set(edit_, EL_EDITOR, "emacs");
        const auto bind = [this](const char* keys, const char* what) {
            el_set(edit_, EL_BIND, keys, what, nullptr);
        };
        bind("\\e[3~", "ed-delete-next-char");  // Delete
        bind("\\e[1;5C", "em-next-word");       // Ctrl with arrows
        bind("\\e[1;5D", "ed-prev-word");
        bind("^R", "em-inc-search-prev");
        el_source(edit_, nullptr);  // ~/.editrc
        el_set(edit_, EL_ADDFN, "carat-give-up", "Give up this line", give_up);
        bind("^C", "carat-give-up");
    }
    std::optional<std::string> edited(const std::string& prompt) {
        prompt_ = prompt;
        do {
            given_up_ = false;
            int length = 0;
            const CtrlCIsAKey key;
            const char* text = el_gets(edit_, &length);
            if (given_up_) continue;
            if (text == nullptr || length <= 0) {
                std::printf("\n");
                return std::nullopt;
            }
            std::string line(text, static_cast<std::size_t>(length));
            if (line.ends_with('\n')) line.pop_back();
            HistEvent event;
            if (!line.empty()) history(history_, &event, H_ENTER, line.c_str());
            return line;
        } while (true);
    }
    /// While a line is edited, libedit hears of Ctrl-C, and not the program.
    struct CtrlCIsAKey {
        termios before{};
        bool known = tcgetattr(STDIN_FILENO, &before) == 0;
        CtrlCIsAKey() {
            termios now = before;
            now.c_cc[VINTR] = _POSIX_VDISABLE;
            if (known) tcsetattr(STDIN_FILENO, TCSADRAIN, &now);
        }
        ~CtrlCIsAKey() {
            if (known) tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
        }
        CtrlCIsAKey(const CtrlCIsAKey&) = delete;
        CtrlCIsAKey& operator=(const CtrlCIsAKey&) = delete;
    };
    static LineReader& self(EditLine* edit) {
        LineReader* out = nullptr;
        el_get(edit, EL_CLIENTDATA, &out);
        return *out;
    }
    static char* prompt_of(EditLine* edit) { return self(edit).prompt_.data(); }
    static unsigned char give_up(EditLine* edit, int) {
        self(edit).given_up_ = true;
        std::printf("^C\n");
        return CC_NEWLINE;
    }

    EditLine* edit_ = nullptr;
    History* history_ = nullptr;
    std::string prompt_;
    bool given_up_ = false;
#endif
    std::string history_file_;
};

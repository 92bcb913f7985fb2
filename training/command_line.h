// What the programs of this folder share: how they end.

#ifndef CSC_TRAINING_COMMAND_LINE_H_
#define CSC_TRAINING_COMMAND_LINE_H_

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <new>
#include <string>

namespace csc {

// The command line as a shell reads it back.
inline std::string CommandText(int argc, char** argv) {
  constexpr char kPlain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,=+@%";
  std::string text;
  for (int i = 0; i < argc; ++i) {
    const std::string word = argv[i];
    if (i > 0) text += ' ';
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) {
      text += word;
      continue;
    }
    text += '\'';
    for (char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    text += '\'';
  }
  return text;
}

// A line on standard error. Where that cannot be written, on a full disk say,
// nothing else may come of it: neither fmt's exception nor another status.
inline void PrintError(const std::string& line) { std::fputs((line + "\n").c_str(), stderr); }

// Parses the command line and calls `body`, which returns the exit status.
// Whatever is thrown becomes one line on stderr and the status 1, or 2 for a
// wrong command line.
inline int RunProgram(CLI::App* app, int argc, char** argv, const std::function<int()>& body) {
  const std::string name = app->get_name();
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app->exit(error);  // --help
    PrintError(fmt::format("{}: {} (--help lists the options)", name, error.what()));
    return 2;
  }
  try {
    const int status = body();
    // What is left in the buffer would be lost without a word at exit.
    if (std::fflush(stdout) == 0) return status;
    const char* reason = std::strerror(errno);
    PrintError(
        fmt::format("{}: the result cannot be written to standard output: {}", name, reason));
  } catch (const std::bad_alloc&) {
    PrintError(fmt::format("{}: not enough memory", name));
  } catch (const std::exception& error) {
    PrintError(fmt::format("{}: {}", name, error.what()));
  }
  return 1;
}

}  // namespace csc

#endif  // CSC_TRAINING_COMMAND_LINE_H_

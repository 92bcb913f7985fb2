#include "samples/benchmark/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "solvers/error.h"

extern char** environ;

namespace csc {

namespace {

std::vector<std::string> Environment(
    const std::map<std::string, std::optional<std::string>>& changes) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (changes.count(text.substr(0, text.find('='))) == 0) result.push_back(text);
  }
  for (const auto& [name, value] : changes) {
    if (value) result.push_back(name + "=" + *value);
  }
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>* words) {
  std::vector<char*> pointers;
  for (std::string& word : *words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Subprocess::Subprocess(const std::vector<std::string>& command,
                       const std::map<std::string, std::optional<std::string>>& environment) {
  // Whoever else is started must not inherit our ends: the child would never see
  // its stdin close.
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) {
    Fail("no pipe: {}", std::strerror(errno));
  }
  signal(SIGPIPE, SIG_IGN);  // a child that has gone is an Error, not our end
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  std::vector<std::string> words = command;
  std::vector<std::string> variables = Environment(environment);
  const int error = posix_spawnp(&pid_, command.at(0).c_str(), &actions, nullptr,
                                 Pointers(&words).data(), Pointers(&variables).data());
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  to_ = fdopen(in[1], "w");
  from_ = fdopen(out[0], "r");
  if (error != 0) {
    std::fclose(to_);
    std::fclose(from_);
    Fail("{} cannot be started: {}", command[0], std::strerror(error));
  }
}

Subprocess::~Subprocess() {
  std::fclose(to_);
  std::fclose(from_);
  // It may be in the middle of minutes of work.
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

void Subprocess::WriteLine(const std::string& line) {
  const bool written = std::fputs((line + "\n").c_str(), to_) >= 0 && std::fflush(to_) == 0;
  Require(written, "the child process has ended");
}

std::optional<std::string> Subprocess::ReadLine() {
  char* buffer = nullptr;
  size_t capacity = 0;
  const ssize_t length = getline(&buffer, &capacity, from_);
  std::optional<std::string> line;
  if (length > 0) line = std::string(buffer, buffer[length - 1] == '\n' ? length - 1 : length);
  std::free(buffer);
  return line;
}

}  // namespace csc

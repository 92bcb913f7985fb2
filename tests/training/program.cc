#include "tests/training/program.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdlib>

namespace csc::test {

Ended RunCommand(const std::vector<std::string>& command, int signal, const std::string& marker) {
  if (signal == 0) return RunCommand(command, Disturbance());
  return RunCommand(command, {[signal](pid_t child) { kill(child, signal); }, marker});
}

Ended RunCommand(const std::vector<std::string>& command, const Disturbance& disturbance) {
  using Clock = std::chrono::steady_clock;
  const bool timed = disturbance.marker.empty();
  const Clock::time_point when =
      Clock::now() + std::chrono::microseconds(std::llround(1e6 * disturbance.seconds));
  int out[2];
  int err[2];
  if (pipe(out) != 0 || pipe(err) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    for (int fd : {out[0], out[1], err[0], err[1]}) close(fd);
    std::vector<char*> arguments;
    for (const std::string& part : command) {
      arguments.push_back(const_cast<char*>(part.c_str()));
    }
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(out[1]);
  close(err[1]);
  Ended ended;
  bool waiting = disturbance.act != nullptr;
  // The time until the disturbance, rounded up to what poll knows.
  const auto patience = [&] {
    if (!waiting || !timed) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(when - Clock::now());
    return static_cast<int>(std::max<int64_t>(left.count(), 0));
  };
  pollfd files[] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  std::string* texts[] = {&ended.out, &ended.err};
  int open = 2;
  while (open > 0 && poll(files, 2, patience()) >= 0) {
    for (int i = 0; i < 2; ++i) {
      if (files[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t n = read(files[i].fd, buffer, sizeof(buffer));
      if (n <= 0) {
        close(files[i].fd);
        files[i].fd = -1;  // poll skips it
        --open;
        continue;
      }
      texts[i]->append(buffer, n);
    }
    if (waiting &&
        (timed ? Clock::now() >= when : ended.err.find(disturbance.marker) != std::string::npos)) {
      disturbance.act(child);
      waiting = false;
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return ended;
}

}  // namespace csc::test

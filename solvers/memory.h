// Whether arrays of a given size can be had, asked before they are touched:
// where memory is over-committed an allocation succeeds and the process is
// killed later.

#ifndef CSC_SOLVERS_MEMORY_H_
#define CSC_SOLVERS_MEMORY_H_

#include <cstdint>
#include <string>

namespace csc {

// Bytes this process may still take: most of the free and reclaimable memory of the machine, or of
// what its control group leaves it where that is less. INT64_MAX where neither is known.
int64_t AvailableMemory();

// Throws Error naming `what` where `bytes` are more than AvailableMemory().
// Small requests are waved through unasked.
void RequireMemory(int64_t bytes, const std::string& what);

}  // namespace csc

#endif  // CSC_SOLVERS_MEMORY_H_

// A cuDNN that is too old.

#include <cstddef>

extern "C" size_t cudnnGetVersion() { return 8907; }

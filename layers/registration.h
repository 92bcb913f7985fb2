// Makes the contract's operators known to OpenCV's layer factory.

#ifndef CSC_LAYERS_REGISTRATION_H_
#define CSC_LAYERS_REGISTRATION_H_

#include <string>
#include <vector>

namespace csc {

// "csc.SoftThreshold" and so on: the types that RegisterLayers registers.
std::vector<std::string> LayerTypes();

// Registers every type that OpenCV does not know yet.
void RegisterLayers();

}  // namespace csc

#endif  // CSC_LAYERS_REGISTRATION_H_

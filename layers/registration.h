// Makes the contract's operators known to OpenCV's layer factory.

#ifndef CSC_LAYERS_REGISTRATION_H_
#define CSC_LAYERS_REGISTRATION_H_

namespace csc {

// Registers every operator that OpenCV does not know yet, as "csc.<operator>".
void RegisterLayers();

}  // namespace csc

#endif  // CSC_LAYERS_REGISTRATION_H_

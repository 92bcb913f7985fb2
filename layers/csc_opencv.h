// CSC layers for OpenCV's DNN module, as a plugin.
//
// Loading libcsc_opencv.so, in whichever way, makes the layer types
// csc.SoftThreshold, csc.LayeredThreshold, csc.LayeredPursuit, csc.Synthesis,
// csc.Lasso, csc.MsdCsc, csc.ResCsc, csc.MlCsc and csc.Network known to the
// process's OpenCV; cv::dnn::readNetFromONNX then reads models that hold them.
// The functions below are optional: they choose engines and tell what ran.
//
//   #include <opencv2/dnn.hpp>
//   #include "layers/csc_opencv.h"
//   int main(int argc, char** argv) {
//     csc_register_layers();  // keeps a linker from dropping the library
//     cv::dnn::Net net = cv::dnn::readNetFromONNX(argv[1]);
//     int sizes[] = {1, 3, 32, 32};
//     net.setInput(cv::Mat(4, sizes, CV_32F, cv::Scalar(0.5)));
//     cv::Mat code = net.forward();  // throws cv::Exception for a bad model
//     std::printf("%d channels\n%s", code.size[1], csc_report());
//   }
//
// From Python: ctypes.CDLL("libcsc_opencv.so") before cv2.dnn.readNetFromONNX.
//
// All functions may be called from any thread and none throws. A returned
// string is never null and stays valid until the same thread calls the same
// function again.
//
// Environment: CSC_ENGINE names the engine to use and CSC_ARITHMETIC how it may
// multiply ("float32", the default; "direct", exact sums; "tf32" or "bf16" where
// the engine has it); CSC_VERBOSE=1 prints one line on stderr for each layer
// prepared, CSC_VERBOSE=2 also its instructions in the order in which they run.

#ifndef CSC_LAYERS_CSC_OPENCV_H_
#define CSC_LAYERS_CSC_OPENCV_H_

#if defined(__GNUC__)
#define CSC_OPENCV_API __attribute__((visibility("default")))
#else
#define CSC_OPENCV_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

// Registers every layer type that is not registered yet; loading the library
// has done so already. May be called any number of times. Returns 0, or -1
// with the reason in csc_last_error().
CSC_OPENCV_API int csc_register_layers(void);

// Chooses the engine of every layer from now on, those of networks read
// before included; "" or null goes back to the default: the environment
// variable CSC_ENGINE, else the first present: "onednn" ("cuda" must be asked
// for). Returns 0; for an unknown or absent engine -1, with the reason in
// csc_last_error() and the choice unchanged.
CSC_OPENCV_API int csc_set_engine(const char* name);

// Name of the engine a layer prepared now would run on; "" with the reason in
// csc_last_error() where CSC_ENGINE names an unknown or absent one.
CSC_OPENCV_API const char* csc_engine(void);

// All engines known, in the order of preference, one a line: name, "present" or
// "absent", and its version or what is missing, separated by tabs.
CSC_OPENCV_API const char* csc_engines(void);

// The engine that last ran the layer of this name (without OpenCV's prefix
// "onnx_node!"); "" where no living layer of that name has run.
CSC_OPENCV_API const char* csc_last_engine(const char* layer);

// The living layers that were prepared, one a line, oldest first: layer,
// operator, input sizes, engine, number of runs, separated by tabs.
CSC_OPENCV_API const char* csc_report(void);

// Why this thread's last call of a function above failed; "" if none has.
CSC_OPENCV_API const char* csc_last_error(void);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // CSC_LAYERS_CSC_OPENCV_H_

// Marks functions that nvcc compiles for the device too.

#ifndef CSC_SOLVERS_HOST_DEVICE_H_
#define CSC_SOLVERS_HOST_DEVICE_H_

#ifdef __CUDACC__
#define CSC_HOST_DEVICE __host__ __device__
#else
#define CSC_HOST_DEVICE
#endif

#endif  // CSC_SOLVERS_HOST_DEVICE_H_

// PTX for tests, as nvcc writes it around what a kernel does.

#ifndef CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_KERNEL_TEXT_H_
#define CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_KERNEL_TEXT_H_

#include <string>

namespace csc::test {

// The kernel `kernel` of blocks of so many threads. Its one parameter, an address, is in
// %rd1 and a thread's number in %r1; `words` is its shared memory.
inline std::string KernelText(int threads, int shared_bytes, const std::string& body) {
  return R"(.version 9.0
.target sm_90
.address_size 64
.visible .entry kernel(
	.param .u64 kernel_param_0
)
.maxntid )" +
         std::to_string(threads) + R"(, 1, 1
{
	.reg .pred 	%p<9>;
	.reg .b16 	%rs<9>;
	.reg .f32 	%f<9>;
	.reg .b32 	%r<9>;
	.reg .b64 	%rd<9>;
	// demoted variable
	.shared .align 16 .b8 words[)" +
         std::to_string(shared_bytes) + R"(];
	ld.param.u64 	%rd1, [kernel_param_0];
	mov.u32 	%r1, %tid.x;
)" + body +
         "	ret;\n}\n";
}

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_KERNEL_TEXT_H_

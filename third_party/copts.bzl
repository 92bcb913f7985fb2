"""The compiler flags of our own code, in one place. Flags that concern every target alike are in .bazelrc."""

# Warnings are errors: a warning that stays is a warning nobody reads. System headers come in with -isystem and do not warn.
CSC_COPTS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wshadow=local",  # a shadowed index is the classic bug of nested convolution loops; members may share a name
    "-Wnon-virtual-dtor",
    "-Wvla",
    "-Wno-missing-field-initializers",  # what {...} leaves out is value-initialised, and we rely on it
    "-Wno-sign-compare",  # sizes are int or int64_t by intent, containers count in size_t
    "-Wno-unused-parameter",  # overrides of a framework's interface seldom need all they are given
    "-Wno-psabi",  # wide vectors are never passed across a library's boundary

    # a*b+c is rounded the same way whatever the optimiser sees: "same seed, same bits" must survive a rebuild
    # with another inlining. Kernels that want fused multiply-add say so (Highway's MulAdd).
    "-ffp-contract=off",
]

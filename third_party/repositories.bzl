"""The list of system libraries. One entry here and one X.BUILD file beside it make one repository @X."""

load("//third_party:system_library.bzl", "system_library")
load("//third_party/cuda:cuda_configure.bzl", "cuda_configure")

def _library(name, package, headers, libs = []):
    system_library(
        name = name,
        build_file = "//third_party:%s.BUILD" % name,
        headers = headers,
        libs = libs,
        package = package,
    )

def system_repositories():
    """Declares every library that some part of the project uses; each is looked for only when something needs it."""
    _library("cli11", "libcli11-dev", ["CLI"])
    _library("fmt", "libfmt-dev", ["fmt"], ["fmt"])
    _library("google_benchmark", "libbenchmark-dev", ["benchmark"], ["benchmark"])
    _library(
        "googletest",
        "libgtest-dev libgmock-dev",
        ["gtest", "gmock"],
        ["gtest", "gtest_main", "gmock"],
    )
    _library("highway", "libhwy-dev", ["hwy"], ["hwy"])
    _library("isal", "libisal-dev", ["isa-l"], ["isal"])
    _library("json", "nlohmann-json3-dev", ["nlohmann"])
    _library("matio", "libmatio-dev", ["matio*"], ["matio"])
    _library("mpi", "libopenmpi-dev", ["mpi"], ["mpi"])
    _library("onednn", "libdnnl-dev", ["dnnl*", "oneapi/dnnl"], ["dnnl"])
    _library("onnx", "libonnx-dev", ["onnx"], ["onnx_proto"])
    _library(
        "opencv",
        "libopencv-dev",
        ["opencv4/opencv2/*"],
        ["opencv_core", "opencv_imgproc", "opencv_imgcodecs", "opencv_dnn"],
    )
    _library("png", "libpng-dev", ["png*"], ["png"])
    _library("protobuf", "libprotobuf-dev", ["google/protobuf"], ["protobuf"])
    cuda_configure(name = "cuda")

"""C++ classes of a .proto file, made by the system's protoc."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def csc_proto_library(name, src, visibility = None):
    """<src>.pb.h and .pb.cc as the library `name`. Generated code is not ours to warn about, so no flags of csc.bzl."""
    base = src[:-len(".proto")]
    native.genrule(
        name = name + "_protoc",
        srcs = [src],
        outs = [base + ".pb.h", base + ".pb.cc"],
        cmd = "protoc --proto_path=. --cpp_out=$(GENDIR) $(location %s)" % src,
        message = "Running protoc (Debian package protobuf-compiler) on",
    )
    cc_library(
        name = name,
        srcs = [base + ".pb.cc"],
        hdrs = [base + ".pb.h"],
        visibility = visibility,
        deps = ["@protobuf"],
    )

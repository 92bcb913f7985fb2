"""Our cc_* rules: those of rules_cc plus the project's flags. Nothing else happens here."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")
load("//third_party:copts.bzl", "CSC_COPTS")

def csc_library(copts = [], **kwargs):
    cc_library(copts = CSC_COPTS + copts, **kwargs)

def csc_binary(copts = [], **kwargs):
    cc_binary(copts = CSC_COPTS + copts, **kwargs)

def csc_test(copts = [], deps = [], gtest_main = True, **kwargs):
    """A GoogleTest program; gtest_main = False for one that has its own main."""
    main = ["@googletest//:gtest_main"] if gtest_main else []
    tsan = select({
        "//third_party:tsan": ["//third_party:tsan_suppressions"],
        "//conditions:default": [],
    })
    cc_test(copts = CSC_COPTS + copts, deps = deps + main + tsan, **kwargs)

def csc_shared_library(name, copts = [], visibility = None, **kwargs):
    """lib<name>.so, with <name> as an alias. Our own libraries in deps are linked into it."""
    file = "lib%s.so" % name
    cc_binary(name = file, copts = CSC_COPTS + copts, linkshared = True, visibility = visibility, **kwargs)
    native.alias(name = name, actual = file, visibility = visibility)

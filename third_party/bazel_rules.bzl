"""Bazel's own rule sets, taken from the distribution's packages where Bazel itself comes from there.

An upstream Bazel knows where to find its rules; Debian's (bazel-bootstrap, whose version string is empty) would try to
download them. So it is pointed to /usr/share/bazel, with two repairs that it needs:

* two files of the packaged rules_cc import `use_cpp_toolchain`, which this Bazel lacks: a copy without it is used;
* `bazel test` wants a coverage tool to exist, although nobody asked for coverage: an empty one is enough.

rules_java and rules_proto are not used by us, but toolchain resolution loads them.
"""

_ROOT = "/usr/share/bazel"

def _adapted_rules_cc_impl(ctx):
    source = ctx.path(_ROOT + "/rules/cc")
    if not source.exists:
        fail("%s is missing. Install the Debian package bazel-rules-cc, or run third_party/install.sh." % source)
    result = ctx.execute(["cp", "-rL"] + [str(source.get_child(c)) for c in ["BUILD", "WORKSPACE", "cc"]] + ["."])
    if result.return_code:
        fail("cannot copy rules_cc: " + result.stderr)

    # A toolchain type that Bazel 4 finds without being told, so an empty list stands for the missing function.
    for name in ["cc_flags_supplier", "compiler_flag"]:
        path = "cc/private/rules_impl/%s.bzl" % name
        text = ctx.read(path)
        text = text.replace(', "use_cpp_toolchain")', ")").replace("use_cpp_toolchain()", "[]")
        ctx.file(path, text, executable = False)

_adapted_rules_cc = repository_rule(implementation = _adapted_rules_cc_impl, local = True)

def _no_coverage_tools_impl(ctx):
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    ctx.file(
        "BUILD",
        "\n".join([
            "package(default_visibility = [\"//visibility:public\"])",
            "filegroup(name = \"coverage_report_generator\")",
            "filegroup(name = \"lcov_merger\")",
        ]) + "\n",
    )

_no_coverage_tools = repository_rule(implementation = _no_coverage_tools_impl)

def packaged_bazel_rules():
    """Declares the packaged rule sets. Does nothing under an upstream Bazel, which brings its own."""
    if native.bazel_version and native.bazel_version[0].isdigit():
        return
    _adapted_rules_cc(name = "rules_cc")
    native.local_repository(name = "rules_java", path = _ROOT + "/rules/java")
    native.local_repository(name = "rules_proto", path = _ROOT + "/rules/proto")
    native.local_repository(name = "bazel_skylib", path = _ROOT + "/tools/skylib")
    native.local_repository(name = "platforms", path = _ROOT + "/platforms")
    _no_coverage_tools(name = "remote_coverage_tools")

"""cuda_shared_library: .cu files to one shared library, compiled and linked by nvcc.

    cuda_shared_library(
        name = "csc_cuda",                      # libcsc_cuda.so
        srcs = ["engine.cu", "kernels.cu"],
        hdrs = ["kernels.cuh"],
        deps_hdrs = ["//solvers/program:program"],  # headers of C++ libraries, or header files
        deps = ["//solvers/program:program"],       # the same, and their objects are linked in
        archs = ["80", "90"],
    )

Without CUDA `name` is an empty group of files, so that `data = [":csc_cuda"]` may always be written, and the file
lib<name>.so does not exist. cudart is linked statically; the library can be opened on a machine without a GPU. Only the
symbols of srcs are visible from outside, and an alwayslink library in deps is linked like any other. A warning of nvcc or
ptxas is an error, as everywhere.

<name>_resources is the file in which ptxas says what registers and memory each kernel uses, after a line with nvcc's
version; an empty group of files without CUDA.
"""

load("@cuda//:cuda_config.bzl", "CUDA_AVAILABLE", "CUDA_VERSION", "NVCC")

_DEFAULT_ARCHS = ["80", "90"]

# nvcc names its temporary files after its process, whose number is the same in every sandbox, and /tmp is common to all.
_OWN_TEMPORARIES = """\
TMPDIR=$(mktemp -d) && export TMPDIR || exit 1
trap 'rm -rf "$TMPDIR"' EXIT
"""

# $1: the log, the rest: a compilation. Shows the log where it fails or warns.
_COMPILE = _OWN_TEMPORARIES + """\
log=$1
shift
"$@" 2> "$log" && ! grep -qi warning "$log" || { cat "$log" >&2; exit 1; }
"""

def _host_flags(context):
    """The preprocessor flags of a C++ library for nvcc, which knows -D, -I and -isystem like any compiler."""
    return (
        ["-D" + d for d in context.defines.to_list()] +
        ["-I" + i for i in context.quote_includes.to_list() + context.includes.to_list()] +
        [flag for i in context.system_includes.to_list() for flag in ["-isystem", i]]
    )

def _nvcc_link_flag(flag):
    """One flag of a C++ library's linkopts, as nvcc takes it."""
    if flag.startswith("-l") or flag.startswith("-L"):
        return flag
    if flag.startswith("-Wl,"):
        return "-Xlinker=" + flag[len("-Wl,"):]
    return "-Xcompiler=" + flag

def _nvcc_shared_library_impl(ctx):
    headers = [depset(ctx.files.hdrs)]
    flags = ["-I."]
    for dep in ctx.attr.deps_hdrs + ctx.attr.deps:
        if CcInfo in dep:
            context = dep[CcInfo].compilation_context
            headers.append(context.headers)
            flags += _host_flags(context)
        else:
            headers.append(dep[DefaultInfo].files)

    archives = []
    link_flags = []
    for dep in ctx.attr.deps:
        for link_input in dep[CcInfo].linking_context.linker_inputs.to_list():
            link_flags += link_input.user_link_flags
            for library in link_input.libraries:
                archive = library.pic_static_library or library.static_library
                if archive:
                    archives.append(archive)

    archs = [] if ctx.attr.ptx_only else ["-gencode=arch=compute_%s,code=sm_%s" % (a, a) for a in ctx.attr.archs]

    # A newer GPU than any in the list compiles the last one's PTX when the library is loaded.
    archs.append("-gencode=arch=compute_%s,code=compute_%s" % (ctx.attr.archs[-1], ctx.attr.archs[-1]))

    # Two architectures at a time.
    common = ["-std=c++17", "-O3", "--threads=2", "-Xcompiler=-fPIC"] + archs + ctx.attr.copts
    objects = []
    logs = []
    for src in ctx.files.srcs:
        obj = ctx.actions.declare_file("_objs/%s/%s.o" % (ctx.label.name, src.basename))
        log = ctx.actions.declare_file("_objs/%s/%s.log" % (ctx.label.name, src.basename))
        ctx.actions.run_shell(
            outputs = [obj, log],
            inputs = depset([src], transitive = headers),
            command = _COMPILE,
            arguments = [log.path, NVCC] + common + flags +
                        ["-Xptxas=-v", "-Xcompiler=-Wall", "-c", src.path, "-o", obj.path],
            mnemonic = "NvccCompile",
            progress_message = "Compiling %s with nvcc" % src.short_path,
            use_default_shell_env = True,
        )
        objects.append(obj)
        logs.append(log)
    ctx.actions.run_shell(
        outputs = [ctx.outputs.resources],
        inputs = logs,
        command = "(echo nvcc %s; cat \"$@\") > %s" % (CUDA_VERSION, ctx.outputs.resources.path),
        arguments = [log.path for log in logs],
    )
    ctx.actions.run_shell(
        outputs = [ctx.outputs.out],
        inputs = objects + archives,
        command = _OWN_TEMPORARIES + "\"$@\"",
        # What comes from archives (our C++ libraries, cudart) stays inside: whoever opens the library has its own copies.
        arguments = [NVCC] + common + ["--shared", "--cudart=" + ctx.attr.cudart, "-Xlinker=--exclude-libs=ALL", "-o", ctx.outputs.out.path] +
                    [f.path for f in objects + archives] + [_nvcc_link_flag(f) for f in link_flags],
        mnemonic = "NvccLink",
        progress_message = "Linking %s with nvcc" % ctx.outputs.out.short_path,
        use_default_shell_env = True,
    )
    return [DefaultInfo(
        files = depset([ctx.outputs.out]),
        runfiles = ctx.runfiles(files = [ctx.outputs.out]),
    )]

_nvcc_shared_library = rule(
    implementation = _nvcc_shared_library_impl,
    attrs = {
        "archs": attr.string_list(),
        "copts": attr.string_list(),
        "cudart": attr.string(),
        "deps": attr.label_list(providers = [CcInfo]),
        "deps_hdrs": attr.label_list(allow_files = True),
        "hdrs": attr.label_list(allow_files = True),
        "out": attr.output(mandatory = True),
        "ptx_only": attr.bool(),
        "resources": attr.output(mandatory = True),
        "srcs": attr.label_list(allow_files = [".cu", ".cc"], mandatory = True),
    },
)

def cuda_shared_library(
        name,
        srcs,
        hdrs = [],
        deps_hdrs = [],
        deps = [],
        archs = _DEFAULT_ARCHS,
        copts = [],
        ptx_only = False,
        cudart = "static",
        **kwargs):
    """Compiles .cu files to lib<name>.so; an empty group of files called <name> where CUDA is absent.

    Args:
      name: the library; its file is lib<name>.so.
      srcs: .cu (or .cc) files with names that differ.
      hdrs: their own headers.
      deps_hdrs: C++ libraries or files of which only the headers are used.
      deps: C++ libraries that are linked in.
      archs: compute capabilities without the dot, oldest first; the last one is also kept as PTX.
      copts: more flags for nvcc.
      ptx_only: leaves the machine code out.
      cudart: "none" where one of deps takes the place of NVIDIA's.
      **kwargs: visibility and testonly, as everywhere.
    """
    if not CUDA_AVAILABLE:
        native.filegroup(name = name, srcs = [], **kwargs)
        native.filegroup(name = name + "_resources", srcs = [], **kwargs)
        return
    _nvcc_shared_library(
        name = name,
        srcs = srcs,
        hdrs = hdrs,
        out = "lib%s.so" % name,
        resources = name + "_resources.txt",
        deps_hdrs = deps_hdrs,
        deps = deps,
        archs = archs,
        copts = copts,
        ptx_only = ptx_only,
        cudart = cudart,
        tags = ["cuda"],
        **kwargs
    )
    native.filegroup(name = name + "_resources", srcs = [name + "_resources.txt"], **kwargs)

"""@cuda: the CUDA toolkit if there is one (CUDA_HOME, then /usr/local/cuda), empty targets otherwise.

Nothing fails where CUDA is absent: BUILD files ask `CUDA_AVAILABLE` of @cuda//:cuda_config.bzl, or use
cuda_shared_library, which does.
"""

_CONFIG = """\
CUDA_AVAILABLE = {available}
CUDA_HOME = "{home}"
CUDA_VERSION = "{version}"
NVCC = "{nvcc}"
CUDNN_AVAILABLE = {cudnn}
"""

_INCLUDE_FOLDERS = ["include", "targets/x86_64-linux/include", "targets/sbsa-linux/include"]
_LIBRARY_FOLDERS = ["lib64", "lib", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib"]

def _first(ctx, home, folders, name):
    for folder in folders:
        path = ctx.path("%s/%s/%s" % (home, folder, name))
        if path.exists:
            return path
    return None

def _nvcc_version(ctx, nvcc):
    """'13.0' out of 'Cuda compilation tools, release 13.0, V13.0.88', or None if nvcc does not run."""
    result = ctx.execute([nvcc, "--version"])
    if result.return_code or "release " not in result.stdout:
        return None
    return result.stdout.split("release ")[1].split(",")[0]

def _find_toolkit(ctx):
    """(home, nvcc, cuda_runtime.h, version) of the first toolkit that works, or four times None."""
    asked = ctx.os.environ.get("CUDA_HOME")
    for home in [asked, "/usr/local/cuda"]:
        if not home:
            continue
        nvcc = ctx.path(home + "/bin/nvcc")
        runtime = _first(ctx, home, _INCLUDE_FOLDERS, "cuda_runtime.h")
        version = _nvcc_version(ctx, nvcc) if nvcc.exists and runtime else None
        if version:
            return home, nvcc, runtime, version
        if home == asked:
            # buildifier: disable=print
            print("CUDA_HOME is '%s', where bin/nvcc and cuda_runtime.h do not work; looking elsewhere." % home)
    return None, None, None, None

def _cuda_configure_impl(ctx):
    home, nvcc, runtime, version = _find_toolkit(ctx)
    cudnn = None
    if version:
        ctx.symlink(runtime.dirname, "include")
        cudart = _first(ctx, home, _LIBRARY_FOLDERS, "libcudart_static.a")
        if cudart:
            ctx.symlink(cudart, "lib/libcudart_static.a")

        # Distributions put cuDNN beside the system's headers, NVIDIA's archives into the toolkit.
        cudnn = _first(ctx, home, _INCLUDE_FOLDERS, "cudnn.h")
        for folder in ["/usr/include", "/usr/include/x86_64-linux-gnu", "/usr/include/aarch64-linux-gnu"]:
            if not cudnn and ctx.path(folder + "/cudnn.h").exists:
                cudnn = ctx.path(folder + "/cudnn.h")
        if cudnn:
            for child in cudnn.dirname.readdir():
                if child.basename.startswith("cudnn"):
                    ctx.symlink(child, "cudnn/" + child.basename)
    ctx.file("cuda_config.bzl", _CONFIG.format(
        available = bool(version),
        cudnn = bool(cudnn),
        home = home or "",
        nvcc = nvcc or "",
        version = version or "",
    ))
    ctx.symlink(ctx.attr._build_file, "BUILD")

cuda_configure = repository_rule(
    implementation = _cuda_configure_impl,
    attrs = {"_build_file": attr.label(default = "//third_party/cuda:cuda.BUILD")},
    environ = ["CUDA_HOME", "PATH"],
    local = True,
)

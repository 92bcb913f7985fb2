"""A repository rule that wraps one library of the system: its headers as symbolic links, its binaries by name.

Headers are linked into the repository, so that Bazel sees what is included; folders are linked whole. Binaries are only
checked here and linked with -l, because the compiler knows their folder better than we do (multiarch, other prefixes).
"""

def _compiler(ctx):
    for name in [ctx.os.environ.get("CXX"), ctx.os.environ.get("CC"), "g++", "c++", "clang++"]:
        found = ctx.which(name) if name and not name.startswith("/") else name
        if found:
            return str(found)
    return fail("No C++ compiler found. Install the Debian package g++, or run third_party/install.sh.")

def _include_roots(ctx, compiler):
    """The folders where the compiler looks for <...>, in its order."""
    result = ctx.execute(
        [compiler, "-E", "-v", "-x", "c++", "/dev/null"],
        environment = {"LC_ALL": "C"},
    )
    roots = []
    inside = False
    for line in result.stderr.split("\n"):
        if line.startswith("#include <...>"):
            inside = True
        elif line.startswith("End of search list"):
            inside = False
        elif inside:
            roots.append(line.strip())
    return roots

def _find(ctx, root, pattern):
    """Files and folders below root that match `folder/name` or `folder/prefix*`, as [(relative name, path)]."""
    if not pattern.endswith("*"):
        path = ctx.path(root + "/" + pattern)
        return [(pattern, path)] if path.exists else []
    folder, slash, prefix = pattern[:-1].rpartition("/")
    path = ctx.path(root + "/" + folder)
    return [
        (folder + slash + child.basename, child)
        for child in (path.readdir() if path.exists else [])
        if child.basename.startswith(prefix)
    ]

def _system_library_impl(ctx):
    compiler = _compiler(ctx)
    advice = "Install the Debian package %s, or run third_party/install.sh." % ctx.attr.package

    roots = _include_roots(ctx, compiler)
    for pattern in ctx.attr.headers:
        found = {}
        for root in roots:
            for name, path in _find(ctx, root, pattern):
                found.setdefault(name, path)
        if not found:
            fail("@%s: no header <%s> on the compiler's path. %s" % (ctx.name, pattern, advice))
        for name, path in found.items():
            ctx.symlink(path, "include/" + name)

    for lib in ctx.attr.libs:
        files = ["lib%s.so" % lib, "lib%s.a" % lib]
        answers = [ctx.execute([compiler, "-print-file-name=" + f]).stdout.strip() for f in files]

        # The compiler answers with the bare name where it finds nothing.
        if answers == files:
            fail("@%s: the linker finds no library '%s'. %s" % (ctx.name, lib, advice))

    ctx.symlink(ctx.attr.build_file, "BUILD")

system_library = repository_rule(
    implementation = _system_library_impl,
    attrs = {
        "build_file": attr.label(mandatory = True, doc = "the BUILD file of the repository"),
        "headers": attr.string_list(doc = "files, folders or 'prefix*' below a system include folder"),
        "libs": attr.string_list(doc = "libraries that must exist, as in -lNAME"),
        "package": attr.string(mandatory = True, doc = "the Debian package to name when something is missing"),
    },
    environ = ["CC", "CXX", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "PATH"],
    local = True,
)

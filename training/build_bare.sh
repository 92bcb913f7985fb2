#!/bin/bash
# Builds the training driver on a machine without Bazel, OpenCV and oneDNN, such as a GPU server with the CUDA toolkit:
#
#     training/build_bare.sh [--out FOLDER] [--archs "90 100"] [--jobs N] [--carry] [--cuda-on-host]
#
# FOLDER (bare) receives `train` and, where there is nvcc, the engine `cuda` as libcsc_cuda.so beside it, which the driver
# finds there. The driver has the engines cuda and reference and reads every data set but folder:DIR, which needs OpenCV.
#
#   --archs          compute capabilities without the dot; those of this machine's GPUs where there are any, else 80 to 100
#   --carry          puts the shared libraries into FOLDER/lib: then FOLDER runs on servers that have none of them
#   --cuda-on-host   builds the engine's kernels as plain loops for the CPU, to try the driver without a GPU: very slow
#
# What it needs are g++ of C++17, nvcc, and small libraries; it names the Debian and Ubuntu packages of those that miss.
set -euo pipefail
cd "$(dirname "$0")/.."

out=bare archs='' carry='' on_host='' jobs=$(nproc)
usage() { sed -n '2,/^set/{/^# \{0,1\}/s/^# \{0,1\}//p}' "$0"; }
fail() { echo "build_bare.sh: $*" >&2; exit 1; }
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=${2:?a folder is needed}; shift ;;
    --archs) archs=${2:?capabilities are needed}; shift ;;
    --jobs) jobs=${2:?a number is needed}; shift ;;
    --carry) carry=yes ;;
    --cuda-on-host) on_host=yes ;;
    --help) usage; exit ;;
    *) usage >&2; exit 2 ;;
  esac
  shift
done

# --- what must be there ----------------------------------------------------------------------------------------------
CXX=${CXX:-g++}
command -v "$CXX" >/dev/null || fail "there is no $CXX (package g++)"
missing=
while read -r package header; do
  echo "#include <$header>" | "$CXX" -std=c++17 -E -x c++ - >/dev/null 2>&1 || missing+=" $package"
done <<'LIST'
libcli11-dev CLI/CLI.hpp
libfmt-dev fmt/format.h
libisal-dev isa-l/crc.h
libmatio-dev matio.h
libonnx-dev onnx/onnx-ml.pb.h
libpng-dev png.h
libprotobuf-dev google/protobuf/message.h
nlohmann-json3-dev nlohmann/json.hpp
LIST
command -v protoc >/dev/null || missing+=" protobuf-compiler"
[ -z "$missing" ] || fail "install these packages first: apt-get install$missing"

NVCC=
for candidate in "${CUDA_HOME:+$CUDA_HOME/bin/nvcc}" /usr/local/cuda/bin/nvcc "$(command -v nvcc || true)"; do
  [ -z "$NVCC" ] && [ -x "$candidate" ] && NVCC=$candidate
done

# --- sources: every file of these folders but those that stand for something absent here ----------------------------
shopt -s nullglob
solvers=(solvers/*.cc solvers/{program,algorithms,network,engines,engines/reference}/*.cc)
cuda=(solvers/engines/cuda/*.cc)
driver=(training/*.cc training/{checkpoint,data,models,onnx,optimiser,report}/*.cc
  solvers/engines/onednn/absent.cc solvers/engines/cuda/loader.cc)
without() {  # LIST FILE...: takes the files out of the array named LIST
  local -n list=$1
  local kept=() file
  for file in "${list[@]}"; do [[ " ${*:2} " == *" $file "* ]] || kept+=("$file"); done
  list=("${kept[@]}")
}
without driver training/{train_mpi,evaluate,read_net}.cc training/data/folder.cc
without cuda solvers/engines/cuda/loader.cc

# --- flags: those of .bazelrc and third_party/copts.bzl that change what is computed ---------------------------------
objects=$out/objects
# Warnings are for those who change the code, and Bazel shows them.
# shellcheck disable=SC2206
flags=(-std=c++17 -O3 -fPIC -ffp-contract=off -w -I. -I"$objects"
  -DONNX_API= -DONNX_ML=1 -DONNX_NAMESPACE=onnx ${CXXFLAGS:-})
mkdir -p "$objects"

digits=$objects/digits_array.cc
{
  echo 'namespace csc { extern const unsigned char kDigits[]; extern const unsigned kDigitsSize;'
  echo 'const unsigned char kDigits[] = {'
  gzip -dc training/data/digits.csv.gz | sed 's/$/,/'
  echo '}; const unsigned kDigitsSize = sizeof(kDigits); }'
} >"$digits"
protoc --proto_path=. --cpp_out="$objects" training/report/event.proto
events=$objects/training/report/event.pb.cc

# --- compile: one process a file, as many at once as there are cores -------------------------------------------------
object() { echo "$objects/$(echo "$1" | tr / _).o"; }
running=0
start() {  # COMMAND...: waits for a free place; any failure ends the script
  if [ "$running" -ge "$jobs" ]; then
    wait -n || fail "a file does not compile"
    running=$((running - 1))
  fi
  "$@" &
  running=$((running + 1))
}
finish() {
  while [ "$running" -gt 0 ]; do
    wait -n || fail "a file does not compile"
    running=$((running - 1))
  done
}
compile() {
  local file
  for file in "$@"; do start "$CXX" "${flags[@]}" -c "$file" -o "$(object "$file")"; done
}

nvcc_flags=(-std=c++17 -O3 -Xcompiler=-fPIC -Xcompiler=-ffp-contract=off -I.)
if [ -n "$NVCC" ]; then
  if [ -z "$archs" ]; then
    archs=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | tr -d . | sort -un | xargs) || true
    archs=${archs:-80 89 90 100}
  fi
  for arch in $archs; do nvcc_flags+=("-gencode=arch=compute_$arch,code=sm_$arch"); done
  nvcc_flags+=("-gencode=arch=compute_$arch,code=compute_$arch")  # newer GPUs compile this one when it is loaded
  # The slowest first.
  for file in solvers/engines/cuda/*.cu; do
    start "$NVCC" "${nvcc_flags[@]}" -ccbin "$CXX" -c "$file" -o "$(object "$file")"
  done
fi
host=(tests/solvers/engines/cuda/host_{backend,library,queues}.cc)
compile "${driver[@]}" "$digits" "$events" "${solvers[@]}" "${cuda[@]}"
[ -z "$on_host" ] || compile "${host[@]}"
finish

# --- link ------------------------------------------------------------------------------------------------------------
object_list() { local file; for file in "$@"; do object "$file"; done; }
rm -f "$objects/libsolvers.a" "$out"/libcsc_cuda*.so
# shellcheck disable=SC2046
ar rc "$objects/libsolvers.a" $(object_list "${solvers[@]}")

# The old kind of run path holds for the libraries of libraries too.
# shellcheck disable=SC2016,SC2046
"$CXX" -o "$out/train" $(object_list "${driver[@]}" "$digits" "$events") "$objects/libsolvers.a" \
  -Wl,--disable-new-dtags,-rpath,'$ORIGIN/lib' -lonnx_proto -lprotobuf -lfmt -lisal -lmatio -lpng -ldl -pthread
built=("$out/train")
if [ -n "$NVCC" ]; then
  # As in third_party/cuda/cuda_library.bzl: what comes from the archive stays inside.
  # shellcheck disable=SC2016,SC2046
  "$NVCC" "${nvcc_flags[@]}" -ccbin "$CXX" --shared --cudart=static -Xlinker=--exclude-libs=ALL -o "$out/libcsc_cuda.so" \
    $(object_list solvers/engines/cuda/*.cu "${cuda[@]}") "$objects/libsolvers.a" -lfmt \
    -Xlinker=--disable-new-dtags -Xlinker=-rpath -Xlinker='$ORIGIN/lib'
  built+=("$out/libcsc_cuda.so")
fi
if [ -n "$on_host" ]; then
  # shellcheck disable=SC2046
  "$CXX" -shared -Wl,--exclude-libs=ALL -o "$out/libcsc_cuda_on_host.so" $(object_list "${host[@]}" "${cuda[@]}") \
    "$objects/libsolvers.a" -lfmt
  built+=("$out/libcsc_cuda_on_host.so")
fi
[ -z "$carry" ] || third_party/carry_libraries.sh "$out/lib" "${built[@]}"

echo "built: ${built[*]}"
[ -n "$NVCC" ] || echo "build_bare.sh: there is no nvcc (CUDA_HOME, /usr/local/cuda, PATH): the engine cuda was not built" >&2

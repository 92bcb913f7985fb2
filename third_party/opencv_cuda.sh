#!/bin/bash
# Builds OpenCV with CUDA, for programs that use the algorithms of cv::cuda (resize, decode, optical flow, ...) around our
# networks. Nothing of ours needs it: the engine `cuda` computes without OpenCV, and layers/cuda_network.h takes a GpuMat
# around any device memory from an OpenCV without CUDA too, such as Debian's.
#
#     third_party/opencv_cuda.sh [--version 4.13.0] [--prefix /opt/opencv-cuda] [--archs "9.0"] [--source FOLDER]
#
# It downloads OpenCV and opencv_contrib of one version (FOLDER/opencv and FOLDER/opencv_contrib where --source is given),
# builds for an hour or so, and installs to the prefix. CUDA 13 needs OpenCV 4.13 or newer. This script was only checked for
# syntax: there was no GPU to run what it makes.
#
# Then point the build to it. Headers and libraries must be of one OpenCV, and so must the plugin and the program:
#
#     export CPLUS_INCLUDE_PATH=PREFIX/include LIBRARY_PATH=PREFIX/lib LD_LIBRARY_PATH=PREFIX/lib
#     bazel build --action_env=CPLUS_INCLUDE_PATH --action_env=LIBRARY_PATH --action_env=LD_LIBRARY_PATH //layers/...
set -euo pipefail

version=4.13.0 prefix=/opt/opencv-cuda archs='' source=''
while [ $# -gt 0 ]; do
  case $1 in
    --version) version=${2:?a version is needed}; shift ;;
    --prefix) prefix=${2:?a folder is needed}; shift ;;
    --archs) archs=${2:?compute capabilities are needed, as in 9.0}; shift ;;
    --source) source=${2:?a folder is needed}; shift ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
  esac
  shift
done
fail() { echo "opencv_cuda.sh: $*" >&2; exit 1; }
for tool in cmake ninja g++ git; do
  command -v "$tool" >/dev/null || fail "there is no $tool: apt-get install cmake ninja-build g++ git"
done
[ -x "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" ] || fail "there is no CUDA toolkit in ${CUDA_HOME:-/usr/local/cuda} (CUDA_HOME)"

if [ -z "$source" ]; then
  source=$prefix/src
  for part in opencv opencv_contrib; do
    [ -d "$source/$part" ] ||
      git clone --depth 1 --branch "$version" "https://github.com/opencv/$part" "$source/$part"
  done
fi
if [ -z "$archs" ]; then
  # This machine's GPUs; OpenCV's default is every architecture that nvcc knows, which takes many times as long.
  archs=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | sort -u | paste -sd ' ') || true
  archs=${archs:-9.0}
fi

# shellcheck disable=SC2054
options=(
  -D CMAKE_BUILD_TYPE=Release
  -D CMAKE_INSTALL_PREFIX="$prefix"
  -D OPENCV_EXTRA_MODULES_PATH="$source/opencv_contrib/modules"  # cudev, which core needs, and all of cv::cuda
  -D WITH_CUDA=ON
  -D CUDA_TOOLKIT_ROOT_DIR="${CUDA_HOME:-/usr/local/cuda}"
  -D CUDA_ARCH_BIN="$archs"
  -D CUDA_ARCH_PTX="${archs##* }"  # newer GPUs compile this when a program starts
  -D CUDA_FAST_MATH=OFF            # results as on the CPU, to rounding
  -D WITH_CUDNN=OFF                # only OpenCV's own DNN back-end would use it, which cannot run our layers
  -D OPENCV_DNN_CUDA=OFF
  -D ENABLE_CUDA_FIRST_CLASS_LANGUAGE=ON  # CMake's own support of CUDA; the older one does not know CUDA 13
  # dnn reads our models; the cuda modules are what one builds all this for. Nothing else, to be done in an hour.
  -D BUILD_LIST=core,imgproc,imgcodecs,dnn,cudev,cudaarithm,cudaimgproc,cudawarping,cudafilters
  -D OPENCV_GENERATE_PKGCONFIG=ON
  -D BUILD_TESTS=OFF -D BUILD_PERF_TESTS=OFF -D BUILD_EXAMPLES=OFF -D BUILD_opencv_apps=OFF
  -D BUILD_opencv_python3=OFF
)
cmake -G Ninja -S "$source/opencv" -B "$source/build" "${options[@]}"
cmake --build "$source/build"
cmake --install "$source/build"
echo "installed: $prefix"

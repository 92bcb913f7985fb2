#!/bin/sh
# Installs what building and testing need, from Debian 12's packages, as root or through sudo. Does nothing where all is
# there, so it is safe to call before every build. CUDA is not installed: it is used where it is found.
set -eu

PACKAGES="
  bazel-bootstrap bazel-platforms bazel-rules-cc bazel-rules-java bazel-rules-proto bazel-skylib g++
  libbenchmark-dev libcli11-dev libdnnl-dev libfmt-dev libgmock-dev libgtest-dev libhwy-dev libisal-dev libmatio-dev
  libonnx-dev libopencv-dev libopenmpi-dev libpng-dev libprotobuf-dev nlohmann-json3-dev openmpi-bin protobuf-compiler
  python3 python3-numpy python3-onnx python3-opencv
  git unzip zip"

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "install.sh: this is not a Debian system; please install the equivalents of:" $PACKAGES >&2
  exit 1
fi

missing=
for package in $PACKAGES; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) || status=
  [ "$status" = installed ] || missing="$missing $package"
done

if [ -z "$missing" ]; then
  echo "install.sh: every package is installed"
  exit 0
fi

sudo=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install.sh: run this as root, it installs:$missing" >&2; exit 1; }
  sudo=sudo
fi

echo "install.sh: installing$missing"
apt() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" </dev/null; }
apt update
# shellcheck disable=SC2086
apt install --no-install-recommends $missing

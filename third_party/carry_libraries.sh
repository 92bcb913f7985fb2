#!/bin/bash
# Copies the shared libraries that programs need, so that they run where those are not installed:
#     third_party/carry_libraries.sh [--gcc-apart] FOLDER FILE...
# The C library stays behind, since it belongs to the kernel's machine: the other one's must be at least as new, and
# FOLDER/glibc says which version that is. So do the driver's libraries, which only its machine has.
# With --gcc-apart libstdc++ and libgcc_s lie in FOLDER/gcc, for machines whose own are older than these: they ask for a
# newer C library than all the rest, which FOLDER/glibc does not count then.
set -euo pipefail

apart=
if [ "$1" = --gcc-apart ]; then apart=yes && shift; fi
folder=$1
shift
mkdir -p "$folder"
folder=$(readlink -f "$folder")
glibc='(ld-linux.*|libc|libm|libdl|librt|libpthread|libresolv|libutil|libanl)\.so'
for file in "$@"; do
  missing=$(ldd "$file" | awk '/not found/ { print $1 }')
  [ -z "$missing" ] || { echo "carry_libraries.sh: $file needs what is not here: ${missing//$'\n'/ }" >&2; exit 1; }
  # Programs that look into FOLDER by themselves find there what an earlier file has brought.
  ldd "$file" | awk '$3 ~ /^\// { print $3 }' | grep -vE "/$glibc" | while read -r library; do
    [ "$(readlink -f "$(dirname "$library")")" = "$folder" ] || cp -uL "$library" "$folder"
  done
done
if [ -n "$apart" ]; then
  mkdir -p "$folder/gcc"
  mv "$folder"/lib{stdc++,gcc_s}.so.* "$folder/gcc"
fi

# The newest version that any of the files asks for, as in "2.34".
for file in "$@" "$folder"/*.so*; do
  objdump -T "$file" 2>/dev/null | grep -oE 'GLIBC_[0-9.]+' || true
done | sed 's/GLIBC_//' | sort -uV | tail -n 1 >"$folder/glibc"

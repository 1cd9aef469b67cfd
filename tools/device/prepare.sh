#!/usr/bin/env bash
# Gets what `make test-device` needs: qemu, a cross compiler and kmod on this host, and in the work folder Debian's
# arm64 kernel with gpio-sim built for it. Nothing foreign is installed and no architecture is added: the kernel's
# packages come through an apt root of our own, from the mirrors this machine already uses, and are only unpacked.
#
#   prepare.sh            does what is missing; a second run takes no time
#   prepare.sh --tools    only the host tools
#
# Exit 0: ready. Exit 9: a package cannot be had here (said on stderr). Anything else is an error.
# Work folder: FOUNTAIN_DEVICE_WORK, else $XDG_CACHE_HOME/fountain-device.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
W=${FOUNTAIN_DEVICE_WORK:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/fountain-device}
CROSS=aarch64-linux-gnu-
mkdir -p "$W"
exec 9>"$W/lock"
flock 9

cannot() {
  echo "prepare: $1" >&2
  [ -z "${2:-}" ] || tail -n 5 "$2" >&2 || true
  exit 9
}

host_tools() {
  local want=() c p
  for c in qemu-system-aarch64:qemu-system-arm ${CROSS}gcc-12:gcc-12-aarch64-linux-gnu depmod:kmod xz:xz-utils make:make; do
    p=${c#*:}
    PATH=$PATH:/sbin:/usr/sbin command -v "${c%%:*}" >/dev/null || want+=("$p")
  done
  [ ${#want[@]} -gt 0 ] || return 0
  echo "prepare: installing ${want[*]}"
  command -v apt-get >/dev/null || cannot "no apt-get here to install ${want[*]}"
  local sudo=()
  [ "$(id -u)" = 0 ] || sudo=(sudo -n)
  export DEBIAN_FRONTEND=noninteractive
  "${sudo[@]}" apt-get update -q >"$W/tools.log" 2>&1 || true # a stale index may still do
  "${sudo[@]}" apt-get install -yq --no-install-recommends "${want[@]}" >>"$W/tools.log" 2>&1 ||
    cannot "apt-get cannot install ${want[*]}" "$W/tools.log"
}

# The private root: this machine's sources and keys, its own state, and arm64 beside the host's architecture.
private_apt() { # TOOL ARGS…
  local tool=$1
  shift
  "$tool" -o Dir::State="$W/apt" -o Dir::State::lists="$W/apt/lists" -o Dir::State::status="$W/apt/status" \
    -o Dir::Cache="$W/apt/cache" -o APT::Architectures= -o APT::Architectures::=arm64 \
    -o APT::Architectures::="$(dpkg --print-architecture)" -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}

fetch() {
  command -v dpkg >/dev/null || cannot "dpkg is needed to unpack Debian's kernel"
  mkdir -p "$W/apt/lists/partial" "$W/apt/cache/archives/partial" "$W/debs"
  : >"$W/apt/status"
  private_apt apt-get update -q >"$W/apt.log" 2>&1 || cannot "the package lists cannot be had" "$W/apt.log"
  local kver series
  kver=$(private_apt apt-cache depends linux-image-arm64:arm64 2>>"$W/apt.log" |
    sed -n 's/.*Depends: linux-image-\([0-9][^: ]*\).*/\1/p' | head -n 1) || true # an empty list is told below
  [ -n "$kver" ] || cannot "no linux-image-arm64 in this machine's package lists" "$W/apt.log"
  series=$(echo "$kver" | cut -d. -f1,2)
  echo "prepare: fetching Debian's kernel $kver for arm64 (about 220 MB)"
  rm -rf "$W/debs" "$W/root" "$W/src"
  mkdir -p "$W/debs" "$W/root" "$W/src"
  (cd "$W/debs" && private_apt apt-get download -q "linux-image-$kver:arm64" "linux-headers-$kver:arm64" \
    "linux-headers-${kver%-arm64}-common" "linux-kbuild-$series" "linux-source-$series") >>"$W/apt.log" 2>&1 ||
    cannot "the kernel's packages cannot be had" "$W/apt.log"
  local d
  for d in "$W"/debs/*.deb; do
    case $d in */linux-source*) ;; *) dpkg -x "$d" "$W/root" ;; esac
  done
  dpkg --fsys-tarfile "$W"/debs/linux-source-*.deb | tar -xO "./usr/src/linux-source-$series.tar.xz" |
    tar -xJ -C "$W/src" --strip-components=1 --wildcards "linux-source-$series/drivers/gpio/gpio-sim.c" \
      "linux-source-$series/drivers/gpio/gpiolib.h" "linux-source-$series/kernel/irq/irq_sim.c"
  rm -rf "$W/debs" # unpacked: no need to keep 220 MB
  echo "$kver" >"$W/kver"
}

# Debian's kernels have CONFIG_GPIO_SIM off. Its two files build out of tree against Debian's headers. irq_sim is
# built in only, and irq_to_desc is not exported to modules: generic_handle_irq reaches the same handler.
modules() {
  local kver headers mod
  kver=$(cat "$W/kver")
  headers=$W/root/usr/src/linux-headers-$kver
  mod=$W/mod
  rm -rf "$mod"
  mkdir -p "$mod" "$W/root/lib/modules/$kver/extra"
  cp "$W/src/drivers/gpio/gpio-sim.c" "$W/src/drivers/gpio/gpiolib.h" "$W/src/kernel/irq/irq_sim.c" "$mod"
  sed -i 's/handle_simple_irq(irq_to_desc(irqnum))/generic_handle_irq(irqnum)/' "$mod/irq_sim.c"
  printf '// SPDX-License-Identifier: GPL-2.0\n#include <linux/module.h>\nMODULE_LICENSE("GPL");\n' >"$mod/irq_sim_mod.c"
  printf 'obj-m += gpio-sim.o irq-sim.o\nirq-sim-y := irq_sim.o irq_sim_mod.o\n' >"$mod/Kbuild"
  # the headers' Makefile names /usr/src: send it to the unpacked copy
  echo "include $W/root/usr/src/linux-headers-${kver%-arm64}-common/Makefile" >"$headers/Makefile"
  echo "prepare: building gpio-sim for $kver"
  make -C "$headers" M="$mod" ARCH=arm64 CROSS_COMPILE=$CROSS CC=${CROSS}gcc-12 modules >"$W/modules.log" 2>&1 ||
    { tail -n 20 "$W/modules.log" >&2; exit 1; }
  local m
  for m in gpio-sim irq-sim; do
    ${CROSS}strip --strip-debug -o "$W/root/lib/modules/$kver/extra/$m.ko" "$mod/$m.ko"
  done
  PATH=$PATH:/sbin:/usr/sbin depmod -b "$W/root" "$kver"
}

host_tools
[ "${1:-}" != --tools ] || exit 0
stamp=$(cksum <"$here/prepare.sh")
if [ "$(cat "$W/stamp" 2>/dev/null)" != "$stamp" ] || [ ! -e "$W/root/boot/vmlinuz-$(cat "$W/kver" 2>/dev/null)" ]; then
  fetch
  modules
  echo "$stamp" >"$W/stamp"
fi
echo "prepare: kernel $(cat "$W/kver") is ready in $W"

#!/usr/bin/env bash
# Installs the real programs that the tests run against (peers): registries, clients, a TLS proxy, makers of root
# file systems. Installs only what is missing, and only where it may: with apt-get, as root or with a sudo that asks
# nothing. Elsewhere it says in one line what is missing; the tests that need it are then skipped.
set -euo pipefail
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# Debian package = the command by which its presence is seen (no call of dpkg: this runs before every test run).
peers=(
    docker-registry=docker-registry skopeo=skopeo umoci=umoci podman=podman buildah=buildah crun=crun nginx=nginx
    debootstrap=debootstrap busybox-static=busybox libcap2-bin=setcap attr=getfattr zstd=zstd pigz=pigz openssl=openssl
    chromium=chromium jq=jq
)
missing=()
for peer in "${peers[@]}"; do
    command -v "${peer#*=}" >/dev/null || missing+=("${peer%%=*}")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

go_without() {
    echo "peers: $1; tests are skipped for want of: ${missing[*]}" \
        "(on Debian: sudo apt-get install --no-install-recommends ${missing[*]})" >&2
    exit 0
}
command -v apt-get >/dev/null || go_without "no apt-get here"
if [ "$(id -u)" = 0 ]; then
    as_root() { env DEBIAN_FRONTEND=noninteractive "$@"; }
elif sudo -n true 2>/dev/null; then
    as_root() { sudo -n env DEBIAN_FRONTEND=noninteractive "$@"; }
else
    go_without "not root, and sudo asks for a password"
fi

# The packages' system services must not start, neither now nor at the next boot: the tests start their own, on free
# ports. The policy file is Debian's switch for "now"; it stands there only while the packages are being installed.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'as_root rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
fi
declare -A services=(
    [docker-registry]=docker-registry.service
    [nginx]=nginx.service
    [podman]="podman.socket podman.service podman-restart.service podman-auto-update.timer podman-auto-update.service"
)

echo "peers: installing ${missing[*]}" >&2
apt_get() {
    local said
    said=$(as_root apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" 2>&1) || { echo "$said" >&2; return 1; }
}
apt_get update || echo "peers: some package lists could not be renewed; going on with those at hand" >&2
apt_get install --yes --no-install-recommends "${missing[@]}" || go_without "the installation failed"

command -v systemctl >/dev/null || exit 0
for package in "${missing[@]}"; do
    for service in ${services[$package]:-}; do
        as_root systemctl --quiet disable "$service" || echo "peers: could not disable $service" >&2
    done
done

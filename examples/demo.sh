#!/usr/bin/env bash
# What `make demo` shows: examples built for linux/amd64 and linux/arm64, pushed to a registry that is started here, and
# pulled back. Needs `ocibuild` and nothing else; works on a copy, and leaves nothing behind.
# With --keep the registry runs on until Ctrl-C, so that other clients can pull from it.
set -euo pipefail

examples=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# In a clone that `make` prepared, ocibuild need not be on the PATH.
command -v ocibuild >/dev/null || PATH="$examples/../.venv/bin:$PATH"
work=$(mktemp -d "${TMPDIR:-/tmp}/ocibuild-demo.XXXXXX")
server=

clean_up() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        for _ in $(seq 100); do
            kill -0 "$server" 2>/dev/null || break
            sleep 0.05
        done
        kill -9 "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Starts a registry over an empty layout on a free loopback port; sets $registry to HOST:PORT.
start_registry() {
    : >"$work/url"  # the one below is opened by a process of its own, which may come after the first look
    ocibuild serve --port 0 "$work/registry" >"$work/url" 2>"$work/server.log" &
    server=$!
    for _ in $(seq 200); do
        registry=$(sed -n 's|^http://\([^/]*\).*|\1|p' "$work/url")
        [ -z "$registry" ] || return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    echo "demo: the registry did not start:" >&2
    cat "$work/server.log" >&2
    exit 1
}

show() {
    printf '\n%s$ %s\n' "${PWD##*/}" "$*"
    "$@"
}

cp -R "$examples" "$work/examples"
start_registry
echo "A registry runs at $registry."

for example in multi-arch-binaries static-site base-and-overlay; do
    cd "$work/examples/$example"
    rm -rf .ocibuild
    [ ! -e base.yaml ] || show ocibuild build -f base.yaml -o oci:.ocibuild/base
    show ocibuild build
    show ocibuild push "$registry/demo/$example:1.0" | tee "$work/pushed"
    tail -n 1 "$work/pushed" >>"$work/references"
done

cd "$work/examples"
reference=$(head -n 1 "$work/references")
show ocibuild pull --platform linux/arm64 -o oci-archive:hello.tar "$reference"

printf '\nPushed for linux/amd64 and linux/arm64:\n'
sed 's/^/  /' "$work/references"
printf '\nHow to pull one, while the registry runs:\n'
printf '  ocibuild pull %s\n' "$reference"
printf '  podman pull --tls-verify=false %s\n' "$reference"
printf '  skopeo copy --src-tls-verify=false docker://%s oci:hello\n' "$reference"

if [ "${1:-}" = --keep ]; then
    printf '\nThe registry runs until Ctrl-C.\n'
    wait "$server"
else
    printf '\nThe registry is stopped now; `examples/demo.sh --keep` leaves it on until Ctrl-C.\n'
fi

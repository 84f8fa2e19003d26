#!/usr/bin/env bash
# build-cluster.sh KUBE: what `kube build` does, with an API server that survives custom resources.
#
# Kubernetes 1.20 brings reflect2 1.0.1, which calls into Go's runtime as it was before Go 1.18. Built
# with Go 1.19, as the harness does, the API server iterates over maps by way of a stray pointer, and
# dies at the first Volume. Upstream's fix is reflect2 1.0.2, which Debian has as a package. Where
# Kubernetes is built already without it, only the API server is built again. Does nothing when all is
# as it should be.
set -Eeuo pipefail
HERE=$(dirname "$(readlink -f "$1")")
KUBE_CACHE=$(realpath -m "${KUBE_CACHE:-/var/cache/kube-harness}")
BIN=$KUBE_CACHE/bin
REFLECT2=github.com/modern-go/reflect2
REFLECT2_PACKAGE=golang-github-modern-go-reflect2-dev

say() { echo "build-cluster: $*"; }
die() { echo "build-cluster: $*" >&2; exit 1; }
for part in image build; do
  # shellcheck source=/dev/null
  . "$HERE/lib/$part.sh"
done

# A file of 1.0.2 alone, whose name is in the program.
is_fixed() { grep -q "$REFLECT2/go_above_118.go" "$BIN/kube-apiserver"; }
is_built() { [ "$(cat "$KUBE_CACHE/recipe" 2>/dev/null)" = "$RECIPE" ]; }

eval "harness_$(declare -f compile)"
compile() {
  local vendored=$WORK/go/src/k8s.io/kubernetes/vendor/$REFLECT2
  rm -f "$vendored"/*.go "$vendored"/*.s
  cp "/usr/share/gocode/src/$REFLECT2"/*.go "/usr/share/gocode/src/$REFLECT2"/*.s "$vendored"
  rm -f "$vendored"/*_test.go
  harness_compile
}

build_api_server() {
  # shellcheck disable=SC2086
  install_packages $BUILD_PACKAGES
  SECONDS=0
  WORK=$KUBE_CACHE/fix
  trap 'rm -rf "$WORK"' EXIT
  rm -rf "$WORK"
  mkdir -p "$WORK/bin" "$WORK/apt/lists/partial" "$WORK/apt/cache/archives/partial"
  say "fetching the kubernetes source package"
  logged "apt-get source" fetch_source
  VERSION=$(cat "$KUBE_CACHE/version")
  BINARIES=kube-apiserver
  compile
  mv "$WORK/bin/kube-apiserver" "$BIN/kube-apiserver.new"
  mv "$BIN/kube-apiserver.new" "$BIN/kube-apiserver" # one that runs goes on
}

mkdir -p "$KUBE_CACHE"
exec 9>"$KUBE_CACHE/.lock"
flock 9
if is_built && is_fixed; then exit; fi
install_packages "$REFLECT2_PACKAGE"
if is_built; then build_api_server; else build; fi
is_fixed || die "expected an API server with reflect2 1.0.2, got another one"
say "done"

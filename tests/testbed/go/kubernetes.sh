#!/usr/bin/env bash
# kubernetes.sh VERSION: writes the module from which the bed builds that version of Kubernetes, for example v1.36.3.
set -euo pipefail
version=${1:?usage: kubernetes.sh vMAJOR.MINOR.PATCH}
[[ $version =~ ^v1\.([0-9]+)\.([0-9]+)$ ]] || { echo "error: $version is no version such as v1.36.3" >&2; exit 2; }
libraries=v0.${BASH_REMATCH[1]}.${BASH_REMATCH[2]}
upstream=$(go mod download -json "k8s.io/kubernetes@$version" | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p')
folder=$(cd "$(dirname "$0")" && pwd)/kubernetes-$version
mkdir -p "$folder"
{
  printf 'module clbmigrate.test/bed/kubernetes\n\n'
  grep '^go ' "$upstream"
  printf '\nrequire k8s.io/kubernetes %s\n\ntool (\n' "$version"
  printf '\tk8s.io/kubernetes/cmd/%s\n' kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubectl kubelet
  # Upstream takes its libraries from folders of its own repository; whoever requires it from outside needs their releases.
  printf ')\n\nreplace (\n'
  sed -n 's#^[[:space:]]*\(replace \)\{0,1\}\(k8s.io/[^ ]*\) => ./staging.*#\2#p' "$upstream" | sort -u |
    while read -r module; do printf '\t%s => %s %s\n' "$module" "$module" "$libraries"; done
  printf ')\n'
} > "$folder/go.mod"
cd "$folder" && go mod tidy

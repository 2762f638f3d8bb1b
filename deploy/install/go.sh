#!/usr/bin/env bash
# Builds the Go programs that judge the chart and the workflows, from their public modules, and downloads the modules
# with the CRDs of the operators of Prometheus and Grafana. Without Go, the tests that need them are skipped.
# usage: go.sh; prints the folder with the programs
set -euo pipefail
cache=${XDG_CACHE_HOME:-$HOME/.cache}/openai-usage-exporter
programs=(
  helm.sh/helm/v3/cmd/helm@v3.22.0
  github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0
  github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
  github.com/prometheus/alertmanager/cmd/alertmanager@v0.28.1
)
modules=(
  github.com/prometheus-operator/prometheus-operator@v0.92.1
  github.com/grafana/grafana-operator/v5@v5.24.0
)

if ! command -v go >/dev/null; then
  echo "go is not installed: the chart and the workflows are not judged by Helm, kubeconform and actionlint" >&2
  exit 0
fi
mkdir -p "$cache/bin" "$cache/modules"
for program in "${programs[@]}"; do
  name=$(basename "${program%@*}") version=${program#*@}
  if ! go version -m "$cache/bin/$name" 2>/dev/null | grep -qP "^\tmod\t\S+\t$version\t"; then
    echo "building $name $version" >&2
    GOBIN=$cache/bin go install "$program"
  fi
done
for module in "${modules[@]}"; do
  name=$(sed 's#@.*##; s#/v[0-9]*$##; s#.*/##' <<<"$module")
  echo "downloading $name ${module#*@}" >&2
  folder=$(go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  ln -sfn "$folder" "$cache/modules/$name"
done
echo "$cache/bin"

# shellcheck shell=bash
# Sourced by its neighbours: `build OVERLAY` prints the objects of an overlay, and says where they go.

build() {
  local overlays folder program
  overlays=$(dirname "${BASH_SOURCE[0]}")/../overlays
  [[ ${1-} && $1 != -* ]] || stop "expected an overlay: $(cd "$overlays" && echo *), or a folder"
  for program in kubectl agentic-rag; do
    command -v "$program" >/dev/null || stop "$program is not on the PATH"
  done
  folder=$overlays/$1
  [[ -d $folder ]] || folder=$1
  [[ -d $folder ]] || stop "no overlay $1: there is $(cd "$overlays" && echo *)"
  printf 'context %s\n' "$(kubectl config current-context)" >&2
  kubectl kustomize "$folder"
}

stop() {
  printf 'error: %s\n' "$1" >&2
  exit 2
}

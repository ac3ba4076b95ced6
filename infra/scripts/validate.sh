#!/usr/bin/env bash
# Is what is deployed in order? A line for each thing, PASS, WARN or FAIL; fails where one is FAIL.
#   validate.sh [--namespace NAMESPACE]       the cluster's objects, then the agent by a port-forward
#   validate.sh --url URL                     a server, without a cluster
# The other arguments are those of `agentic-rag smoke`; no question is asked.
set -euo pipefail
# shellcheck source=infra/scripts/reach.sh
source "$(dirname "${BASH_SOURCE[0]}")/reach.sh"

FAILED=0

# say STATE WHAT FOUND [REMEDY]
say() {
  printf '%s %s: %s\n' "$1" "$2" "$3"
  [[ -z ${4-} ]] || printf '     %s\n' "$4"
  [[ $1 != FAIL ]] || FAILED=1
}

cluster() {
  kubectl --namespace "$NAMESPACE" "$@"
}

look_at_services() {
  local name ready
  for name in rag-agent llm-server; do
    if ! ready=$(cluster get inferenceservice "$name" --output \
      "jsonpath={.status.conditions[?(@.type=='Ready')].status} {.status.conditions[?(@.type=='Ready')].message}" 2>&1); then
      say FAIL "$name" "cannot be looked at: ${ready%%$'\n'*}" "apply an overlay; see --namespace"
    elif [[ $ready == True* ]]; then
      say PASS "$name" ready
    else
      say FAIL "$name" "not ready: ${ready#* }" "kubectl -n $NAMESPACE describe inferenceservice $name"
    fi
  done
}

look_at_pods() {
  local pod reason
  while read -r pod reason; do
    [[ -z $pod ]] || say FAIL "pod $pod" "waits: $reason" "kubectl -n $NAMESPACE describe pod $pod"
  done < <(cluster get pods --output \
    'jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[*].state.waiting.reason}{"\n"}{end}' |
    awk 'NF > 1')
}

look_at_keys() {
  if cluster get secret rag-agent-keys >/dev/null 2>&1; then
    say PASS keys "the Secret rag-agent-keys is there"
  else
    say WARN keys "no Secret rag-agent-keys: whoever reaches the agent may ask" "see infra/kserve/secrets.yaml"
  fi
}

reach "$@"
if [[ -z $URL ]]; then
  look_at_services
  look_at_pods
  look_at_keys
fi
smoke --only-look || FAILED=1
exit $FAILED

#!/usr/bin/env bash
# Does the model sleep, and wake when it is asked? Idle, zero pods, a question, an answer from the
# documents meanwhile, the wake-up, the model's own answer: each with its time.
#   verify_scale_to_zero.sh [--namespace NAMESPACE]   waits until the model has no pod left
#   verify_scale_to_zero.sh --url URL                 goes by what the server says of its model
# The other arguments are those of `agentic-rag smoke`; IDLE_S is how long to wait for sleep.
set -euo pipefail
# shellcheck source=infra/scripts/reach.sh
source "$(dirname "${BASH_SOURCE[0]}")/reach.sh"

IDLE_S=${IDLE_S:-1800}

wait_for_zero() {
  local began=$SECONDS pods
  while true; do
    pods=$(pods_of llm-server) || exit
    [[ $pods ]] || break
    ((SECONDS - began < IDLE_S)) ||
      stop "llm-server still has pods after $IDLE_S s: see minReplicas, the retention, and who asks it"
    sleep 5
  done
  printf 'PASS zero: no pod of llm-server after %d s\n' $((SECONDS - began))
}

reach "$@"
if [[ -z $URL ]]; then wait_for_zero; fi
smoke --wake --idle "$IDLE_S"

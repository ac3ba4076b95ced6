#!/usr/bin/env bash
# Asks the deployed agent the lab's questions over every door; fails, and says what is broken.
#   smoke_e2e.sh                              the agent of the cluster, by a port-forward
#   smoke_e2e.sh --url URL [--grpc HOST:PORT] a server, without a cluster
# The other arguments are those of `agentic-rag smoke`: --api-key, --door, --cases, --json, ...
set -euo pipefail
# shellcheck source=infra/scripts/reach.sh
source "$(dirname "${BASH_SOURCE[0]}")/reach.sh"

reach "$@"
# shellcheck disable=SC2119  # the arguments are in REST
smoke

# shellcheck shell=bash
# Sourced by its neighbours: finds the agent. `reach "$@"` sets
#   NAMESPACE  by --namespace, or $NAMESPACE, or kubeflow-user
#   URL GRPC   by --url and --grpc; empty where the cluster is meant
#   REST       the other arguments, which are for `agentic-rag smoke`

reach() {
  NAMESPACE=${NAMESPACE:-kubeflow-user} URL='' GRPC='' REST=()
  while (($#)); do
    case $1 in
      --namespace | --url | --grpc)
        (($# > 1)) || stop "$1: expected a value"
        case $1 in
          --namespace) NAMESPACE=$2 ;;
          --url) URL=$2 ;;
          --grpc) GRPC=$2 ;;
        esac
        shift ;;
      *) REST+=("$1") ;;
    esac
    shift
  done
  command -v agentic-rag >/dev/null || stop "agentic-rag is not on the PATH: pip install agentic-rag"
  [[ $URL ]] || command -v kubectl >/dev/null ||
    stop "kubectl is not on the PATH; --url asks a server without it"
}

# Runs agentic-rag smoke, in a cluster by a port-forward to one of the agent's pods.
smoke() {
  [[ $URL ]] || forward
  local at=(--url "$URL")
  [[ -z $GRPC ]] || at+=(--grpc "$GRPC")
  agentic-rag smoke "${at[@]}" "${REST[@]}" "$@"
}

# pods_of SERVICE: the names of its pods, a line each
pods_of() {
  kubectl --namespace "$NAMESPACE" get pod --output name \
    --selector "serving.kserve.io/inferenceservice=$1" || stop "the cluster cannot be asked"
}

forward() {
  local pod log
  pod=$(pods_of rag-agent) || exit
  pod=${pod%%$'\n'*}
  [[ $pod ]] || stop "no pod of rag-agent in $NAMESPACE: see kubectl get inferenceservice rag-agent"
  log=$(mktemp)
  kubectl --namespace "$NAMESPACE" port-forward "$pod" :8080 :8081 >"$log" 2>&1 &
  # shellcheck disable=SC2064  # the values of now
  trap "kill $! 2>/dev/null || true; rm -f '$log'" EXIT
  for _ in {1..300}; do
    URL=$(port_of 8080 "$log") GRPC=$(port_of 8081 "$log")
    if [[ $URL && $GRPC ]]; then
      URL=http://127.0.0.1:$URL GRPC=127.0.0.1:$GRPC
      return
    fi
    kill -0 $! 2>/dev/null || break
    sleep 0.1
  done
  stop "the port-forward to $pod failed: $(tail -n 1 "$log")"
}

port_of() {
  sed -n "s/^Forwarding from 127\.0\.0\.1:\([0-9]*\) -> $1\$/\1/p" "$2" | head -n 1
}

stop() {
  printf 'error: %s\n' "$1" >&2
  exit 2
}

"""vLLM: flags that it knows, that belong together, and that its place can carry."""

from tests.infra.manifests import Manifest, Pod, environment, number, pods

Faults = list[str]

# Of 0.32; another one that exists may be added here when a manifest needs it.
FLAGS = {
    "chat-template",
    "disable-log-stats",
    "download-dir",
    "dtype",
    "enable-auto-tool-choice",
    "enable-chunked-prefill",
    "enable-lora",
    "enable-prefix-caching",
    "enable-sleep-mode",
    "enforce-eager",
    "generation-config",
    "gpu-memory-utilization",
    "host",
    "kv-cache-dtype",
    "load-format",
    "lora-modules",
    "max-cpu-loras",
    "max-lora-rank",
    "max-loras",
    "max-model-len",
    "max-num-batched-tokens",
    "max-num-queued-reqs",
    "max-num-queued-tokens",
    "max-num-seqs",
    "model",
    "no-enable-prefix-caching",
    "otlp-traces-endpoint",
    "pipeline-parallel-size",
    "port",
    "quantization",
    "reasoning-parser",
    "revision",
    "safetensors-load-strategy",
    "scheduling-policy",
    "seed",
    "served-model-name",
    "shutdown-timeout",
    "tensor-parallel-size",
    "tokenizer",
    "tool-call-parser",
}
TOGETHER = (  # who says the first must say the second
    ("--enable-auto-tool-choice", "--tool-call-parser"),
    ("--tool-call-parser", "--enable-auto-tool-choice"),
    ("--max-loras", "--enable-lora"),
    ("--max-cpu-loras", "--enable-lora"),
    ("--max-lora-rank", "--enable-lora"),
    ("--lora-modules", "--enable-lora"),
    ("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "--enable-lora"),
    ("VLLM_LORA_RESOLVER_CACHE_DIR", "--enable-lora"),
    ("--enable-sleep-mode", "VLLM_SERVER_DEV_MODE"),
)
NUMBERS = {"--max-model-len", "--max-num-seqs", "--max-num-batched-tokens"}
GPU = "nvidia.com/gpu"
SHM_FROM_GPUS = 2  # NCCL shares memory between the workers of one model


def vllm_knows_its_flags(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in llms(manifests):
        flags = flags_of(pod)
        names = [name for name, _ in flags]
        faults += [
            f"{pod.title}: args {name}: vLLM does not know it, and would not start"
            for name in sorted(set(names))
            if name.removeprefix("--") not in FLAGS
        ]
        said = names if pod.by_runtime else []  # a runtime of ours may be said over by its model
        faults += [
            f"{pod.title}: args {name}: said twice" for name in set(said) if said.count(name) > 1
        ]
    return faults


def vllm_flags_belong_together(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in llms(manifests):
        said = {name for name, _ in flags_of(pod)} | set(environment(pod.containers[0]))
        faults += [
            f"{pod.title}: {first}: needs {second}"
            for first, second in TOGETHER
            if first in said and second not in said
        ]
        numbers = {name: value for name, value in flags_of(pod) if name in NUMBERS}
        faults += [
            f"{pod.title}: args {name}: {value!r} is no number"
            for name, value in numbers.items()
            if not value.replace(".", "", 1).isdigit()
        ]
        if "--max-model-len" not in said:
            faults.append(
                f"{pod.title}: args --max-model-len: say it, else the KV cache may not fit"
            )
        if pod.by_runtime and said & {"--port", "--host", "--model"}:
            faults.append(f"{pod.title}: args: --port, --host and --model are the runtime's to say")
    return faults


def vllm_fits_its_gpus(manifests: list[Manifest]) -> Faults:
    faults = []
    for pod in llms(manifests):
        flags, container = dict(flags_of(pod)), pod.containers[0]
        gpus = gpus_of(pod)
        ranks = int(flags.get("--tensor-parallel-size", 1)) * int(
            flags.get("--pipeline-parallel-size", 1)
        )
        if ranks != max(gpus, 1):
            faults.append(f"{pod.title}: --tensor-parallel-size: {ranks} ranks on {gpus} GPUs")
        if not 0 < float(flags.get("--gpu-memory-utilization", 0.9)) <= 0.95:
            faults.append(f"{pod.title}: --gpu-memory-utilization: say more than 0, at most .95")
        shared = [each["mountPath"] for each in container.get("volumeMounts", [])]
        if gpus >= SHM_FROM_GPUS and "/dev/shm" not in shared:
            faults.append(f"{pod.title}: volumeMounts /dev/shm: {gpus} GPUs need more than 64 Mi")
        if not gpus:
            faults += _cpu_faults(pod, flags)
    return faults


def _cpu_faults(pod: Pod, flags: dict[str, str]) -> Faults:
    container, faults = pod.containers[0], []
    if "cpu" not in container.get("image", "") and not pod.by_runtime:
        faults.append(f"{pod.title}: image: without a GPU it must be vLLM's for the CPU")
    if pod.by_runtime and "runtimeVersion" in container:
        faults.append(f"{pod.title}: runtimeVersion: with it KServe keeps the GPU image; ask a GPU")
    if flags.get("--dtype") not in {"float32", "bfloat16"}:
        faults.append(f"{pod.title}: args --dtype: say float32 on a CPU")
    if "VLLM_CPU_KVCACHE_SPACE" not in environment(container):
        faults.append(f"{pod.title}: env VLLM_CPU_KVCACHE_SPACE: say it, else it takes most memory")
    if "--gpu-memory-utilization" in flags:
        faults.append(f"{pod.title}: args --gpu-memory-utilization: there is no GPU")
    return faults


def llms(manifests: list[Manifest]) -> list[Pod]:
    return [
        pod
        for pod in pods(manifests)
        if not pod.ends
        and any("vllm" in f"{each.get('image')} {each.get('runtime')}" for each in pod.containers)
    ]


def flags_of(pod: Pod) -> list[tuple[str, str]]:
    """`--name value`, `--name=value` and `--name`, in order."""
    words = [*pod.containers[0].get("command", []), *pod.containers[0].get("args", [])]
    found: list[tuple[str, str]] = []
    for word, after in zip(words, [*words[1:], ""], strict=True):
        name, given, value = word.partition("=")
        if name.startswith("--"):
            found.append((name, value if given or after.startswith("--") else after))
    return found


def gpus_of(pod: Pod) -> int:
    return number(pod.containers[0].get("resources", {}).get("limits", {}).get(GPU, 0))

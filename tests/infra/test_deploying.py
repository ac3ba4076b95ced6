"""`agentic-rag deploy`: what each overlay needs of a cluster is seen before anything is applied."""

import base64
import copy
import re
import shutil
from collections.abc import Callable

import pytest
from tests.cluster import World, read_world
from tests.infra.manifests import INFRA, OVERLAYS, build

from agentic_rag.deploying.checks import look
from agentic_rag.deploying.doing import put, take_away
from agentic_rag.deploying.overlay import Overlay
from agentic_rag.deploying.progress import settle
from agentic_rag.lines import Line

pytestmark = pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl builds the overlays")

KEYS = "/api/v1/namespaces/kubeflow-user/secrets/rag-agent-keys"
GPU_NODE, CPU_NODE = "/api/v1/nodes/gpu-1", "/api/v1/nodes/cpu-1"
NFS = "/apis/storage.k8s.io/v1/storageclasses/nfs"
KSERVE = "/apis/apps/v1/namespaces/kserve/deployments/kserve-controller-manager"
KNATIVE = "/apis/apps/v1/namespaces/knative-serving/deployments/controller"
KEDA = "/apis/apps/v1/namespaces/keda/deployments/keda-operator"
RUNTIME = "/apis/serving.kserve.io/v1alpha1/clusterservingruntimes/kserve-vllmserver"
CONFIG = "/api/v1/namespaces/knative-serving/configmaps/config-{}"
LLM, AGENT = "inferenceservice/llm-server", "inferenceservice/rag-agent"


@pytest.fixture(scope="module")
def built() -> Callable[[str], Overlay]:
    known = {name: build(INFRA / "overlays" / name) for name in OVERLAYS}
    return lambda name: Overlay(copy.deepcopy(known[name]))


@pytest.fixture
def world() -> World:
    return read_world()


def wrong(lines: list[Line], *states: str) -> list[str]:
    assert all(line.remedy for line in lines if line.state != "PASS")
    return [f"{e.what}: {e.found}" for e in lines if e.state in (states or ("FAIL",))]


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_cluster_that_has_everything_can_take_every_overlay(name, built, world):
    lines = list(look(built(name), world))

    assert wrong(lines) == []
    assert all(re.match("image .* tag|ways in|keys", each) for each in wrong(lines, "WARN"))
    assert world.writes == []


def without(path: str) -> Callable[[World], object]:
    return lambda world: world.objects.pop(path)


def at(path: str, *keys: str | int, to: object) -> Callable[[World], None]:
    """Change what stands below a path."""

    def change(world: World) -> None:
        if path not in world.objects:
            world.objects[path] = {"data": {}}
        target = world.objects[path]
        for key in keys[:-1]:
            target = target[key]
        target[keys[-1]] = to

    return change


def unserved(version: str, kind: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.kinds[version] = [each for each in world.kinds[version] if each["kind"] != kind]

    return change


def old(version: str) -> Callable[[World], None]:
    return lambda world: setattr(world, "version", version)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


IMAGE = ("spec", "template", "spec", "containers", 0, "image")
MISSING = {  # what is wrong with the cluster: the overlay, the change, and what is said
    "an old Kubernetes": ("knative", old("v1.29.9+k3s1"), "kubernetes: is v1.29.9.*1.30"),
    "no image volumes": ("cpu-lab", old("v1.32.0"), "kubernetes: .*1.33 is needed, for images"),
    "no KServe": (
        "multi-replica",
        unserved("serving.kserve.io/v1beta1", "InferenceService"),
        "kind InferenceService: serving.kserve.io/v1beta1 is not served",
    ),
    "no Gateway API": (
        "multi-replica",
        lambda world: world.kinds.pop("gateway.networking.k8s.io/v1"),
        "kind HTTPRoute: .* is not served",
    ),
    "no Kueue of that version": (
        "openshift-s3",
        lambda world: world.kinds.pop("kueue.x-k8s.io/v1beta1"),
        "kind ClusterQueue: .* is not served",
    ),
    "no KEDA": (
        "standard-keda",
        lambda world: world.kinds.pop("keda.sh/v1alpha1"),
        "kind ScaledObject: .* is not served",
    ),
    "no metrics server": (
        "multi-replica",
        lambda world: world.kinds.pop("metrics.k8s.io/v1beta1"),
        "kind PodMetrics: metrics.k8s.io/v1beta1 is not served",
    ),
    "no Knative": (
        "knative",
        lambda world: world.kinds.pop("serving.knative.dev/v1"),
        "kind Service: serving.knative.dev/v1 is not served",
    ),
    "an old KServe": (
        "knative",
        at(KSERVE, *IMAGE, to="kserve/kserve-controller:v0.15.2"),
        r"KServe: is v0.15.2; 0.20 or later",
    ),
    "a KServe that does not run": (
        "knative",
        at(KSERVE, "status", to={}),
        "KServe: is installed, and does not run",
    ),
    "an old Knative": (
        "knative",
        at(KNATIVE, "metadata", "labels", "app.kubernetes.io/version", to="1.12.0"),
        "Knative Serving: is 1.12.0",
    ),
    "an old KEDA": ("standard-keda", at(KEDA, *IMAGE, to="keda:2.9.0"), "KEDA: is 2.9.0"),
    "no runtime": ("knative", without(RUNTIME), "runtime kserve-vllmserver: is not there"),
    "a runtime that is off": (
        "knative",
        at(RUNTIME, "spec", "disabled", to=True),
        "runtime kserve-vllmserver: is disabled",
    ),
    "a runtime of another case": (
        "knative",
        at(RUNTIME, "spec", "supportedModelFormats", to=[{"name": "vllm"}]),
        "runtime kserve-vllmserver: takes vllm, and not vLLM",
    ),
    "a short time-out of Knative's": (
        "knative",
        at(CONFIG.format("defaults"), "data", "max-revision-timeout-seconds", to="300"),
        f"knative: {LLM} may take 600 s, and Knative allows 300",
    ),
    "no GPU": (
        "knative",
        lambda world: world.objects[GPU_NODE]["status"]["allocatable"].pop("nvidia.com/gpu"),
        f"nodes: {LLM} asks for .*nvidia.com/gpu 1: no node has that",
    ),
    "too few GPUs": (
        "multi-replica",
        at(GPU_NODE, "status", "allocatable", "nvidia.com/gpu", to="1"),
        "nvidia.com/gpu: 2 wanted, 1 there",
    ),
    "a node with the GPU that is cordoned": (
        "knative",
        at(GPU_NODE, "spec", "unschedulable", to=True),
        f"nodes: {LLM} asks for",
    ),
    "nodes that are too small": (
        "cpu-lab",
        lambda world: [
            at(node, "status", "allocatable", "memory", to="2000Mi")(world)
            for node in (GPU_NODE, CPU_NODE)
        ],
        rf"nodes: {LLM} asks for cpu 1, memory 3.0Gi: no node has that",
    ),
    "no node that is ready": (
        "cpu-lab",
        lambda world: [at(n, "status", "conditions", to=[])(world) for n in (GPU_NODE, CPU_NODE)],
        "nodes: none is ready",
    ),
    "no StorageClass": ("standard-keda", without(NFS), "claim chroma-backups: names no Storage"),
    "storage that one node can mount": (
        "standard-keda",
        at(NFS, "provisioner", to="rancher.io/local-path"),
        "claim rag-agent-index: asks for ReadWriteMany",
    ),
    "no Secret": ("standard-keda", without(KEYS), "secret/rag-agent-keys: is not there"),
    "a Secret without its key": (
        "standard-keda",
        lambda world: world.objects[KEYS]["data"].pop("DATABASE_URL"),
        "secret/rag-agent-keys: has no DATABASE_URL",
    ),
    "a placeholder in a Secret": (
        "standard-keda",
        at(KEYS, "data", "CHROMA_TOKEN", to=encoded("<your-token>")),
        "secret/rag-agent-keys: CHROMA_TOKEN holds a placeholder",
    ),
    "a placeholder in an optional key": (
        "cpu-lab",
        at(KEYS, "data", "OPENAI_API_KEY", to=encoded("change-me\n")),
        "secret/rag-agent-keys: OPENAI_API_KEY holds a placeholder",
    ),
    "an empty key": (
        "standard-keda",
        at(KEYS, "data", "CHROMA_TOKEN", to=encoded("\n")),
        "secret/rag-agent-keys: CHROMA_TOKEN holds a placeholder",
    ),
    "an address with the example's password": (
        "standard-keda",
        at(KEYS, "data", "DATABASE_URL", to=encoded("postgresql://agentic_rag:<password>@x/y")),
        "secret/rag-agent-keys: DATABASE_URL holds a placeholder",
    ),
    "no bucket's Secret": (
        "openshift-s3",
        without("/api/v1/namespaces/kubeflow-user/secrets/storage-config"),
        "secret/storage-config: is not there",
    ),
    "no certificate": (
        "knative",
        without("/api/v1/namespaces/kubeflow-user/secrets/rag-agent-tls"),
        "secret/rag-agent-tls: is not there",
    ),
    "an image of nobody's registry": (
        "cpu-lab",
        at(CPU_NODE, "status", "images", to=[]),
        "image registry.example/agentic-rag/rag-agent:0.1.0: is of a registry that is nobody's",
    ),
    "no gateway": (
        "multi-replica",
        without("/apis/gateway.networking.k8s.io/v1/namespaces/gateways/gateways/public"),
        "gateway gateways/public: is not there",
    ),
    "no class of Ingress": (
        "knative",
        without("/apis/networking.k8s.io/v1/ingressclasses/nginx"),
        "ingressclass nginx: is not there",
    ),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_a_cluster_lacks_is_named_before_anything_is_applied(what, built, world):
    overlay, change, said = MISSING[what]

    change(world)
    found = wrong(list(look(built(overlay), world)))

    assert any(re.match(said, each) for each in found), found
    assert world.writes == []


def service(overlay: Overlay, name: str) -> dict:
    return next(e for e in overlay.of("InferenceService") if e["metadata"]["name"] == name)


@pytest.mark.parametrize(
    ("field", "value", "flag"),
    [
        ("initContainers", [{"name": "fetch", "image": "x:1"}], "podspec-init-containers"),
        ("nodeSelector", {"gpu": "l4"}, "podspec-nodeselector"),
        ("tolerations", [], "podspec-tolerations"),
        ("securityContext", {"fsGroup": 1000}, "podspec-securitycontext"),
        (
            "volumes",
            [{"name": "x", "persistentVolumeClaim": {"claimName": "x"}}],
            "podspec-persistent-volume-write",
        ),
        ("volumes", [{"name": "x", "image": {"reference": "x:1"}}], "podspec-volumes-image"),
    ],
)
def test_a_field_behind_a_flag_of_knatives_needs_the_flag(field, value, flag, built, world):
    overlay = built("knative")
    service(overlay, "rag-agent")["spec"]["predictor"][field] = value

    off = wrong(list(look(overlay, world)))
    world.objects[CONFIG.format("features")]["data"] = {
        f"kubernetes.{each}": "Enabled" for each in (flag, "podspec-persistent-volume-claim")
    }
    on = wrong(list(look(overlay, world)))

    assert any(f"knative: {AGENT} has" in each and f"{flag} is off" in each for each in off)
    assert not any(each.startswith("knative:") for each in on)


def test_gpus_that_others_have_are_a_warning(built, world):
    spec = {"containers": [{"resources": {"requests": {"nvidia.com/gpu": "2"}}}]}
    pod = {"metadata": {"name": "train", "namespace": "others"}, "spec": spec}
    world.objects["/api/v1/namespaces/others/pods/train"] = pod

    lines = list(look(built("knative"), world))

    assert wrong(lines) == []
    assert "nvidia.com/gpu: 1 wanted, 2 there, 2 taken by others" in wrong(lines, "WARN")


def test_a_way_in_without_keys_is_a_warning(built, world):
    said = "keys: none is set: whoever comes through a way in may ask"

    without_keys = wrong(list(look(built("knative"), world)), "WARN")
    world.objects[KEYS]["data"]["API_KEYS"] = encoded("website:ask:4f6d14b082c1")
    with_keys = wrong(list(look(built("knative"), world)), "WARN")

    assert said in without_keys
    assert said not in with_keys


def test_what_may_not_be_seen_is_a_warning_and_the_rest_is_looked_at(built, world):
    world.forbidden = {"/secrets/", "/nodes"}

    lines = list(look(built("standard-keda"), world))

    found = wrong(lines, "WARN")
    assert any(
        each.startswith("secrets and claims are there: cannot be looked at") for each in found
    )
    assert any(each.startswith("nodes have room: cannot be looked at") for each in found)
    assert any(line.what == "gateway gateways/public" for line in lines)


def test_no_value_of_a_secret_is_ever_told(built, world):
    world.objects[KEYS]["data"]["CHROMA_TOKEN"] = encoded("<hush>")

    told = str(list(look(built("standard-keda"), world)))

    assert "hush" not in told
    assert "4f6d" not in told


def test_a_cluster_that_does_not_answer_is_one_line(built, world):
    world.down = True

    (line,) = look(built("knative"), world)

    assert line.state == "FAIL"
    assert line.found.startswith("does not answer: The connection")


def deployed(overlay: Overlay, world: World, limit_s: float = 0) -> tuple[list[Line], list[str]]:
    told: list[str] = []
    lines = [
        *put(overlay, world),
        *settle(overlay, world, limit_s=limit_s, tell=told.append, poll_s=0),
    ]
    return lines, told


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_overlay_is_put_and_waited_for(name, built, world):
    overlay = built(name)

    lines, told = deployed(overlay, world)

    assert wrong(lines) == []
    assert {AGENT, LLM} <= {line.what for line in lines}
    assert len(told) == len(lines) - 1  # of each that is waited for, once


def pod_of(name: str, **status: object) -> dict:
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "agentic-rag"}
    metadata = {"name": f"{name}-1", "namespace": "kubeflow-user", "labels": labels}
    return {"metadata": metadata, "spec": {"containers": []}, "status": status}


def waits(reason: str, message: str = "", **more: object) -> dict:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"containerStatuses": [{"name": "kserve-container", "state": state, **more}]}


NOT_YET = {"conditions": [{"type": "Ready", "status": "False", "reason": "PredictorNotReady"}]}
STUCK = {
    "an image that is not there": (
        waits("ImagePullBackOff", 'Back-off pulling image "x"'),
        "pod llm-server-1: ImagePullBackOff: Back-off pulling",
    ),
    "a Secret that is not there": (
        waits("CreateContainerConfigError", 'secret "storage-config" not found'),
        'pod llm-server-1: CreateContainerConfigError: secret "storage-config" not found',
    ),
    "no memory": (
        waits("CrashLoopBackOff", lastState={"terminated": {"reason": "OOMKilled"}}),
        "pod llm-server-1: OOMKilled: kserve-container needs more memory",
    ),
    "no GPU that is free": (
        {
            "conditions": [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
                }
            ]
        },
        "pod llm-server-1: Unschedulable: 0/2 nodes are available",
    ),
    "weights that cannot be fetched": (
        {"initContainerStatuses": waits("CrashLoopBackOff", "back-off")["containerStatuses"]},
        "pod llm-server-1: CrashLoopBackOff: back-off",
    ),
    "nothing that a pod tells": ({}, "not ready: PredictorNotReady"),
}


@pytest.mark.parametrize("what", STUCK)
def test_what_keeps_a_pod_from_running_is_named(what, built, world):
    status, said = STUCK[what]
    world.becomes = {LLM: NOT_YET}
    world.objects["/api/v1/namespaces/kubeflow-user/pods/llm-server-1"] = pod_of(
        "llm-server", **status
    )

    lines, told = deployed(built("knative"), world)

    (found,) = wrong(lines)
    assert found.startswith(f"{LLM}: {said}")
    assert any(said in each for each in told)


def test_what_no_waiting_mends_is_not_waited_for(built, world):
    world.becomes = {LLM: NOT_YET}
    hopeless = pod_of("llm-server", **waits("InvalidImageName", "x"))
    world.objects["/api/v1/namespaces/kubeflow-user/pods/llm-server-1"] = hopeless

    world.becomes[AGENT] = NOT_YET
    lines, _ = deployed(built("knative"), world, limit_s=3600)

    (found,) = wrong(lines)
    assert found.startswith(f"{LLM}: pod llm-server-1: InvalidImageName")
    assert wrong(lines, "WARN") == [f"{AGENT}: was not waited for: not ready: PredictorNotReady"]


def test_a_job_that_failed_is_not_waited_for_and_is_made_anew_the_next_time(built, world):
    failed = {"type": "Failed", "status": "True", "message": "Job has reached its backoff limit"}
    world.becomes = {"job/ingest": {"conditions": [failed]}}

    first, _ = deployed(built("standard-keda"), world, limit_s=3600)
    world.becomes = {}
    second, _ = deployed(built("standard-keda"), world)

    assert wrong(first) == ["job/ingest: failed: Job has reached its backoff limit"]
    assert wrong(second) == []


def test_a_job_that_is_cleared_away_after_its_end_has_ended(built, world):
    class Forgetful(World):
        def read(self, path):
            there = super().read(path)
            if path.endswith("/jobs/ingest"):
                self.take(path)
            return there

    overlay = built("standard-keda")
    list(put(overlay, world))
    forgetful = Forgetful(**vars(world))
    llm = forgetful.path_of(service(overlay, "llm-server"))
    forgetful.objects[llm]["status"] = NOT_YET

    def tell(text: str) -> None:
        if "job/ingest: complete" in text:
            forgetful.objects[llm]["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}

    lines = list(settle(overlay, forgetful, limit_s=600, tell=tell, poll_s=0))

    assert wrong(lines) == []


def test_an_old_state_of_a_service_is_not_taken_for_the_new(built, world):
    ready = {"type": "Ready", "status": "True"}
    world.becomes = {LLM: {"observedGeneration": 1, "conditions": [ready]}}
    overlay = built("knative")
    service(overlay, "llm-server")["metadata"]["generation"] = 2

    lines, _ = deployed(overlay, world)

    assert wrong(lines)[0].startswith(f"{LLM}: is not yet looked at by its controller")


def test_a_cluster_that_goes_away_meanwhile_is_waited_for(built, world):
    class Stumbling(World):
        reads = 0

        def read(self, path):
            self.reads += 1
            self.down = self.reads % 7 == 0
            return super().read(path)

    overlay = built("standard-keda")
    list(put(overlay, world))
    stumbling = Stumbling(**vars(world))

    lines = list(settle(overlay, stumbling, limit_s=600, tell=[].append, poll_s=0))

    assert wrong(lines) == []


def test_taking_an_overlay_away_keeps_its_data_and_what_is_the_operators(built, world):
    overlay = built("standard-keda")
    list(put(overlay, world))
    made = "/api/v1/namespaces/kubeflow-user/persistentvolumeclaims/data-chroma-0"
    world.objects[made] = {"metadata": {"name": "data-chroma-0"}, "spec": {}}

    lines = list(take_away(overlay, world, with_data=False))

    left = {path.rpartition("/")[2] for path in world.objects if "/kubeflow-user" in path}
    assert wrong(lines) == []
    assert {"data-chroma-0", "rag-agent-index", "chroma-backups", "rag-agent-keys"} <= left
    assert not left & {"llm-server", "rag-agent", "postgres", "chroma", "ingest", "deny-all"}
    assert any("data-chroma-0" in line.found for line in lines if line.what == "kept")


def test_data_goes_only_when_that_is_said_and_others_stays_even_then(built, world):
    overlay = built("standard-keda")
    list(put(overlay, world))
    claims = "/api/v1/namespaces/kubeflow-user/persistentvolumeclaims/"
    for name in ("data-chroma-0", "data-chroma-1", "notebooks", "data-chroma-old"):
        world.objects[claims + name] = {"metadata": {"name": name}, "spec": {}}

    list(take_away(overlay, world, with_data=True))

    left = {path.removeprefix(claims) for path in world.objects if path.startswith(claims)}
    assert left == {"notebooks", "data-chroma-old"}
    assert KEYS in world.objects


def test_what_is_away_already_is_taken_away_again_without_a_fault(built, world):
    overlay = built("knative")

    lines = list(take_away(overlay, world, with_data=True))

    assert wrong(lines) == []


def test_the_cluster_of_these_tests_knows_every_kind_that_is_deployed(built, world):
    for name in OVERLAYS:
        assert all(world.path_of(each) for each in built(name).objects)

"""The command line, as people and programs use it: in processes of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import ScriptedLlm
from tests.integration.facts import (
    BLEEDING,
    DOGS,
    EMERGENCY_PHONE,
    FRONT_DESK,
    RED_FLAGS,
    ROOT_CANAL,
    SCALING,
)
from tests.integration.servers import HOST, environment
from tests.ports import free_port

RUN_LIMIT_S = 150
AT_ONCE = 2
MODULE = (sys.executable, "-m", "agentic_rag")
SCRIPT = (str(Path(sys.executable).with_name("agentic-rag")),)
JUDGED = str(Path(__file__).with_name("judged"))
COMMANDS = ("ask", "search", "ingest", "index", "doctor", "evaluate", "serve")


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command to run."""

    arguments: Sequence[str]
    settings: Mapping[str, str]
    stdin: str = ""
    program: Sequence[str] = MODULE

    def run(self, folder: Path) -> Ran:
        done = subprocess.run(
            [*self.program, *self.arguments],
            cwd=folder,
            env=environment(**self.settings),
            input=self.stdin,
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)


class Runs:
    """Commands that have been started together, two at a time; a test waits for its own."""

    def __init__(self, coming: Mapping[str, Future[Ran]]) -> None:
        self._coming = coming

    def __getitem__(self, name: str) -> Ran:
        return self._coming[name].result(RUN_LIMIT_S)


@pytest.fixture(scope="module")
def llm() -> Iterator[ScriptedLlm]:
    with ScriptedLlm(model="another-model") as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands run."""
    return tmp_path_factory.mktemp("command-line")


@pytest.fixture(scope="module")
def runs(indexed: Path, llm: ScriptedLlm, folder: Path) -> Iterator[Runs]:
    """All the commands of this module."""
    well = {"DATA_DIR": str(indexed)}
    a_file = folder / "a-file"
    a_file.write_text("not a folder")
    orders = {f"help {name}": Order(arguments=[name, "--help"], settings=well) for name in COMMANDS}
    orders |= {
        "help": Order(arguments=["--help"], settings=well),
        "ask json": Order(
            arguments=["ask", ROOT_CANAL, "--json", "--k", "5", "--debug"],
            settings=well,
            program=SCRIPT,
        ),
        "ask nothing": Order(arguments=["ask", "   ", "--json"], settings=well),
        "converse": Order(
            arguments=["ask"],
            settings=well,
            stdin=f"{ROOT_CANAL}\nHow long does it take?\n{DOGS}\n\n{BLEEDING}\n",
        ),
        "search json": Order(arguments=["search", SCALING, "--json", "--k", "3"], settings=well),
        "ingest again": Order(arguments=["ingest"], settings=well),
        "ingest again json": Order(arguments=["ingest", "--json"], settings=well),
        "index list": Order(arguments=["index", "list"], settings=well),
        "index list json": Order(arguments=["index", "list", "--json"], settings=well),
        "index list empty": Order(
            arguments=["index", "list", "--json"], settings={"DATA_DIR": str(folder / "none")}
        ),
        "index use nothing": Order(arguments=["index", "use", "zzz"], settings=well),
        "index use embedder": Order(
            arguments=["index", "use", _live(indexed)],
            settings=well | {"EMBEDDING_MODEL": "another/model"},
        ),
        "index prune": Order(arguments=["index", "prune", "--keep", "0", "--json"], settings=well),
        "ingest nowhere": Order(arguments=["ingest", str(folder / "nowhere")], settings=well),
        "evaluate": Order(
            arguments=["evaluate", "--suites", JUDGED, "--gate", "--json", "--html", "report.html"],
            settings=well,
        ),
        "evaluate all": Order(
            arguments=["evaluate", "--suites", JUDGED, "--suite", "all"], settings=well
        ),
        "evaluate missed": Order(
            arguments=[
                *("evaluate", "--suites", JUDGED, "--suite", "triage", "--suite", "support"),
                *("--thresholds", str(_wanted(folder)), "--gate"),
            ],
            settings=well,
        ),
        "evaluate nothing": Order(arguments=["evaluate", "--suite", "luck"], settings=well),
        "doctor": Order(
            arguments=["doctor", "--json"],
            settings=well
            | {
                "LLM_BASE_URL": llm.base_url,
                "LLM_FALLBACKS": "ollama",
                "OLLAMA_BASE_URL": f"http://{HOST}:{free_port()}",
            },
        ),
        "doctor, chroma refusing": Order(
            arguments=["doctor", "--json"],
            settings={
                "DATA_DIR": str(folder / "chroma"),
                "CHROMA_HOST": HOST,
                "CHROMA_PORT": str(free_port()),
            },
        ),
        "doctor, data in a file": Order(
            arguments=["doctor", "--json"], settings={"DATA_DIR": str(a_file)}
        ),
        "doctor, bad pack": Order(
            arguments=["doctor"], settings=well | {"CLINIC_PACK": str(folder)}
        ),
        "ask, data in a file": Order(
            arguments=["ask", ROOT_CANAL], settings={"DATA_DIR": str(a_file)}
        ),
        "ask, emergency, all dead": Order(
            arguments=["ask", BLEEDING, "--json"],
            settings={
                "DATA_DIR": str(folder / "dead"),
                "CHROMA_HOST": HOST,
                "CHROMA_PORT": str(free_port()),
                "EMBEDDING_MODEL": "nobody/no-such-model",
            },
        ),
        "bad setting": Order(arguments=["ask", DOGS], settings=well | {"TOP_K": "many"}),
    }
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield Runs({name: pool.submit(order.run, folder) for name, order in orders.items()})
        pool.shutdown(wait=False, cancel_futures=True)


def _live(data_dir: Path) -> str:
    return (data_dir / "index" / "current").read_text("utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, runs: Runs):
    ran = runs[f"help {command}"]

    assert (ran.code, ran.err) == (0, "")
    assert "Usage:" in ran.out
    assert ("--http_port" if command == "serve" else f"agentic_rag {command}") in ran.out


def test_the_program_names_its_commands(runs: Runs):
    ran = runs["help"]

    assert ran.code == 0
    assert all(command in ran.out for command in COMMANDS)


def test_a_question_is_answered_for_a_program_by_the_script(runs: Runs):
    ran = runs["ask json"]

    assert ran.code == 0
    assert ran.json["outcome"] == "answered"
    assert "treatments.json#TX-RCT-01" in ran.json["sources"]
    assert ran.json["trace"][0]["step"] == "triage"


def test_an_empty_question_is_refused_in_one_line(runs: Runs):
    ran = runs["ask nothing"]

    assert ran.code != 0
    assert ran.out == ""
    assert_one_line(ran.err, "question")


def assert_one_line(text: str, *named: str) -> None:
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == 1, text
    assert all(each in lines[0] for each in named), text


def test_a_conversation_understands_a_follow_up_and_ends_at_an_empty_line(runs: Runs):
    ran = runs["converse"]

    first, _, rest = ran.out.partition("90 minutes")
    assert ran.code == 0, ran.err
    assert "6,000" in first
    assert "9,500" in first
    assert "treatments.json#TX-RCT-01" in first
    assert FRONT_DESK in rest  # dogs are not treated here
    assert EMERGENCY_PHONE not in ran.out  # what comes behind the empty line is not asked


def test_a_search_prints_hits_for_a_program(runs: Runs):
    hits = runs["search json"].json["hits"]

    assert len(hits) == 3
    assert set(hits[0]) == {"score", "meta", "text"}
    assert "treatments.json#TX-SCALE-01" in [hit["meta"]["label"] for hit in hits]


def test_the_first_ingest_indexes_everything(first_ingest: tuple[Path, dict[str, Any]]):
    _, report = first_ingest

    assert report["changed"] is True
    assert report["documents"] == 27
    assert report["embedded"] == report["passages"] > 200
    assert report["skipped"] == {}
    assert report["injected"] == {}


def test_the_second_ingest_has_nothing_to_do(runs: Runs, first_ingest: tuple[Path, dict[str, Any]]):
    told, report = runs["ingest again"], runs["ingest again json"].json

    assert told.out.startswith("Nothing to do")
    seconds = report["seconds"]
    assert report == first_ingest[1] | {"changed": False, "embedded": 0, "seconds": seconds}


def test_the_versions_of_the_index_are_listed(
    runs: Runs, first_ingest: tuple[Path, dict[str, Any]]
):
    (told,) = runs["index list json"].json["versions"]

    assert told["name"] == first_ingest[1]["version"]
    assert told["live"]
    assert told["passages"] == first_ingest[1]["passages"]
    assert told["size_bytes"] > 0
    assert told["name"] in runs["index list"].out
    assert "live" in runs["index list"].out


def test_where_no_version_is_none_is_listed(runs: Runs):
    ran = runs["index list empty"]

    assert (ran.code, ran.json) == (0, {"versions": []})


@pytest.mark.parametrize(
    ("order", "told"), [("index use nothing", "zzz"), ("index use embedder", "EMBEDDING_MODEL")]
)
def test_a_version_that_cannot_be_used_is_refused_in_one_line(order: str, told: str, runs: Runs):
    ran = runs[order]

    assert (ran.code, ran.out) == (1, "")
    assert len(ran.err.strip().splitlines()) == 1
    assert told in ran.err


def test_pruning_removes_nothing_that_is_live(runs: Runs):
    ran = runs["index prune"]

    assert (ran.code, ran.json) == (0, {"removed": []})


def test_the_progress_bar_goes_to_stderr_and_stdout_is_for_the_report(runs: Runs):
    for_programs, for_people = runs["ingest again json"], runs["ingest again"]

    assert "27/27" in for_programs.err
    assert "27/27" in for_people.err
    assert for_programs.out.startswith("{")
    assert len(for_people.out.splitlines()) == 1


def test_a_folder_that_is_not_there_is_refused_in_one_line(runs: Runs):
    ran = runs["ingest nowhere"]

    assert ran.code != 0
    assert ran.out == ""
    assert "nowhere: there is no such folder" in ran.err
    assert "Traceback" not in ran.err


def _wanted(folder: Path) -> Path:
    """Write thresholds of which the judged suites miss two."""
    rows = (
        "{metric: triage.emergency_recall, bound: low, at_least: 0.95, why: few cases}",
        "{metric: support.false_accepts, at_least: 0.5, why: for the test}",
        "{metric: support.true_kept, at_least: 0.85, why: met}",
    )
    path = folder / "wanted.yaml"
    path.write_text("".join(f"- {row}\n" for row in rows), "utf-8")
    return path


def test_an_evaluation_that_reaches_what_is_wanted_passes_the_gate(runs: Runs):
    ran = runs["evaluate"]

    assert (ran.code, ran.json["passed"], ran.json["missed"]) == (0, True, [])
    golden = ran.json["suites"]["golden"]
    assert (golden["cases"], golden["faults"]) == (12, [])
    values = {each["metric"]: each["value"] for each in golden["measures"] if not each["of"]}
    assert (values["golden.answered_right"], values["golden.wrong_numbers"]) == (1.0, 0.0)


def test_an_evaluation_writes_a_page(runs: Runs, folder: Path):
    assert runs["evaluate"].code == 0

    page = (folder / "report.html").read_text("utf-8")

    assert page.lstrip().startswith("<!doctype html>")
    assert "<svg" in page


def test_an_evaluation_of_all_suites_prints_a_table_for_each(runs: Runs):
    ran = runs["evaluate all"]

    assert ran.code == 0  # without --gate it only measures
    for name in ("golden: 12 cases", "triage: 8 cases", "support: 6 cases", "retrieval: 4 cases"):
        assert name in ran.out


def test_the_gate_names_each_figure_that_misses(runs: Runs):
    ran = runs["evaluate missed"]

    assert ran.code == 1
    assert "triage.emergency_recall: low" in ran.err
    assert "support.false_accepts: 0.000, wanted at least 0.5: for the test" in ran.err
    assert "support.true_kept" not in ran.err


def test_a_suite_that_nobody_has_is_refused_in_one_line(runs: Runs):
    ran = runs["evaluate nothing"]

    assert (ran.code, ran.out) == (2, "")
    assert "--suite luck: expected one of" in ran.err


def found(ran: Ran, what: str) -> dict[str, str]:
    """Return the doctor's finding about something."""
    return next(check for check in ran.json["checks"] if what in check["what"])


def test_doctor_is_content_without_an_llm_and_names_one_that_serves_another_model(
    runs: Runs, llm: ScriptedLlm
):
    ran = runs["doctor"]

    finding = found(ran, "vllm")
    assert (ran.code, ran.json["ok"]) == (0, True)
    assert found(ran, "index")["state"] == "ok"
    assert finding["state"] == "warning"
    assert "llm-server" in finding["what"]
    assert llm.model in finding["found"]
    assert finding["remedy"]
    assert llm.asked == []


def test_doctor_names_an_llm_that_refuses(runs: Runs):
    finding = found(runs["doctor"], "ollama")

    assert finding["state"] == "warning"
    assert "nobody is there" in finding["found"]
    assert finding["remedy"]


def test_doctor_is_not_content_without_the_chroma_server_and_names_it(runs: Runs):
    ran = runs["doctor, chroma refusing"]

    finding = found(ran, "index")
    assert (ran.code != 0, ran.json["ok"]) == (True, False)
    assert finding["state"] == "fault"
    assert "CHROMA_HOST" in finding["found"]
    assert finding["remedy"]


def test_doctor_is_not_content_where_data_cannot_be_kept_and_names_the_folder(runs: Runs):
    ran = runs["doctor, data in a file"]

    finding = found(ran, "index")
    assert (ran.code != 0, ran.json["ok"]) == (True, False)
    assert finding["state"] == "fault"
    assert "a-file" in finding["found"]
    assert "DATA_DIR" in finding["remedy"]


def test_doctor_is_not_content_with_a_bad_pack_and_tells_a_person_the_file(runs: Runs):
    ran = runs["doctor, bad pack"]

    assert ran.code != 0
    assert "clinic.yaml" in "".join(ran.out.split())  # a long path is broken over lines
    assert "Traceback" not in ran.err


def test_data_that_cannot_be_kept_are_one_line_for_who_asks(runs: Runs):
    ran = runs["ask, data in a file"]

    assert ran.code != 0
    assert_one_line(ran.err, "a-file")


def test_an_emergency_is_answered_on_the_command_line_whatever_is_dead(runs: Runs):
    ran = runs["ask, emergency, all dead"]

    assert ran.code == 0, ran.err
    assert ran.json["outcome"] == "emergency"
    assert ran.json["answer"].startswith(f"Call {EMERGENCY_PHONE}")
    assert ran.json["sources"] == [RED_FLAGS]


def test_a_bad_setting_is_one_line_that_names_the_variable(runs: Runs):
    ran = runs["bad setting"]

    assert ran.code == 2
    assert ran.out == ""
    assert_one_line(ran.err, "TOP_K")

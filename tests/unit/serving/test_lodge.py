import pytest

from agentic_rag.serving.lodge import build_lodge

HASH = "0" * 64


@pytest.mark.parametrize(
    ("fields", "host", "told"),
    [
        ({}, "127.0.0.1", "serving this machine only"),
        ({"allow_no_keys": True}, "0.0.0.0", "whoever reaches this server may ask"),
        ({"api_keys": f"a:ask:{HASH}"}, "0.0.0.0", ""),
        ({"api_keys": f"a:ask:{HASH}", "allow_no_keys": True}, "0.0.0.0", ""),
    ],
)
def test_without_keys_it_serves_only_this_machine_unless_told_otherwise(
    fields, host, told, settings, caplog
):
    lodge = build_lodge(settings(**fields))

    lodge.tell()

    assert lodge.host == host
    assert told in caplog.text
    assert bool(told) == bool(caplog.text)


def test_allowing_no_keys_opens_nothing_where_there_are_keys(settings):
    lodge = build_lodge(settings(api_keys=f"a:ask:{HASH}", allow_no_keys=True))

    assert lodge.doorman.asks

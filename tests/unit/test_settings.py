"""Settings: what cannot work stops a process at its start, with the variable's name and without its value."""

import pytest

from core.settings import load_settings

KEY = "k" * 40


def read(monkeypatch, **environment: str):
    monkeypatch.setenv("REELGATE_SECRET_KEYS", KEY)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "qwertz"),
        ("REDIS_URL", "redis://qwertz:99999/0"),
        ("REDIS_URL", "redis://127.0.0.1:6379/qwertz"),
        ("REDIS_URL", "http://qwertz:6379"),
        ("NEMO_TOKEN", "nmv_usr_qwertz with_space"),
        ("NEMO_TOKEN", "nmv_usr_fine,nmv_usr_qwertzé"),
        ("NEMO_API_URL", "qwertz.example.com"),
        ("NEMO_API_URL", "https://"),
        ("NEMO_API_URL", "https://user:qwertz@example.com"),
        ("NEMO_WEB_URL", "https://example.com/?qwertz=1"),
        ("REELGATE_PUBLIC_URL", "https://qwertz example.com"),
        ("SKILL_SOURCE", "qwertz\r\nX-Other: 1"),
        ("REELGATE_STORAGE", "s3://"),
        ("REELGATE_LOG_LEVEL", "qwertz"),
        ("REELGATE_DEFAULT_PROFILE", "qwertz"),
        ("REELGATE_SECRET_KEYS", "qwertz"),
        ("REELGATE_ALLOW_ADDRESSES", "qwertz/8"),
        ("REELGATE_BACKOFF_S", "inf"),
        ("REELGATE_RENDER_POLL_S", "nan"),
        ("REELGATE_RENDER_POLLS", "-77"),
        ("REELGATE_LEASE_S", "0.077"),
    ],
)
def test_a_bad_value_stops_the_process_with_the_variables_name_and_without_the_value(monkeypatch, capsys, name, value):
    with pytest.raises(SystemExit) as stopped:
        read(monkeypatch, **{name: value})
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.startswith(f"{name}: ")
    assert not any(word in said for word in ("qwertz", "inf\n", "nan", "77"))


def test_what_is_good_is_taken_as_it_is_meant(monkeypatch):
    settings = read(
        monkeypatch,
        REDIS_URL="rediss://user:word@redis.example.com:6380/3",
        NEMO_TOKEN="nmv_usr_a, nmv_usr_b",
        NEMO_API_URL="https://api.example.com/",
        SKILL_SOURCE="",
        REELGATE_STORAGE="s3://bucket/prefix",
    )
    assert [token.get_secret_value() for token in settings.nemo_tokens] == ["nmv_usr_a", "nmv_usr_b"]
    assert (settings.nemo_api_url, settings.skill_source) == ("https://api.example.com", None)


def test_no_secret_is_in_the_repr(monkeypatch):
    settings = read(monkeypatch, REDIS_URL="redis://:hushhush@127.0.0.1:6379/0", NEMO_TOKEN="nmv_usr_hushhush")
    assert "hushhush" not in repr(settings)
    assert KEY not in repr(settings)

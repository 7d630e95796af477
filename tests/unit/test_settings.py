"""Settings: what cannot work stops a process at its start, with the variable's name and without its value."""

import os
from urllib.parse import urlencode

import pytest

from core.redis_url import _NUMBERS, _TLS_WORDS, _WORDS
from core.settings import Settings, load_settings, unknown_names, variable_of
from core.store.redis.client import connect
from tests.integration.test_callback_attempts import certificate

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
        ("REDIS_URL", "redis://:pass[qwertz]word@redis:6379/0"),
        ("REDIS_URL", "redis://:qwertz℀@redis:6379/0"),
        ("REDIS_URL", "redis+sentinel://:qwertz℀@sentinel/mymaster"),
        ("REDIS_URL", "redis://:123#qwertz@redis:6379/0"),
        ("REDIS_URL", "redis+sentinel://s1/mymaster?sentinel_password=a#qwertz"),
        ("REDIS_URL", "redis://redis:6379/0?db=qwertz"),
        ("REDIS_URL", "redis://redis:6379/0?qwertz=1"),
        ("REDIS_URL", "redis://redis:6379/0?protocol=3"),
        ("REDIS_URL", "redis://redis:6379/0?ssl_ca_certs=/qwertz"),
        ("REDIS_URL", "redis+sentinel://s1/mymaster?qwertz=1"),
        ("REDIS_URL", "rediss://redis:6379/0?ssl_ca_certs=/qwertz"),
        ("REDIS_URL", f"rediss://redis:6379/0?ssl_ca_certs={__file__}&client_name=qwertz"),
        ("REDIS_URL", "rediss://redis:6379/0?ssl_certfile=/qwertz&ssl_keyfile=/qwertz"),
        ("REDIS_URL", "rediss+sentinel://s1/mymaster?ssl_ca_certs=/qwertz"),
        ("NEMO_TOKEN", "nmv_usr_qwertz with_space"),
        ("NEMO_TOKEN", "nmv_usr_fine,nmv_usr_qwertzé"),
        ("NEMO_API_URL", "qwertz.example.com"),
        ("NEMO_API_URL", "https://"),
        ("NEMO_API_URL", "https://user:qwertz@example.com"),
        ("NEMO_API_URL", "https://:qwertz@example.com"),
        ("NEMO_API_URL", "https://user:qwertz℀@example.com"),
        ("NEMO_API_URL", "https://example.com:qwertz"),
        ("NEMO_WEB_URL", "https://[qwertz]"),
        ("NEMO_WEB_URL", "https://example.com/?qwertz=1"),
        ("REELGATE_PUBLIC_URL", "https://qwertz example.com"),
        ("SKILL_SOURCE", "qwertz\r\nX-Other: 1"),
        ("REELGATE_STORAGE", "s3://"),
        ("REELGATE_STORAGE", " "),
        ("REELGATE_STORAGE", "S3://qwertz"),
        ("REELGATE_STORAGE", "s3:/qwertz"),
        ("REELGATE_STORAGE", "gs://qwertz/films"),
        ("REELGATE_STORAGE", "https://qwertz.s3.amazonaws.com"),
        ("REELGATE_STORAGE", "file:///qwertz"),
        ("REELGATE_LOG_LEVEL", "qwertz"),
        ("REELGATE_DEFAULT_PROFILE", "qwertz"),
        ("REELGATE_SECRET_KEYS", "qwertz"),
        ("REELGATE_ALLOW_ADDRESSES", "qwertz/8"),
        ("REELGATE_ALLOW_ADDRESSES", "127.0.0.0/8,10.0.77.1/8"),
        ("REELGATE_BACKOFF_S", "inf"),
        ("REELGATE_RENDER_POLL_S", "nan"),
        ("REELGATE_RENDER_POLLS", "-77"),
        ("REELGATE_LEASE_S", "0.077"),
        ("REELGATE_RENDER_POLL_S", "77e300"),
        ("REELGATE_CALLBACK_STEP_SCALE", "77e7"),
        ("REELGATE_SUBMITS_PER_MINUTE", "7" * 20),
        ("REELGATE_TENANT_MONTH_CREDITS", "7" * 20),
        ("REELGATE_SESSION_IDLE_S", "7" * 20),
    ],
)
def test_a_bad_value_stops_the_process_with_the_variables_name_and_without_the_value(monkeypatch, capsys, name, value):
    with pytest.raises(SystemExit) as stopped:
        read(monkeypatch, **{name: value})
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.startswith(f"{name}: ")
    assert not any(word in said for word in ("qwertz", "inf\n", "nan", "77"))


def test_a_bad_allow_list_is_told_once_with_an_example_of_a_good_one(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        read(monkeypatch, REELGATE_ALLOW_ADDRESSES="10.0.0.1/8")
    [said] = capsys.readouterr().err.splitlines()
    assert "127.0.0.0/8,::1/128" in said


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


@pytest.mark.parametrize(
    ("text", "networks"), [("", []), (" 127.0.0.0/8, ::1 ,", ["127.0.0.0/8", "::1/128"]), ("10.1.2.3", ["10.1.2.3/32"])]
)
def test_an_allow_list_is_networks_with_commas_between_and_an_address_alone_is_itself(monkeypatch, text, networks):
    allowed = read(monkeypatch, REELGATE_ALLOW_ADDRESSES=text).allow_addresses
    assert [str(network) for network in allowed] == networks


@pytest.mark.parametrize("scheme", ["redis", "rediss", "rediss+sentinel"])
def test_every_option_of_redis_py_that_may_stand_in_the_address_makes_a_connection(monkeypatch, scheme, tmp_path):
    words = _WORDS | (_TLS_WORDS if scheme != "redis" else set())
    pem = tmp_path / "certificate-and-key.pem"
    pem.write_bytes(certificate())
    files = dict.fromkeys({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"} & words, str(pem))
    options = dict.fromkeys(_NUMBERS, "1") | dict.fromkeys(words, "none") | files
    place = "s1/mymaster" if "sentinel" in scheme else "h:6379/0"
    url = read(monkeypatch, REDIS_URL=f"{scheme}://{place}?{urlencode(options)}").redis_url.get_secret_value()
    assert connect(url, answer_s=1).connection_pool.make_connection()


def test_no_secret_is_in_the_repr(monkeypatch):
    settings = read(monkeypatch, REDIS_URL="redis://:hushhush@127.0.0.1:6379/0", NEMO_TOKEN="nmv_usr_hushhush")
    assert "hushhush" not in repr(settings)
    assert KEY not in repr(settings)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A folder of secrets that the environment names, with the one setting that is needed."""
    monkeypatch.delenv("REELGATE_SECRET_KEYS", raising=False)
    monkeypatch.setenv("REELGATE_SECRETS_DIR", str(tmp_path))
    (tmp_path / "REELGATE_SECRET_KEYS").write_text(KEY)
    return tmp_path


def refusals(capsys) -> list[str]:
    """Read the settings, which must be refused; give the sentences."""
    with pytest.raises(SystemExit) as stopped:
        load_settings()
    assert stopped.value.code == 2
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_setting_may_come_from_a_file_of_its_name_without_the_line_break_at_its_end(folder, end):
    (folder / "REELGATE_LEASE_S").write_text(f"7{end}")
    (folder / "REDIS_URL").write_text(f"redis://:hush@10.0.0.1/0{end}")
    (folder / "NEMO_TOKEN").write_text(f"nmv_usr_a, nmv_usr_b{end}")
    (folder / "reelgate_poll_s").write_text(f"2{end}")
    (folder / "REELGATE_SECRET_KEYS").write_text(f"{KEY},{KEY[:-1]}x{end}")
    settings = load_settings()
    assert (settings.lease_s, settings.poll_s) == (7, 2)
    assert settings.redis_url.get_secret_value() == "redis://:hush@10.0.0.1/0"
    assert [token.get_secret_value() for token in settings.nemo_tokens] == ["nmv_usr_a", "nmv_usr_b"]
    assert [len(key.get_secret_value()) for key in settings.secret_keys] == [40, 40]


@pytest.mark.parametrize("blank", ["\n", "\r\n", " "])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REELGATE_STORAGE", "s3://bucket/prefix"),
        ("REDIS_URL", "redis+sentinel://s1/mymaster?sentinel_password=hush"),
        ("REELGATE_PUBLIC_URL", "https://reelgate.example.com"),
        ("REELGATE_KEEP_OUTPUTS", "false"),
        ("REELGATE_LOG_LEVEL", "DEBUG"),
        ("SKILL_SOURCE", "cursor"),
        ("REELGATE_CELL", "eu1"),
    ],
)
def test_blanks_around_a_value_are_no_part_of_it(monkeypatch, name, value, blank):
    """As a Secret has them that was made with `echo`: a storage with one in front was a folder of its own for each pod."""
    assert read(monkeypatch, **{name: f"{blank}{value}{blank}"}) == read(monkeypatch, **{name: value})


def test_the_storages_own_variables_have_no_blanks_around_them(folder, monkeypatch):
    """It takes a key with a line break for one of that name, and signs what S3 refuses."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "hush\n")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (folder / "AWS_SECRET_ACCESS_KEY").write_text("hush \n")
    load_settings()
    assert (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]) == ("hush", "hush")


@pytest.mark.parametrize("in_file", [True, False])
def test_a_byte_order_mark_is_no_part_of_a_value(folder, monkeypatch, in_file):
    """As Windows' editors write it: the storage was a folder of each process, and the key another one than it looks."""
    for name, value in (("REELGATE_STORAGE", "s3://films"), ("REELGATE_SECRET_KEYS", KEY), ("AWS_REGION", "eu-west-1")):
        (folder / name).write_text(f"\ufeff{value}\r\n")
        monkeypatch.setenv(name, f"\ufeff{value}\r\n")
        if in_file:
            monkeypatch.delenv(name)
    settings = load_settings()
    assert (settings.storage, os.environ["AWS_REGION"]) == ("s3://films", "eu-west-1")
    assert [key.get_secret_value() for key in settings.secret_keys] == [KEY]


def test_blanks_around_the_folders_name_are_no_part_of_it(folder, monkeypatch):
    monkeypatch.setenv("REELGATE_SECRETS_DIR", f"{folder}\n")
    assert load_settings().secret_keys


def test_every_setting_may_come_from_a_file(folder):
    for field, info in Settings.model_fields.items():
        if field not in {"secret_keys", "secrets_dir"} and isinstance(info.default, int | float | str):
            (folder / variable_of(field)).write_text(str(info.default))
    assert load_settings().secrets_dir == str(folder)


def test_files_are_read_as_kubernetes_mounts_them(monkeypatch, tmp_path):
    written = tmp_path / "..2026_11_25_21_00_00.123456789"
    written.mkdir()
    (written / "REELGATE_SECRET_KEYS").write_text(KEY)
    (tmp_path / "..data").symlink_to(written.name)
    (tmp_path / "REELGATE_SECRET_KEYS").symlink_to("..data/REELGATE_SECRET_KEYS")
    (tmp_path / ".hidden").write_text("nobody's")
    monkeypatch.delenv("REELGATE_SECRET_KEYS", raising=False)
    monkeypatch.setenv("REELGATE_SECRETS_DIR", str(tmp_path))
    assert load_settings().secret_keys[0].get_secret_value() == KEY


@pytest.mark.parametrize("said", ["5", ""])
def test_a_variable_wins_over_a_file_also_where_it_is_empty(folder, monkeypatch, said):
    (folder / "SKILL_SOURCE").write_text("file")
    monkeypatch.setenv("SKILL_SOURCE", said)
    assert load_settings().skill_source == (said or None)


def test_a_bad_value_in_a_file_is_told_with_its_name_and_without_itself(folder, capsys):
    (folder / "REELGATE_LEASE_S").write_text("qwertz")
    [said] = refusals(capsys)
    assert said.startswith("REELGATE_LEASE_S: ")
    assert said.endswith("(its file in REELGATE_SECRETS_DIR)")
    assert "qwertz" not in said


def test_what_cannot_be_read_is_named_whole_and_at_once(folder, capsys):
    (folder / "REDIS_URL").symlink_to("..data/gone")
    (folder / "REELGATE_STORAGE").mkdir()
    (folder / "NEMO_TOKEN").write_bytes(b"\xff\xfe")
    (folder / "reelgate_lease_s").write_text("3")
    (folder / "REELGATE_LEASE_S").write_text("3")
    os.mkfifo(folder / "REELGATE_POLL_S")
    assert {said.partition(":")[0] for said in refusals(capsys)} == {
        "REDIS_URL",
        "REELGATE_STORAGE",
        "NEMO_TOKEN",
        "REELGATE_LEASE_S",
        "REELGATE_POLL_S",
    }


def test_a_folder_that_is_not_there_is_named(monkeypatch, capsys):
    monkeypatch.setenv("REELGATE_SECRETS_DIR", "/qwertz/nowhere")
    monkeypatch.setenv("REELGATE_SECRET_KEYS", KEY)
    assert refusals(capsys) == ["REELGATE_SECRETS_DIR: this folder cannot be read (No such file or directory)"]


def test_an_empty_name_of_a_folder_is_none(monkeypatch):
    assert read(monkeypatch, REELGATE_SECRETS_DIR="").secret_keys


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("REELGATE_LEASES_S", "REELGATE_LEASE_S may be meant"),
        ("REELGATE_LEASE", "REELGATE_LEASE_S may be meant"),
        ("REELGATE_SECRET_KEY", "REELGATE_SECRET_KEYS may be meant"),
        ("REELGATE_DRAIN_DELAY", "REELGATE_DRAIN_DELAY_S may be meant"),
        ("REELGATE_REDIS_URL", "REDIS_URL may be meant"),
        ("REELGATE_NEMO_TOKEN", "NEMO_TOKEN may be meant"),
        ("reelgate_lease", "REELGATE_LEASE_S may be meant"),
        ("REELGATE_QWERTZ", "docs/CONFIGURATION.md has them all"),
        ("REELGATE_", "docs/CONFIGURATION.md has them all"),
    ],
)
def test_a_mistyped_variable_stops_the_process_with_the_nearest_name(monkeypatch, capsys, name, hint):
    monkeypatch.setenv("REELGATE_SECRET_KEYS", KEY)
    monkeypatch.setenv(name, "hush")
    assert refusals(capsys) == [f"{name}: there is no such setting; {hint}"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("REELGATE_LEASE", "REELGATE_LEASE_S"),
        ("REDISURL", "REDIS_URL"),
        ("redis-url", "REDIS_URL"),
        ("secret_keys", "REELGATE_SECRET_KEYS"),
        ("reelgate.lease.s", "REELGATE_LEASE_S"),
        ("NEMO_TOKENS", "NEMO_TOKEN"),
    ],
)
def test_a_mistyped_file_stops_the_process_with_the_nearest_name(folder, capsys, name, hint):
    (folder / name).write_text("hush")
    [said] = refusals(capsys)
    assert said == f"{name}: this file in REELGATE_SECRETS_DIR is named as no setting; {hint} may be meant"


def test_files_that_are_meant_for_somebody_else_stop_nobody_and_are_named(folder, monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    (folder / "password-of-the-database").write_text("hush")
    (folder / "certificates").mkdir()
    (folder / "AWS_SECRET_ACCESS_KEY").write_text("hush\n")
    load_settings()
    assert unknown_names()["password-of-the-database"] is None
    assert "certificates" not in unknown_names()
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "hush", "the storage looks for it there"
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")


@pytest.mark.parametrize("service", ["REELGATE", "REELGATE_API", "REELGATE_WORKER_METRICS"])
def test_what_kubernetes_tells_of_services_stops_nobody(monkeypatch, service):
    host, port = "10.96.0.7", "8080"
    injected = {
        "SERVICE_HOST": host,
        "SERVICE_PORT": port,
        "SERVICE_PORT_HTTP": port,
        "PORT": f"tcp://{host}:{port}",
        "PORT_8080_TCP": f"tcp://{host}:{port}",
        "PORT_8080_TCP_PROTO": "tcp",
        "PORT_8080_TCP_PORT": port,
        "PORT_8080_TCP_ADDR": host,
    }
    assert read(monkeypatch, **{f"{service}_{name}": value for name, value in injected.items()})
    assert not [name for name in unknown_names() if name.startswith(service)]


def test_no_setting_is_named_as_kubernetes_names_services():
    names = [variable_of(field) for field in Settings.model_fields]
    assert not [name for name in names if name.endswith(("_SERVICE_HOST", "_PORT")) or "_SERVICE_PORT" in name]


def test_what_callers_set_for_the_command_line_stops_nobody(monkeypatch):
    assert read(monkeypatch, REELGATE_API="https://reelgate.example.com", REELGATE_API_KEY="rg_x")


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://s1:26379,s2:26380,s3/mymaster/2",
        "rediss+sentinel://user:word@s1/mymaster?sentinel_password=other",
        "redis+sentinel://:word@10.0.0.1:26379/mymaster",
    ],
)
def test_sentinels_may_say_where_redis_is(monkeypatch, url):
    assert read(monkeypatch, REDIS_URL=url).redis_url.get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://s1:26379",
        "redis+sentinel:///qwertz",
        "redis+sentinel://s1:qwertz/mymaster",
        "redis+sentinel://s1:0/mymaster",
        "redis+sentinel://s1/mymaster/qwertz",
    ],
)
def test_an_address_of_sentinels_that_cannot_be_is_told_without_itself(monkeypatch, capsys, url):
    with pytest.raises(SystemExit):
        read(monkeypatch, REDIS_URL=url)
    said = capsys.readouterr().err
    assert said.startswith("REDIS_URL: ")
    assert "qwertz" not in said

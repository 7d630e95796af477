"""What the guide shows and no test runs, since it starts a service or needs a cluster: it names only what there is."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from core.cli.main import main
from core.settings import Settings, variable_of
from tests.deploy.helm import CHART, helm
from tests.guide.page import ROOT, Block, blocks_of, pages
from tests.until import PATIENCE_S

UNRUN = [block for page in pages() for block in blocks_of(page) if block.language == "sh" and "not run" in block.marks]


def commands(block: Block) -> list[list[str]]:
    """Split a block's commands into words, without comments; what stands behind a ``&`` or a pipe is a command, too."""
    lines = block.code.replace("\\\n", " ").splitlines()
    return [
        words for line in lines for part in re.split(r" [|&] ?", line) if (words := shlex.split(part, comments=True))
    ]


#: what people copy commands from
SHOWN = [
    ROOT / "README.md",
    ROOT / "deploy" / "chart" / "templates" / "NOTES.txt",
    *sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("deploy/**/*.md"), *ROOT.glob("clients/*/README.md")]),
]
SECRETS = "REELGATE_SECRET_KEYS|REELGATE_API_KEY|REDIS_URL|NEMO_TOKEN|TOKEN|KEYS|KEY|WEBHOOK_SECRET|COOKIE_SECRET"
COMMANDS = [words for block in UNRUN for words in commands(block)]


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "reelgate"], ids=" ".join)
def test_each_command_and_option_is_one_of_ours(words: list[str]) -> None:
    command: click.Command = main
    context = click.Context(main)
    rest = words[1:]
    while isinstance(command, click.Group):
        found = command.get_command(context, rest.pop(0))
        assert found
        command = found
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("-")} <= known


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "./run"], ids=" ".join)
def test_each_word_behind_run_is_one_of_the_scripts(words: list[str]) -> None:
    assert re.search(rf"^  {words[1]} ", (ROOT / "run").read_text("utf-8"), re.MULTILINE)


def test_each_variable_is_a_setting() -> None:
    named = {name for block in UNRUN for name in re.findall(r"^export (\w+)=", block.code, re.MULTILINE)}
    assert len(named) > 3
    assert named <= {variable_of(field) for field in Settings.model_fields}


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "kubectl"], ids=lambda words: words[-1])
def test_kubectl_understands_what_it_is_told(words: list[str]) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("this machine has no kubectl")
    nowhere = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUBECONFIG": "/nonexistent"}
    dry = [*words, "--dry-run=client", "--output=name"]
    given = {"input": "REDIS_URL\n", "capture_output": True, "text": True}
    said = subprocess.run(dry, env=nowhere, **given, timeout=PATIENCE_S, check=False)
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize("page", SHOWN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_program_is_given_a_secret_on_its_command_line(page: Path) -> None:
    text = page.read_text("utf-8").replace("\\\n", " ")
    calls = [call for line in text.splitlines() for call in re.split(r" [|&] ?", line)]
    with_secrets = [call for call in calls if re.search(rf"\$({SECRETS})\b|--from-literal", call)]
    assert not [call for call in with_secrets if not re.search(r"\b(printf|echo|export) ", call)]


def test_the_chart_takes_the_values_that_the_guide_gives_it() -> None:
    [words] = [words for words in COMMANDS if words[:2] == ["helm", "upgrade"]]
    assert ROOT / words[words.index("reelgate") + 1] == CHART
    values = [str(ROOT / word) if word.endswith(".yaml") else word for word in words[words.index("--values") :]]
    whole = [word.replace("sha256:...", f"sha256:{'0' * 64}") for word in values]
    rendered = helm("template", "reelgate", str(CHART), *whole)
    assert rendered.returncode == 0, rendered.stderr
    assert "registry.example.com/reelgate@sha256:" in rendered.stdout

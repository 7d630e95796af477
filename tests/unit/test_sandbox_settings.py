"""Settings from the environment: what is taken, and what stops the start."""

import pytest

from sandbox.backend.settings import BadSetting, Settings, read


def test_an_empty_environment_gives_the_defaults():
    assert read({"PATH": "/bin"}) == Settings()


def test_variables_are_named_as_the_fields():
    settings = read(
        {
            "SANDBOX_TIME_SCALE": "10",
            "SANDBOX_RENDERS": "4",
            "SANDBOX_SEED_SHAPE": "adk",
            "SANDBOX_SUCCESSOR_SEES_SESSIONS": "true",
            "SANDBOX_TOKENS": "nmv_usr_a:5",
        }
    )

    assert (settings.time_scale, settings.renders, settings.seed_shape) == (10, 4, "adk")
    assert settings.successor_sees_sessions
    assert settings.tokens == "nmv_usr_a:5"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SANDBOX_RENDERS", "several"),
        ("SANDBOX_SEED_SHAPE", "round"),
        ("SANDBOX_TIME_SCALE", "0"),
        ("SANDBOX_TYPO", "hidden-value"),
    ],
)
def test_a_bad_one_is_named_without_its_value(variable, value):
    with pytest.raises(BadSetting) as caught:
        read({variable: value})

    assert variable in str(caught.value)
    assert f" {value}" not in str(caught.value).replace("above 0", "")

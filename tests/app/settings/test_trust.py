"""The setting `service.trust`, from the file and from the environment."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from towpath._app.settings.service_file import load
from towpath._app.settings.trust import told, trust_of
from towpath._core.errors import SetupError
from towpath._core.propagation.trust import DEFAULT_TRUST, Trust

NOBODY = Trust(private=False)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, DEFAULT_TRUST),
        ("private", DEFAULT_TRUST),
        (["private"], DEFAULT_TRUST),
        ("none", NOBODY),
        ([], NOBODY),
        ("all", Trust(private=False, everybody=True)),
        ("unix", Trust(private=False, local=True)),
        (["10.4.0.0/16", "fd00::/8"], Trust(private=False, networks=(ip_network("10.4.0.0/16"), ip_network("fd00::/8")))),
        ("10.9.0.7, private", Trust(networks=(ip_network("10.9.0.7"),))),
        (["spiffe://a/b", "Cart.Shop.example"], Trust(private=False, callers=frozenset({"spiffe://a/b", "Cart.Shop.example"}))),
    ],
)
def test_a_setting_names_the_callers_that_are_believed(setting: str | list[str] | None, expected: Trust) -> None:
    trust = trust_of(setting, "here")
    assert trust == expected
    assert trust_of(told(trust), "here") == expected


@pytest.mark.parametrize(
    ("setting", "advice"),
    [
        ("privat", "did you mean 'private'"),
        ("nobody", "private"),
        ("", "give"),
        ("10.0.0.1/8", "has host bits set"),
        ("10.0.0.0/33", "10.0.0.0/33"),
        ("10.0.0", "give"),
        ("https://a.example", "give"),
        (["none", "10.0.0.0/8"], "'none' says all there is to say"),
        ("all,private", "'all' says all there is to say"),
        (["10.0.0.0/8", "-a.example"], "'-a.example'"),
        ("localhost", "known"),
    ],
)
def test_a_setting_that_names_nobody_says_what_to_write(setting: str | list[str], advice: str) -> None:
    with pytest.raises(SetupError) as caught:
        trust_of(setting, "x.toml: service.trust")
    assert str(caught.value).startswith("x.toml: service.trust: ")
    assert advice in str(caught.value)


def test_the_variable_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "towpath.toml"
    path.write_text('[service]\ntrust = ["10.4.0.0/16"]\n')
    assert load(path, {}).trust.networks == (ip_network("10.4.0.0/16"),)
    assert load(path, {"TOWPATH_TRUST": "none"}).trust == NOBODY
    with pytest.raises(SetupError, match="TOWPATH_TRUST: 'x y' is nobody to trust"):
        load(path, {"TOWPATH_TRUST": "x y"})
    path.write_text("[service]\ntrust = 7\n")
    with pytest.raises(SetupError, match=r"service\.trust"):
        load(path, {})

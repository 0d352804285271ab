"""Templates as they are read and filled."""

from pathlib import Path, PurePosixPath

import pytest

from tests.scaffold.projects import template
from towpath._core.errors import SetupError
from towpath._scaffold.template import Template, read_template


def test_words_are_filled_in_texts_and_in_paths():
    found = Template(kind="service", version=1, files={"src/@@name@@/dot_x": "@@name@@ is @name@ and @@@@"})
    assert found.rendered({"name": "shop"}) == {PurePosixPath("src/shop/.x"): "shop is @name@ and @@@@"}


def test_a_word_without_an_answer_is_named_with_its_file():
    found = Template(kind="service", version=1, files={"a/b": "x @@nmae@@"})
    with pytest.raises(SetupError, match="the template's a/b names @@nmae@@, which no answer has; there are name"):
        found.rendered({"name": "shop"})


@pytest.mark.parametrize("text", ["", "version = 0", "version = true", "version = 'x'"])
def test_a_template_has_a_number(tmp_path, text):
    root = template(tmp_path / "t", 1)
    (root / "service/template.toml").write_text(text)
    with pytest.raises(SetupError, match=r"template\.toml: version: give the template's number, 1 or more"):
        read_template("service", root)


def test_a_folder_that_is_no_template_is_told(tmp_path):
    with pytest.raises(SetupError, match=r"is no template, since it has no template\.toml"):
        read_template("service", tmp_path)


def test_a_template_that_is_no_text_is_told(tmp_path):
    root = template(tmp_path / "t", 1)
    (root / "service/x.tmpl").write_bytes(b"\xff")
    with pytest.raises(SetupError, match="cannot be read"):
        read_template("service", root)


def test_a_template_without_files_is_told(tmp_path):
    (tmp_path / "service").mkdir()
    (tmp_path / "service/template.toml").write_text("version = 1")
    with pytest.raises(SetupError, match=r"has no file that ends in \.tmpl"):
        read_template("service", tmp_path)


@pytest.mark.parametrize("kind", ["service", "system"])
def test_each_file_of_towpath_s_template_ends_in_tmpl(kind):
    import towpath._scaffold.template as module

    folder = Path(module.__file__).parent / "templates" / kind
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "template.toml"]
    assert all(path.suffix == ".tmpl" for path in files)
    assert len(read_template(kind).files) == len(files)

"""`git.*`: the facts of a checkout, in every state that it can be in."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocibuild.ci.git import git_facts
from ocibuild.errors import UsageError
from tests.ci.conftest import Checkout

NOWHERE = {"host": "", "owner": "", "repository": "", "url": ""}


def test_a_fresh_commit(checkout: Checkout) -> None:
    commit = checkout("rev-parse", "HEAD")
    assert git_facts(checkout.directory) == {
        "commit": commit,
        "short_commit": commit[:7],
        "commit_date": "2024-03-01T04:30:00Z",  # of 23:30 at -05:00
        "branch": "main",
        "tag": "",
        "dirty": "false",
        **NOWHERE,
    }


def test_a_directory_below_has_the_facts_of_its_checkout(checkout: Checkout) -> None:
    below = checkout.directory / "images/hello"
    below.mkdir(parents=True)
    assert git_facts(below) == git_facts(checkout.directory)


def test_no_checkout(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no git commit") as caught:
        git_facts(tmp_path)
    assert caught.value.where == str(tmp_path)
    assert "checkout" in (caught.value.hint or "")


def test_no_commit(empty_checkout: Checkout) -> None:
    with pytest.raises(UsageError, match="no git commit"):
        git_facts(empty_checkout.directory)


def test_no_git_program(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout.directory))
    with pytest.raises(UsageError) as caught:
        git_facts(checkout.directory)
    assert "the git program" in (caught.value.hint or "")


def test_a_detached_head_has_no_branch(checkout: Checkout) -> None:
    checkout("checkout", "-q", "--detach")
    assert git_facts(checkout.directory)["branch"] == ""


def test_a_branch_may_be_called_anything_that_git_allows(checkout: Checkout) -> None:
    checkout("checkout", "-q", "-b", "feature/über-neu")
    assert git_facts(checkout.directory)["branch"] == "feature/über-neu"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (("v1.0.0",), "v1.0.0"),
        (("v1.9.0", "v1.10.0", "v1.2.0"), "v1.10.0"),
        (("release/2024-02",), "release/2024-02"),
        # A branch has the same name: git itself would call the tag `tags/main` then.
        (("main",), "main"),
    ],
)
def test_the_highest_tag_of_the_commit(checkout: Checkout, tags: tuple[str, ...], expected: str) -> None:
    for tag in tags:
        checkout("tag", tag)
    assert git_facts(checkout.directory)["tag"] == expected


def test_an_annotated_tag_counts_for_its_commit(checkout: Checkout) -> None:
    checkout("tag", "-a", "-m", "first", "v1")
    assert git_facts(checkout.directory)["tag"] == "v1"


def test_a_tag_of_an_earlier_commit_is_not_that_of_this_one(checkout: Checkout) -> None:
    checkout("tag", "v1")
    checkout.commit("two")
    assert git_facts(checkout.directory)["tag"] == ""


@pytest.mark.parametrize(
    ("name", "content", "dirty"),
    [("tracked", "two\n", "true"), ("untracked", "new\n", "false")],
)
def test_dirty_means_that_tracked_files_were_changed(checkout: Checkout, name: str, content: str, dirty: str) -> None:
    (checkout.directory / name).write_text(content)
    assert git_facts(checkout.directory)["dirty"] == dirty


def test_looking_writes_nothing(checkout: Checkout) -> None:
    index = checkout.directory / ".git/index"
    before = index.read_bytes()
    (checkout.directory / "tracked").touch()  # `git status` would note the new time in the index
    git_facts(checkout.directory)
    assert index.read_bytes() == before


@pytest.mark.parametrize(
    ("setting", "value"),
    [("log.showSignature", "true"), ("color.ui", "always"), ("column.ui", "always"), ("log.date", "relative")],
)
def test_no_setting_of_the_user_changes_the_facts(checkout: Checkout, setting: str, value: str) -> None:
    checkout("tag", "v1")
    checkout("tag", "v2")
    (checkout.directory / "tracked").write_text("two\n")
    before = git_facts(checkout.directory)
    checkout("config", setting, value)
    assert git_facts(checkout.directory) == before
    assert before["tag"] == "v2"


REMOTES = [
    ("https://github.com/octocat/hello", "github.com", "octocat/hello"),
    ("https://github.com/octocat/hello.git", "github.com", "octocat/hello"),
    ("https://github.com/octocat/hello.git/", "github.com", "octocat/hello"),
    ("https://GitHub.com/Octocat/Hello", "github.com", "Octocat/Hello"),
    ("http://git.example.org/team/app", "git.example.org", "team/app"),
    ("git@github.com:octocat/hello.git", "github.com", "octocat/hello"),
    ("github.com:octocat/hello", "github.com", "octocat/hello"),
    ("git@gitlab.com:group/sub/project.git", "gitlab.com", "group/sub/project"),
    ("ssh://git@github.com/octocat/hello.git", "github.com", "octocat/hello"),
    ("ssh://git@git.example.org:2222/team/app.git", "git.example.org", "team/app"),
    ("git://git.example.org/team/app.git", "git.example.org", "team/app"),
    ("git+ssh://git.example.org/team/app", "git.example.org", "team/app"),
    ("ssh://git@[2001:db8::1]:2222/team/app", "[2001:db8::1]", "team/app"),
    ("git@example.org:/srv/git/app.git", "example.org", "srv/git/app"),
]


@pytest.mark.parametrize(("remote", "host", "repository"), REMOTES)
def test_the_remote_is_told_in_every_shape(checkout: Checkout, remote: str, host: str, repository: str) -> None:
    checkout("remote", "add", "origin", remote)
    facts = git_facts(checkout.directory)
    assert {key: facts[key] for key in NOWHERE} == {
        "host": host,
        "owner": repository.partition("/")[0],
        "repository": repository,
        "url": f"https://{host}/{repository}",
    }


def test_a_web_port_stays_in_the_url(checkout: Checkout) -> None:
    checkout("remote", "add", "origin", "https://git.example.org:8443/team/app.git")
    facts = git_facts(checkout.directory)
    assert (facts["host"], facts["url"]) == ("git.example.org", "https://git.example.org:8443/team/app")


@pytest.mark.parametrize(
    "remote",
    [
        "/srv/git/team/app.git",
        "../team/app.git",
        "team/app.git",
        "./odd:name/app",
        "file:///srv/git/team/app.git",
        "https://github.com/hello",
        "git@github.com:hello.git",
        "https://",
        "https://[::1/team/app",
        "ext::sh -c anything/at/all",
    ],
)
def test_what_is_no_repository_on_a_host_gives_nothing(checkout: Checkout, remote: str) -> None:
    checkout("remote", "add", "origin", remote)
    facts = git_facts(checkout.directory)
    assert {key: facts[key] for key in NOWHERE} == NOWHERE


def test_only_origin_counts(checkout: Checkout) -> None:
    checkout("remote", "add", "upstream", "https://github.com/octocat/hello")
    assert git_facts(checkout.directory)["url"] == ""


SECRET = "hunter2"


@pytest.mark.parametrize(
    "remote",
    [
        f"https://{SECRET}@github.com/octocat/hello",
        f"https://octocat:{SECRET}@github.com/octocat/hello.git",
        f"https://x-access-token:{SECRET}@github.com:443/octocat/hello.git",
        f"https://octocat:p@{SECRET}@github.com/octocat/hello",
        f"https://octocat:p/{SECRET}@github.com/octocat/hello",
        f"https://octocat:p#{SECRET}@github.com/octocat/hello",
        f"https://octocat:p?{SECRET}@github.com/octocat/hello",
        f"https://octocat:p:{SECRET}@github.com/octocat/hello",
        f"https://github.com/octocat/hello?access_token={SECRET}",
        f"https://github.com/octocat/hello#{SECRET}",
        f"ssh://octocat:{SECRET}@github.com/octocat/hello",
        f"octocat:{SECRET}@github.com:octocat/hello",
        f"https://[{SECRET}@github.com/octocat/hello",
    ],
)
def test_credentials_of_a_remote_never_get_out(checkout: Checkout, remote: str) -> None:
    checkout("remote", "add", "origin", remote)
    facts = git_facts(checkout.directory)
    assert SECRET not in repr(facts)
    assert facts["url"] in ("", "https://github.com/octocat/hello", "https://github.com:443/octocat/hello")


def test_a_secret_that_git_puts_into_the_url_stays_out_too(checkout: Checkout) -> None:
    checkout("remote", "add", "origin", "https://github.com/octocat/hello")
    checkout("config", f"url.https://x-access-token:{SECRET}@github.com/.insteadOf", "https://github.com/")
    assert SECRET in checkout("remote", "get-url", "origin")
    assert git_facts(checkout.directory)["url"] == "https://github.com/octocat/hello"

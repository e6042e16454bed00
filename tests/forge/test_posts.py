"""Comments and issues on both forges, by requests that these take to the letter."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from msgspec import Struct

from reconciler.errors import ConfigurationError, ReconcilerError
from reconciler.forge import job
from reconciler.forge.api import Api
from reconciler.forge.job import NoTokenError, forge_of
from reconciler.forge.posts import (
    MOST_CHARACTERS,
    Done,
    ForgeError,
    Needed,
    NotAllowedError,
    keep_issue,
    put_comment,
)
from tests.forge.fake import TOKEN, FakeForge, FakeGitHub, FakeGitLab, serving

_PLAN = "<!-- reconciler-plan prod -->\n\n### Plan\n"
_MARKER = "<!-- reconciler-attention prod -->"
_ONE = Needed(title="prod needs a person", gist="1 failed", text="`a` failed", digest="d1")
_TWO = Needed(title="prod needs a person", gist="2 failed", text="`a`, `b`", digest="d2")


class _Place(Struct, frozen=True, kw_only=True):
    """A forge, and the variables of a job there."""

    fake: FakeForge
    variables: dict[str, str]

    @property
    def forge(self) -> Any:
        """As a job finds it."""
        return forge_of(self.variables)

    @property
    def comments(self) -> list[str]:
        """The texts on the pull request."""
        return [one["body"] for one in self.fake.comments]

    @property
    def issues(self) -> list[tuple[str, str]]:
        """State and text of each issue."""
        return [(one["state"], one.get("body") or one["description"]) for one in self.fake.issues]

    def said_by(self, who: str, text: str) -> None:
        """Let somebody comment."""
        author = {"user": {"login": who}, "author": {"username": who}}
        self.fake.comments.append({"id": self.fake.number(), "body": text, **author})


def github_job(url: str) -> dict[str, str]:
    """The variables of a job for pull request 7."""
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": url,
        "GITHUB_GRAPHQL_URL": f"{url}/graphql",
        "GITHUB_REPOSITORY": "team/runs",
        "GITHUB_REF": "refs/pull/7/merge",
        "GITHUB_TOKEN": TOKEN,
    }


def gitlab_job(url: str) -> dict[str, str]:
    """The variables of a job for merge request 7, of a fork."""
    return {
        "GITLAB_CI": "true",
        "CI_API_V4_URL": url,
        "CI_PROJECT_ID": "99",
        "CI_MERGE_REQUEST_PROJECT_ID": "12",
        "CI_MERGE_REQUEST_IID": "7",
        "GITLAB_TOKEN": TOKEN,
    }


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the jobs of the test would wait, in seconds; none of them waits."""
    waited: list[float] = []
    monkeypatch.setattr(job, "Api", partial(Api, sleep=waited.append))
    return waited


@pytest.fixture(params=["github", "gitlab"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Place]:
    monkeypatch.setattr("reconciler.forge.api._PAUSES", (0.0, 0.0))
    fake: FakeForge = FakeGitHub() if request.param == "github" else FakeGitLab()
    with serving(fake):
        variables = github_job(fake.url) if request.param == "github" else gitlab_job(fake.url)
        yield _Place(fake=fake, variables=variables)


def test_a_plan_is_commented_once_and_then_written_over_in_place(place: _Place) -> None:
    assert put_comment(place.forge, _PLAN, "") is Done.WRITTEN
    assert put_comment(place.forge, f"{_PLAN}more", "") is Done.WRITTEN_OVER
    assert place.comments == [f"{_PLAN}more"]


def test_a_plan_that_says_the_same_is_not_written_again(place: _Place) -> None:
    place.said_by(place.fake.me, _PLAN.strip().replace("\n", "\r\n"))  # as a forge may keep it
    assert put_comment(place.forge, _PLAN, "") is Done.UNCHANGED
    assert place.fake.writes == []


def test_the_comment_is_found_on_whatever_page_it_stands(place: _Place) -> None:
    for number in range(4):
        place.said_by("somebody", f"word {number}")
    put_comment(place.forge, _PLAN, "")
    place.said_by("somebody", "thanks")
    assert put_comment(place.forge, f"{_PLAN}more", "") is Done.WRITTEN_OVER
    assert place.comments[4:] == [f"{_PLAN}more", "thanks"]


def test_a_comment_of_somebody_else_is_never_written_over_whatever_it_begins_with(
    place: _Place,
) -> None:
    place.said_by("somebody", _PLAN)
    assert put_comment(place.forge, f"{_PLAN}ours", "") is Done.WRITTEN
    assert place.comments == [_PLAN, f"{_PLAN}ours"]


def test_what_quotes_the_marker_further_down_is_another_comment(place: _Place) -> None:
    place.said_by(place.fake.me, f"Look:\n\n{_PLAN}")
    assert put_comment(place.forge, _PLAN, "") is Done.WRITTEN


def test_each_environment_has_a_comment_of_its_own_and_several_share_one(place: _Place) -> None:
    test = "<!-- reconciler-plan test -->\n\n### Plan of test\n"
    put_comment(place.forge, test, "")
    put_comment(place.forge, _PLAN, "")
    assert place.comments == [test, _PLAN]
    both = f"<!-- reconciler-plan dev -->\n\nnew\n\n{_PLAN}"
    assert put_comment(place.forge, both, "") is Done.WRITTEN_OVER
    assert place.comments == [test, both]


def test_a_plan_that_could_not_be_made_takes_the_place_of_the_older_one(place: _Place) -> None:
    put_comment(place.forge, _PLAN, "")
    assert put_comment(place.forge, "", "no plan") is Done.WRITTEN_OVER
    assert place.comments == ["<!-- reconciler-plan prod -->\n\nno plan\n"]
    assert put_comment(place.forge, _PLAN, "") is Done.WRITTEN_OVER
    assert place.comments == [_PLAN]


def test_a_plan_of_nobody_knows_which_environments_takes_the_place_of_any(place: _Place) -> None:
    put_comment(place.forge, _PLAN, "")
    nameless = "<!-- reconciler-plan -->\n\n### Nothing can be planned\n"
    assert put_comment(place.forge, nameless, "") is Done.WRITTEN_OVER
    assert place.comments == [nameless]


def test_where_no_plan_was_ever_made_the_first_one_takes_that_comments_place(
    place: _Place,
) -> None:
    put_comment(place.forge, "", "no plan")
    assert put_comment(place.forge, _PLAN, "") is Done.WRITTEN_OVER
    assert place.comments == [_PLAN]


def test_a_text_that_the_forge_would_refuse_is_cut_and_says_so(place: _Place) -> None:
    put_comment(place.forge, _PLAN + "word\n" * 20_000, "")
    (text,) = place.comments
    assert len(text) <= MOST_CHARACTERS
    assert text.endswith("word\n\n**Cut here: the job's log and summary have the rest.**\n")


def test_a_token_that_may_not_write_is_told_apart(place: _Place) -> None:
    place.fake.may_write = False
    with pytest.raises(NotAllowedError, match="is not allowed to this token: 403"):
        put_comment(place.forge, _PLAN, "")


def test_a_busy_forge_is_asked_again_but_a_post_that_writes_is_not_repeated(
    place: _Place, pauses: list[float]
) -> None:
    place.said_by(place.fake.me, _PLAN)
    forge = place.forge
    place.fake.failing = [503, 429]  # of the question whose token it is: a POST, on GitHub
    assert put_comment(forge, f"{_PLAN}more", "") is Done.WRITTEN_OVER
    place.fake.failing = [502]
    with pytest.raises(ForgeError, match="failed: 502 busy"):
        forge.add_comment("x")
    assert len(place.comments) == 1
    assert len(pauses) == 2


@pytest.mark.parametrize("status", [403, 429])
def test_a_post_that_a_limit_turned_away_is_sent_again_when_the_forge_says(
    place: _Place, pauses: list[float], status: int
) -> None:
    place.fake.failing, place.fake.retry_after = [status], "60"
    place.forge.add_comment("x")
    assert (place.comments, pauses) == (["x"], [60.0])


def test_a_post_whose_answer_is_lost_is_not_repeated_and_a_question_is(place: _Place) -> None:
    forge = place.forge
    place.fake.failing = [0]
    assert list(forge.comments()) == []
    place.fake.failing = [0]
    with pytest.raises(ForgeError, match="RemoteProtocolError"):
        forge.add_comment("x")
    assert len(place.fake.writes) == 1


def test_a_post_that_never_left_is_repeated() -> None:
    pauses: list[float] = []
    api = Api(root="http://127.0.0.1:1", headers={}, token=TOKEN, sleep=pauses.append)
    with pytest.raises(ForgeError, match="ConnectError"):
        api.ask("POST", "notes", {"body": "x"})
    assert len(pauses) == 2


def test_a_limit_on_requests_is_not_taken_for_a_token_that_may_not_write(place: _Place) -> None:
    place.fake.failing, place.fake.retry_after = [403], "61"  # longer than a job waits
    with pytest.raises(ForgeError, match="failed: 403 busy") as caught:
        place.forge.add_comment("x")
    assert not isinstance(caught.value, NotAllowedError)


def test_an_issue_is_opened_once_for_what_needs_a_person(place: _Place) -> None:
    assert keep_issue(place.forge, _MARKER, _ONE) is Done.WRITTEN
    assert keep_issue(place.forge, _MARKER, _ONE) is Done.UNCHANGED
    assert [state for state, _ in place.issues] in (["open"], ["opened"])
    assert place.fake.issues[0]["title"] == _ONE.title


def test_what_changes_is_written_over_and_told_to_who_watches_the_issue(place: _Place) -> None:
    keep_issue(place.forge, _MARKER, _ONE)
    assert keep_issue(place.forge, _MARKER, _TWO) is Done.WRITTEN_OVER
    ((_, text),) = place.issues
    assert _TWO.text in text
    assert [said for _, said in place.fake.remarks] == [_TWO.gist]


def test_the_issue_is_closed_when_all_is_well_and_the_next_trouble_opens_another(
    place: _Place,
) -> None:
    assert keep_issue(place.forge, _MARKER, None) is Done.NOT_NEEDED
    keep_issue(place.forge, _MARKER, _ONE)
    assert keep_issue(place.forge, _MARKER, None) is Done.CLOSED
    assert [said for _, said in place.fake.remarks] == ["Nothing needs a person any more."]
    assert keep_issue(place.forge, _MARKER, _TWO) is Done.WRITTEN
    assert [state for state, _ in place.issues] in (["closed", "open"], ["closed", "opened"])


def test_an_issue_that_a_person_closed_stays_closed_until_something_else_is_needed(
    place: _Place,
) -> None:
    keep_issue(place.forge, _MARKER, _ONE)
    place.fake.issues[0]["state"] = "closed"
    assert keep_issue(place.forge, _MARKER, _ONE) is Done.LEFT_CLOSED
    assert keep_issue(place.forge, _MARKER, _TWO) is Done.WRITTEN


def test_an_issue_of_somebody_else_or_of_another_environment_is_left_alone(place: _Place) -> None:
    keep_issue(place.forge, "<!-- reconciler-attention test -->", _ONE)
    keep_issue(place.forge, _MARKER, _ONE)
    for name in ("user", "author"):
        place.fake.issues[1][name] = {"login": "somebody", "username": "somebody"}
    assert keep_issue(place.forge, _MARKER, None) is Done.NOT_NEEDED
    assert keep_issue(place.forge, _MARKER, _ONE) is Done.WRITTEN


def test_a_list_that_goes_on_at_another_host_gets_no_token(place: _Place) -> None:
    place.said_by("somebody", "1")
    place.said_by("somebody", "2")
    place.said_by("somebody", "3")
    real = place.fake.url
    forge = place.forge
    place.fake.url = "http://127.0.0.2:9"
    with pytest.raises(ForgeError, match=r"goes on at another host, 127\.0\.0\.2"):
        list(forge.comments())
    place.fake.url = real


def test_without_a_token_nothing_is_asked(place: _Place) -> None:
    variables = {name: one for name, one in place.variables.items() if "TOKEN" not in name}
    with pytest.raises(NoTokenError, match="TOKEN is not set"):
        forge_of(variables)


def test_a_job_of_no_pull_request_has_none(place: _Place) -> None:
    variables = {**place.variables, "GITHUB_REF": "refs/heads/main", "CI_MERGE_REQUEST_IID": ""}
    with pytest.raises(ForgeError, match=r"belongs to no (pull|merge) request"):
        list(forge_of(variables).comments())


def test_no_message_and_no_value_shows_the_token(place: _Place) -> None:
    for status in (401, 403):
        place.fake.failing, place.fake.words = [status], f"{TOKEN} is no good"
        with pytest.raises(ForgeError, match=f"{status} … is no good") as caught:
            place.forge.me()
        assert TOKEN not in str(caught.value) + repr(place.forge)


def test_outside_a_pipeline_there_is_no_forge() -> None:
    with pytest.raises(ReconcilerError, match="no job of GitHub's or GitLab's"):
        forge_of({"GITHUB_TOKEN": TOKEN})


def test_a_token_is_sent_over_https_only() -> None:
    with pytest.raises(ConfigurationError, match=r"forge\.test has no https URL"):
        Api(root="http://forge.test", headers={}, token=TOKEN)


def test_a_proxy_that_needs_another_package_is_an_error_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:hidden@proxy.test:1080")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    with pytest.raises(ConfigurationError, match=r"socks5://proxy\.test:1080") as caught:
        Api(root="https://forge.test", headers={}, token=TOKEN).ask("GET", "user")
    assert "hidden" not in str(caught.value)

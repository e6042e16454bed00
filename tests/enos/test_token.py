"""The access token, with a token service that is a function."""

import asyncio
from typing import Any

import pytest

from reconciler.apply.ports import NotProcessed, UnknownAnswer
from reconciler.enos.answers import Accepted, Failed, Verdict
from reconciler.enos.tokens import Token, Tokens


class Service:
    """Hands out what it is told, in turn; the last is repeated. Says what it was asked."""

    def __init__(self, *verdicts: Verdict) -> None:
        self.verdicts = list(verdicts)
        self.asked: list[str | None] = []
        self.now = 1_000.0
        self.tokens = Tokens(self.ask, lambda: self.now)

    async def ask(self, refreshing: str | None) -> Verdict:
        self.asked.append(refreshing)
        for _ in range(5):
            await asyncio.sleep(0)  # so that others come to wait
        return self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]

    async def value(self) -> str:
        token = await self.tokens.obtain_token()
        assert isinstance(token, Token)
        return token.value


def given(token: Any, expire: Any = 7200) -> Accepted:
    return Accepted(data={"accessToken": token, "expire": expire})


FAILED = Failed(answer=NotProcessed(reason="no"), code=1002)


def test_all_who_need_it_at_once_share_one_request() -> None:
    service = Service(given("one"), given("two"))

    async def ask() -> list[str]:
        return await asyncio.gather(*(service.value() for _ in range(32)))

    assert set(asyncio.run(ask())) == {"one"}
    assert service.asked == [None]


def test_all_who_waited_for_a_try_share_its_failure_and_the_next_tries_again() -> None:
    service = Service(FAILED, given("one"))

    async def ask() -> tuple[list[Token | Failed], str]:
        first = await asyncio.gather(*(service.tokens.obtain_token() for _ in range(32)))
        return first, await service.value()

    first, later = asyncio.run(ask())
    assert first == [FAILED] * 32
    assert later == "one"
    assert len(service.asked) == 2


def test_one_who_gives_up_waiting_does_not_take_the_token_from_the_others() -> None:
    service = Service(given("one"))

    async def ask() -> str:
        first = asyncio.create_task(service.value())
        second = asyncio.create_task(service.value())
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(ask()) == "one"


@pytest.mark.parametrize("expire", [7200, "7200", 7200.0])
def test_the_token_is_renewed_before_it_expires(expire: object) -> None:
    service = Service(given("one", expire), given("two"))

    async def ask() -> tuple[str, str]:
        await service.value()
        service.now += 7100
        before = await service.value()
        service.now += 50
        return before, await service.value()

    assert asyncio.run(ask()) == ("one", "two")


def test_a_token_that_the_service_gives_out_again_is_refreshed_before_it_expires() -> None:
    service = Service(given("one"), given("one", 50), given("two"))

    async def ask() -> str:
        await service.value()
        service.now += 7150
        return await service.value()

    assert asyncio.run(ask()) == "two"
    assert service.asked == [None, None, "one"]


def test_a_token_that_cannot_be_refreshed_is_used_as_it_is() -> None:
    service = Service(given("one"), given("one"), FAILED, given("never"))

    async def ask() -> str:
        token = await service.tokens.obtain_token()
        assert isinstance(token, Token)
        service.tokens.refuse(token)
        return await service.value()

    assert asyncio.run(ask()) == "one"


def test_a_late_refusal_of_an_old_token_does_not_throw_away_the_new_one() -> None:
    service = Service(given("one"), given("two"), given("three"))

    async def ask() -> str:
        old = await service.tokens.obtain_token()
        assert isinstance(old, Token)
        service.tokens.refuse(old)
        await service.value()
        service.tokens.refuse(old)
        return await service.value()

    assert asyncio.run(ask()) == "two"


def test_a_clock_that_was_set_back_does_not_keep_a_token_for_ever() -> None:
    service = Service(given("one"), given("two"))

    async def ask() -> str:
        await service.value()
        service.now -= 1e6
        return await service.value()

    assert asyncio.run(ask()) == "two"


@pytest.mark.parametrize("expire", [None, "soon", 0, -1, True, [1]])
def test_an_expiry_that_cannot_be_read_does_not_make_the_token_useless(expire: object) -> None:
    service = Service(given("one", expire), given("two"))

    async def ask() -> tuple[str, str]:
        return await service.value(), await service.value()

    assert asyncio.run(ask()) == ("one", "one")


@pytest.mark.parametrize(
    "data", [None, [], {}, {"accessToken": 5}, {"accessToken": ""}, {"accessToken": "a\r\nb: c"}]
)
def test_what_could_not_stand_in_a_header_is_no_token(data: object) -> None:
    service = Service(Accepted(data=data))
    token = asyncio.run(service.tokens.obtain_token())
    assert isinstance(token, Failed)
    assert isinstance(token.answer, UnknownAnswer)


def test_a_token_does_not_show_itself() -> None:
    assert "one" not in repr(Token(value="one", since=0, until=1))

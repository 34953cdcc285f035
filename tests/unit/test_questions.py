"""Questions: one for all who ask, few at once, and a "there is none" believed for a while."""

from __future__ import annotations

import asyncio

import pytest

from router.errors import Overloaded
from router.questions import QuestionLimits, Questions


class Catalog:
    """Answers when it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.asked: list[str] = []
        self.at_once = 0
        self.at_once_max = 0
        self.answers = asyncio.Event()
        self.error: Exception | None = None

    async def ask(self, key: str) -> str | None:
        self.asked.append(key)
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        try:
            await self.answers.wait()
            if self.error is not None:
                raise self.error
            return self.known.get(key)
        finally:
            self.at_once -= 1


def asking(catalog: Catalog, limits: QuestionLimits | None = None) -> Questions[str, str]:
    return Questions(catalog.ask, limits or QuestionLimits())


async def some_turns() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_question_is_asked_once_however_many_wait() -> None:
    catalog = Catalog()
    questions = asking(catalog)
    tasks = [asyncio.create_task(questions.ask("a")) for _ in range(100)]
    await some_turns()
    catalog.known["a"] = "A"
    catalog.answers.set()
    assert await asyncio.gather(*tasks) == ["A"] * 100
    assert catalog.asked == ["a"]
    assert await questions.ask("a") == "A"
    assert catalog.asked == ["a", "a"], "answers are the directory's to remember"


async def test_so_many_questions_are_asked_at_once_and_no_more() -> None:
    catalog = Catalog()
    questions = asking(catalog, QuestionLimits(asks_max=3))
    tasks = [asyncio.create_task(questions.ask(f"k{at}")) for at in range(20)]
    await some_turns()
    assert catalog.at_once == 3
    catalog.answers.set()
    await asyncio.gather(*tasks)
    assert (catalog.at_once_max, len(catalog.asked)) == (3, 20)


async def test_a_line_of_questions_has_an_end_and_those_in_it_are_answered() -> None:
    catalog = Catalog()
    questions = asking(catalog, QuestionLimits(waiting_max=5))
    tasks = [asyncio.create_task(questions.ask(f"k{at}")) for at in range(5)]
    await some_turns()
    with pytest.raises(Overloaded, match="5 questions already wait"):
        await questions.ask("one too many")
    again = asyncio.create_task(questions.ask("k0"))
    await some_turns()
    catalog.answers.set()
    assert await asyncio.gather(*tasks, again) == [None] * 6
    assert await questions.ask("one too many") is None


async def test_that_there_is_none_is_believed_for_a_while() -> None:
    catalog = Catalog()
    catalog.answers.set()
    questions = asking(catalog, QuestionLimits(unknown_s_max=0.05))
    assert await questions.ask("a") is None
    catalog.known["a"] = "A"
    assert await questions.ask("a") is None
    assert catalog.asked == ["a"]
    await asyncio.sleep(0.06)
    assert await questions.ask("a") == "A"


@pytest.mark.parametrize("is_about_all", [False, True])
async def test_news_end_the_belief_that_there_is_none(*, is_about_all: bool) -> None:
    catalog = Catalog()
    catalog.answers.set()
    questions = asking(catalog)
    assert await questions.ask("a") is None
    catalog.known["a"] = "A"
    if is_about_all:
        questions.forget_all_unknown()
    else:
        questions.forget_unknown("a")
    assert await questions.ask("a") == "A"


async def test_who_asks_anew_believes_nothing() -> None:
    catalog = Catalog()
    catalog.answers.set()
    questions = asking(catalog)
    assert await questions.ask("a") is None
    catalog.known["a"] = "A"
    assert await questions.ask_anew("a") == "A"


async def test_so_many_unknown_are_remembered_the_first_ones_go() -> None:
    catalog = Catalog()
    catalog.answers.set()
    questions = asking(catalog, QuestionLimits(unknown_max=2))
    for key in ("a", "b", "c"):
        assert await questions.ask(key) is None
    for key in ("b", "c"):
        await questions.ask(key)
    assert catalog.asked == ["a", "b", "c"]
    await questions.ask("a")
    assert catalog.asked == ["a", "b", "c", "a"]


async def test_one_that_is_unknown_again_takes_nobody_elses_place() -> None:
    catalog = Catalog()
    catalog.answers.set()
    questions = asking(catalog, QuestionLimits(unknown_max=2))
    for key in ("a", "b"):
        await questions.ask(key)
    await questions.ask_anew("b")
    assert await questions.ask("a") is None
    assert catalog.asked == ["a", "b", "b"]


async def test_an_error_is_told_to_all_who_wait_and_not_remembered() -> None:
    catalog = Catalog()
    catalog.error = ConnectionError("the catalog is away")
    catalog.answers.set()
    questions = asking(catalog)
    found = await asyncio.gather(*[questions.ask("a") for _ in range(3)], return_exceptions=True)
    assert [str(each) for each in found] == ["the catalog is away"] * 3
    catalog.error = None
    catalog.known["a"] = "A"
    assert await questions.ask("a") == "A"


async def test_who_gives_up_takes_the_answer_from_nobody() -> None:
    catalog = Catalog()
    catalog.known["a"] = "A"
    questions = asking(catalog)
    hasty, patient = (asyncio.create_task(questions.ask("a")) for _ in range(2))
    await some_turns()
    hasty.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hasty
    catalog.answers.set()
    assert await patient == "A"
    assert catalog.asked == ["a"]


async def test_an_error_that_nobody_waits_for_any_more_disturbs_nobody() -> None:
    catalog = Catalog()
    catalog.error = ConnectionError("the catalog is away")
    questions = asking(catalog)
    task = asyncio.create_task(questions.ask("a"))
    await some_turns()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    try:
        catalog.answers.set()
        await some_turns()
    finally:
        asyncio.get_running_loop().set_exception_handler(None)
    assert complaints == []
    assert catalog.at_once == 0


async def test_closing_ends_what_is_on_its_way() -> None:
    catalog = Catalog()
    questions = asking(catalog, QuestionLimits(asks_max=1))
    tasks = [asyncio.create_task(questions.ask(key)) for key in ("a", "b")]
    await some_turns()
    await questions.close()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in found)
    assert catalog.at_once == 0

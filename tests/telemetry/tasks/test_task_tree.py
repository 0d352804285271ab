"""Who waits for whom, as the tree says it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from towpath._core import context
from towpath._core.context import Context
from towpath._telemetry.tasks.task_text import task_lines
from towpath._telemetry.tasks.task_tree import MAX_ENTRIES, Node, Tree, task_tree


@asynccontextmanager
async def waiting(**works: Coroutine[Any, Any, Any]) -> AsyncGenerator[Tree]:
    """The tree once every task has come to where it waits."""
    tasks = [asyncio.create_task(work, name=name) for name, work in works.items()]
    for _ in range(20):
        await asyncio.sleep(0)
    try:
        yield task_tree(asyncio.all_tasks())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def nap() -> None:
    await asyncio.Event().wait()


async def transfer(first: asyncio.Lock, second: asyncio.Lock) -> None:
    async with first:
        await asyncio.sleep(0)
        async with second:
            raise AssertionError


def node(tree: Tree, name: str) -> Node:
    return next(each for each in tree.roots if each.name == name)


async def test_the_tasks_of_a_group_of_gather_and_of_wait_are_below_what_awaits_them() -> None:
    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(nap(), name="one")
            tasks.create_task(asyncio.sleep(1000), name="two")

    async def gather() -> None:
        await asyncio.gather(nap(), nap(), nap())

    async def wait() -> None:
        await asyncio.wait([asyncio.create_task(nap(), name="awaited")])

    async def join() -> None:
        await asyncio.create_task(nap(), name="joined")

    async with waiting(group=group(), gather=gather(), wait=wait(), join=join()) as tree:
        assert {child.name for child in node(tree, "group").children} == {"one", "two"}
        assert [child.count for child in node(tree, "gather").children] == [3]
        assert [child.name for child in node(tree, "wait").children] == ["awaited"]
        assert [child.name for child in node(tree, "join").children] == ["joined"]
        assert node(tree, "gather").on == "3 tasks"
        assert len(tree.roots) == 4
        left = [task for task in asyncio.all_tasks() if task.get_name() in ("awaited", "joined")]
        for task in left:
            task.cancel()
        await asyncio.wait(left)


async def test_the_place_is_the_programs_own_line() -> None:
    async with waiting(nap=nap()) as tree:
        (place,) = node(tree, "nap").places
        assert (place.function, place.source) == ("nap", "await asyncio.Event().wait()")
        assert place.file.endswith("test_task_tree.py")
        assert node(tree, "nap").on == "an Event"


async def test_two_locks_that_are_taken_in_two_orders_are_a_deadlock() -> None:
    a, b = asyncio.Lock(), asyncio.Lock()
    async with waiting(left=transfer(a, b), right=transfer(b, a)) as tree:
        assert (node(tree, "left").holder, node(tree, "right").holder) == ("right", "left")
        (ring,) = tree.deadlocks
        assert sorted(link.partition(",")[0] for link in ring) == [
            "left waits for a Lock that right has",
            "right waits for a Lock that left has",
        ]


async def test_a_lock_that_nobody_in_a_block_has_names_no_holder() -> None:
    lock = asyncio.Lock()
    await lock.acquire()

    async def wait() -> None:
        async with lock:
            raise AssertionError

    async with waiting(wait=wait()) as tree:
        assert (node(tree, "wait").on, node(tree, "wait").holder, tree.deadlocks) == ("a Lock", "", ())


async def test_a_task_that_has_a_lock_and_waits_for_one_that_wants_it_is_a_deadlock() -> None:
    lock = asyncio.Lock()

    async def want() -> None:
        async with lock:
            raise AssertionError

    async def have() -> None:
        async with lock:
            await asyncio.create_task(want(), name="want")

    async with waiting(have=have()) as tree:
        (ring,) = tree.deadlocks
        assert {link.split()[0] for link in ring} == {"have", "want"}


async def test_the_call_that_a_task_works_for_is_named() -> None:
    async def work() -> None:
        context.enter(Context("a.A/Get"))
        await nap()

    async with waiting(work=work()) as tree:
        assert node(tree, "work").method == "a.A/Get"


async def test_ten_thousand_tasks_alike_are_one_line_of_80_columns() -> None:
    async with waiting(**{f"t{n}": nap() for n in range(10_000)}) as tree:
        alike = next(each for each in tree.roots if each.coroutine == "nap")
        assert alike.count == 10_000
        told = tree.told()
        assert len(json.dumps(told)) < 20_000
        lines = list(task_lines(told))
        assert any("x 10,000 like this" in line for line in lines)
        assert max(map(len, lines)) <= 80


async def test_a_tree_of_any_size_is_bounded() -> None:
    works = {f"t{n}": nap() for n in range(3)}
    async with waiting(**works) as tree:
        each = tree.roots[-1]
        many = Tree(count=9_000, left_out=8_500, roots=(each,) * MAX_ENTRIES, deadlocks=())
        assert list(task_lines(many.told()))[-1] == "and 8,500 more that are not listed"


async def test_text_has_no_character_that_a_terminal_obeys() -> None:
    async with waiting(**{"a\x1b[31m\nb": nap()}) as tree:
        assert all(line.isprintable() for line in task_lines(tree.told()))
        assert all(line.isascii() for line in task_lines(tree.told(), 40, unicode=False))

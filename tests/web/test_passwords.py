"""Basic authentication, without a server around it."""

import asyncio
import time

import bcrypt

from exporter.web.passwords import Credentials, Passwords, TooManyChecksError


def _login(user: str, password: str) -> Credentials:
    return Credentials(user, password.encode())


def _hashed(password: str, cost: int = 4) -> bytes:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost))


def test_unknown_users_take_as_long_as_known_ones() -> None:
    """The time of a response does not reveal whether a user exists."""
    passwords = Passwords()
    users = {"known": _hashed("secret", 11)}

    def seconds(user: str) -> float:
        begun = time.perf_counter()
        assert not asyncio.run(passwords.check(_login(user, "wrong"), users))
        return time.perf_counter() - begun

    known, unknown = (min(seconds(user) for _ in range(3)) for user in ("known", "unknown"))
    passwords.close()
    assert 0.5 < unknown / known < 2


def test_the_loop_goes_on_while_a_password_is_compared() -> None:
    """The event loop turns many times during one comparison."""
    passwords = Passwords()

    async def turns() -> int:
        comparing = asyncio.create_task(passwords.check(_login("a", "secret"), {"a": _hashed("secret", 11)}))
        count = 0
        while not comparing.done():
            await asyncio.sleep(0.001)
            count += 1
        assert await comparing
        return count

    assert asyncio.run(turns()) > 5
    passwords.close()


def test_what_is_remembered_is_bounded() -> None:
    """The memory of right passwords does not grow with the number of users, and nobody is locked out by it."""
    passwords = Passwords()
    hashed = _hashed("secret")
    users = {f"user-{number}": hashed for number in range(300)}

    async def admitted() -> list[bool]:
        return [await passwords.check(_login(user, "secret"), users) for user in (*users, *users)]

    assert {True} == set(asyncio.run(admitted()))
    assert len(passwords._right) < len(users)
    passwords.close()


def test_a_changed_hash_is_compared_again() -> None:
    """What was right for the former hash of a user is not remembered for the new one."""
    passwords = Passwords()

    async def admitted() -> tuple[bool, bool]:
        login = _login("a", "secret")
        return (
            await passwords.check(login, {"a": _hashed("secret")}),
            await passwords.check(login, {"a": _hashed("other")}),
        )

    assert (True, False) == asyncio.run(admitted())
    passwords.close()


def test_closing_refuses_what_is_pending() -> None:
    """Checks that wait when the server stops fail, and so do later ones."""
    passwords = Passwords()
    users = {"a": _hashed("secret", 10)}

    async def closing() -> list[bool]:
        waiting = [asyncio.create_task(passwords.check(_login("a", f"{n}"), users)) for n in range(4)]
        await asyncio.sleep(0)
        passwords.close()
        return [*await asyncio.gather(*waiting), await passwords.check(_login("a", "secret"), users)]

    assert [False] * 5 == asyncio.run(closing())


def test_a_cancelled_check_is_cancelled() -> None:
    """Cancellation is not mistaken for a wrong password."""
    passwords = Passwords()

    async def cancelled() -> bool:
        waiting = asyncio.create_task(passwords.check(_login("a", "b"), {"a": _hashed("secret", 10)}))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        return waiting.cancelled()

    assert asyncio.run(cancelled())
    passwords.close()


def test_cancelled_checks_are_not_compared() -> None:
    """Once the clients of many wrong passwords have gone, the next check waits for at most the one under way."""
    passwords = Passwords()
    users = {"a": _hashed("secret", 12)}

    async def seconds() -> tuple[float, float]:
        begun = time.perf_counter()
        assert await passwords.check(_login("a", "secret"), users, "alone")
        alone = time.perf_counter() - begun
        strangers = [asyncio.create_task(passwords.check(_login("a", f"{n}"), users, f"{n}")) for n in range(30)]
        await asyncio.sleep(0.01)
        for each in strangers:
            each.cancel()
        begun = time.perf_counter()
        assert not await passwords.check(_login("a", "wrong"), users, "late")
        return alone, time.perf_counter() - begun

    alone, late = asyncio.run(seconds())
    passwords.close()
    assert late < 4 * alone


def test_one_peer_displaces_only_its_own_checks() -> None:
    """A peer with many checks loses its oldest ones; another peer's check is the second one compared."""
    passwords = Passwords()
    users = {"a": _hashed("secret", 9)}

    async def outcomes() -> tuple[list[object], list[str]]:
        order: list[str] = []

        async def checked(name: str, peer: str) -> bool:
            try:
                return await passwords.check(_login("a", name), users, peer)
            finally:
                order.append(name)

        flood = [asyncio.create_task(checked(f"{n}", "flood")) for n in range(100)]
        await asyncio.sleep(0)
        assert await checked("secret", "other")
        finished = [*order]
        return list(await asyncio.gather(*flood, return_exceptions=True)), finished

    results, order = asyncio.run(outcomes())
    passwords.close()
    assert 4 <= sum(result is False for result in results) <= 6
    assert order.index("secret") - sum(isinstance(result, TooManyChecksError) for result in results) <= 2


def test_the_queue_is_bounded_over_all_peers() -> None:
    """However many peers there are, at most 32 checks wait; the others fail at once."""
    passwords = Passwords()
    users = {"a": _hashed("secret", 4)}

    async def refused() -> int:
        checks = [passwords.check(_login("a", f"{n}"), users, f"{n}") for n in range(500)]
        results = await asyncio.gather(*checks, return_exceptions=True)
        return sum(isinstance(result, TooManyChecksError) for result in results)

    assert 500 - 34 <= asyncio.run(refused()) <= 500 - 32
    passwords.close()

"""Basic authentication, without a server around it."""

import asyncio
import base64
import time

import bcrypt

from exporter.web.passwords import Passwords


def _login(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _hashed(password: str, cost: int = 4) -> bytes:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost))


def test_unknown_users_take_as_long_as_known_ones() -> None:
    """Time does not tell whether a user exists."""
    passwords = Passwords()
    users = {"known": _hashed("secret", 11)}

    def seconds(user: str) -> float:
        begun = time.perf_counter()
        assert not asyncio.run(passwords.admit(_login(user, "wrong"), users))
        return time.perf_counter() - begun

    known, unknown = (min(seconds(user) for _ in range(3)) for user in ("known", "unknown"))
    passwords.close()
    assert 0.5 < unknown / known < 2


def test_the_loop_goes_on_while_a_password_is_compared() -> None:
    """The event loop turns many times during one comparison."""
    passwords = Passwords()

    async def turns() -> int:
        comparing = asyncio.create_task(passwords.admit(_login("a", "secret"), {"a": _hashed("secret", 11)}))
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
        return [await passwords.admit(_login(user, "secret"), users) for user in (*users, *users)]

    assert {True} == set(asyncio.run(admitted()))
    assert len(passwords._right) < len(users)
    passwords.close()


def test_a_changed_hash_is_compared_anew() -> None:
    """What was right for the former hash of a user is not remembered for the new one."""
    passwords = Passwords()

    async def admitted() -> tuple[bool, bool]:
        login = _login("a", "secret")
        return (
            await passwords.admit(login, {"a": _hashed("secret")}),
            await passwords.admit(login, {"a": _hashed("other")}),
        )

    assert (True, False) == asyncio.run(admitted())
    passwords.close()


def test_who_is_waiting_at_the_end_stays_out() -> None:
    """Closing answers those in the queue, and those who come later, with no."""
    passwords = Passwords()
    users = {"a": _hashed("secret", 10)}

    async def closing() -> list[bool]:
        waiting = [asyncio.create_task(passwords.admit(_login("a", f"{n}"), users)) for n in range(5)]
        await asyncio.sleep(0)
        passwords.close()
        return [*await asyncio.gather(*waiting), await passwords.admit(_login("a", "secret"), users)]

    assert [False] * 6 == asyncio.run(closing())


def test_a_request_that_is_given_up_is_cancelled() -> None:
    """Cancellation is not taken for a wrong password while the server runs."""
    passwords = Passwords()

    async def cancelled() -> bool:
        waiting = asyncio.create_task(passwords.admit(_login("a", "b"), {"a": _hashed("secret", 10)}))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        return waiting.cancelled()

    assert asyncio.run(cancelled())
    passwords.close()

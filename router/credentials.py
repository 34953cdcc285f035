"""The credentials that a process has met lately, believed until the news take them away."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final
from uuid import UUID

from router.catalog import credentials, keys
from router.catalog.credentials import Credential, Shown, read_token
from router.errors import PlatformError
from router.memory import Changes
from router.questions import QuestionLimits, Questions
from router.sealing import hash_token

if TYPE_CHECKING:
    from collections.abc import Hashable

    from router.catalog import Catalog

_PAGE_ITEMS: Final = 500
_ASKED_AGAIN_MAX: Final = 5


class Credentials:
    """Credentials by the hash of their token; the one that wasn't used for longest goes first."""

    def __init__(self, catalog: Catalog, *, entries_max: int, questions: QuestionLimits) -> None:
        self._catalog = catalog
        self._entries_max = entries_max
        self._known: OrderedDict[bytes, Credential] = OrderedDict()
        self._by_source: dict[Hashable, set[bytes]] = {}
        self._changes = Changes()
        self._questions = Questions(self._ask, questions)
        self._used_keys: set[str] = set()

    def by_token(self, token: str) -> Credential | None:
        """Return what a token allows, if this process has met it."""
        token_hash = hash_token(token)
        credential = self._known.get(token_hash)
        if credential is None:
            return None
        if credential.expires_s is not None and credential.expires_s <= time.time():
            self._forget(token_hash)
            return None
        self._known.move_to_end(token_hash)
        if credential.api_key_id is not None:
            self._used_keys.add(credential.api_key_id)
        return credential

    async def resolve(self, token: str) -> Credential | None:
        """Return what a token allows; None when it allows nothing.

        Raises CatalogUnreachable when this process hasn't met it and nobody can say.
        """
        if (known := self.by_token(token)) is not None:
            return known
        shown = read_token(token)
        if shown is None or (found := await self._questions.ask(shown)) is None:
            return None
        # Not by_token: the news may have taken it out again, and it was right when it was read.
        if found.api_key_id is not None:
            self._used_keys.add(found.api_key_id)
        return found

    async def close(self) -> None:
        """Drop the questions that are on their way."""
        await self._questions.close()

    def heard(self, kind: str, name: str) -> None:
        """Take the news that an account, a session, a key or a tenant's roles changed."""
        source = _source(kind, name)
        self._changes.note(source)
        for token_hash in [*self._by_source.get(source, ())]:
            self._forget(token_hash)

    async def read_all(self) -> None:
        """Ask the catalog again about all that is known: news may have been lost."""
        self._questions.forget_all_unknown()
        known = [_shown(credential) for credential in self._known.values()]
        for start in range(0, len(known), _PAGE_ITEMS):
            await self._read_page(known[start : start + _PAGE_ITEMS])

    async def note_used(self) -> None:
        """Write down which keys were used since the last time."""
        used, self._used_keys = self._used_keys, set()
        if not used:
            return
        try:
            async with self._catalog.connection() as connection:
                await keys.note_used(connection, used)
        except PlatformError:
            self._used_keys |= used
            raise

    async def _ask(self, shown: Shown) -> Credential | None:
        credential: Credential | None = None
        for _ in range(_ASKED_AGAIN_MAX):
            with self._changes.reading() as is_old:
                async with self._catalog.connection() as connection:
                    credential = await credentials.find(connection, shown)
                if credential is None or not any(map(is_old, _sources(credential))):
                    break
        if credential is not None and credential.access_id is None:
            # Staff's access is never remembered: it ends when somebody says so, at once.
            self._put(credential)
        return credential

    async def _read_page(self, page: list[Shown]) -> None:
        with self._changes.reading() as is_old:
            async with self._catalog.connection() as connection:
                found = await credentials.find_many(connection, page)
            valid = {one.token_hash: one for one in found if not any(map(is_old, _sources(one)))}
        for shown in page:
            if (credential := valid.get(shown.token_hash)) is None:
                self._forget(shown.token_hash)
            elif shown.token_hash in self._known:
                self._put(credential)

    def _put(self, credential: Credential) -> None:
        self._forget(credential.token_hash)
        self._known[credential.token_hash] = credential
        for source in _sources(credential):
            self._by_source.setdefault(source, set()).add(credential.token_hash)
        while len(self._known) > self._entries_max:
            self._forget(next(iter(self._known)))

    def _forget(self, token_hash: bytes) -> None:
        credential = self._known.pop(token_hash, None)
        for source in () if credential is None else _sources(credential):
            held = self._by_source[source]
            held.discard(token_hash)
            if not held:
                del self._by_source[source]


def _shown(credential: Credential) -> Shown:
    return Shown(token_hash=credential.token_hash, api_key_id=credential.api_key_id)


def _sources(credential: Credential) -> list[Hashable]:
    """Return all whose change makes a credential worth another question."""
    if credential.access_id is not None:
        return []
    of_roles: list[Hashable] = [("role", tenant_id) for tenant_id in credential.memberships]
    if credential.api_key_id is not None:
        return [("api_key", credential.api_key_id), *of_roles]
    return [("account", credential.account_id), ("session", credential.token_hash), *of_roles]


def _source(kind: str, name: str) -> Hashable:
    if kind == "session":
        return (kind, bytes.fromhex(name.removeprefix("\\x")))
    return (kind, name if kind == "api_key" else UUID(name))

"""What a directory remembers of tenants: plain dicts, and a bound that costs a look-up nothing."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Iterable

    from router.words import Placement, Tenant, TenantId


class Entry:
    """One tenant, under all the names by which it was asked for."""

    __slots__ = ("domains", "is_used", "slugs", "tenant")

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.is_used = True
        self.slugs: tuple[str, ...] = ()
        self.domains: tuple[str, ...] = ()


class Memory:
    """Tenants by id, slug and domain. Above ``entries_max`` one that nobody asked for lately goes.

    A look-up only marks its entry as used; the eviction looks for one that isn't (second chance),
    so that reading stays a plain dict's get.
    """

    def __init__(self, *, entries_max: int | None) -> None:
        self.by_id: OrderedDict[TenantId, Entry] = OrderedDict()
        self.by_slug: dict[str, Entry] = {}
        self.by_domain: dict[str, Entry] = {}
        assert entries_max is None or entries_max > 0, "a memory holds at least one tenant"
        self._entries_max = entries_max

    def put(self, tenant: Tenant) -> Entry:
        """Remember a tenant, or what the catalog says of it now."""
        entry = self.by_id.get(tenant.id)
        if entry is None:
            entry = self.by_id[tenant.id] = Entry(tenant)
            self._evict()
        else:
            entry.tenant = _newest(entry.tenant, tenant)
        self.name_slug(entry, tenant.slug)
        return entry

    def name_slug(self, entry: Entry, slug: str) -> None:
        """Let a slug lead to an entry. Slugs never change hands, so this stays true."""
        if slug not in entry.slugs:
            entry.slugs += (slug,)
            self.by_slug[slug] = entry

    def name_domain(self, entry: Entry, name: str) -> None:
        """Let a domain lead to an entry, until the news says that it changed hands."""
        self.forget_domain(name)
        entry.domains += (name,)
        self.by_domain[name] = entry

    def learn(self, tenant_id: TenantId, placement: Placement) -> None:
        """Believe a newer placement of a tenant that is remembered."""
        entry = self.by_id.get(tenant_id)
        if entry is not None:
            moved = msgspec.structs.replace(entry.tenant, placement=placement)
            entry.tenant = _newest(entry.tenant, moved)

    def forget(self, tenant_ids: Iterable[TenantId]) -> None:
        """Forget tenants with all their names."""
        for tenant_id in tenant_ids:
            entry = self.by_id.pop(tenant_id, None)
            if entry is not None:
                self._forget_names(entry)

    def forget_domain(self, name: str) -> None:
        """Forget where a domain leads."""
        entry = self.by_domain.pop(name, None)
        if entry is not None:
            entry.domains = tuple(other for other in entry.domains if other != name)

    def _evict(self) -> None:
        while self._entries_max is not None and len(self.by_id) > self._entries_max:
            tenant_id, entry = next(iter(self.by_id.items()))
            if entry.is_used:
                entry.is_used = False
                self.by_id.move_to_end(tenant_id)
            else:
                del self.by_id[tenant_id]
                self._forget_names(entry)

    def _forget_names(self, entry: Entry) -> None:
        for slug in entry.slugs:
            del self.by_slug[slug]
        for name in entry.domains:
            del self.by_domain[name]


class Changes:
    """Tells a reader that what it was reading changed meanwhile: its answer is already old."""

    def __init__(self) -> None:
        self._count = 0
        self._readers = 0
        self._at: dict[Hashable, int] = {}

    def note(self, key: Hashable) -> None:
        """Take the news that something changed."""
        self._count += 1
        if self._readers:
            self._at[key] = self._count

    @contextmanager
    def reading(self) -> Generator[Callable[[Hashable], bool]]:
        """Begin to read; what is yielded tells whether a key changed since then."""
        since = self._count
        self._readers += 1
        try:
            yield lambda key: self._at.get(key, 0) > since
        finally:
            self._readers -= 1
            if not self._readers:
                self._at.clear()


def _newest(known: Tenant, told: Tenant) -> Tenant:
    """Take what was told, but never an older placement: the gate may know of a move first."""
    if known.placement is None or told.placement is None:
        return told
    if told.placement.epoch < known.placement.epoch:
        return msgspec.structs.replace(told, placement=known.placement)
    return told

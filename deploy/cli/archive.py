"""``stepwell tenant export``, ``restore``, ``erase``, ``certificate`` and ``rehearse``."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from deploy import archiving
from deploy.archiving import WantedRestore
from deploy.cli.documents import OperationDocument, TenantDocument
from deploy.cli.reach import catalog_at, platform_at
from deploy.cli.shell import ACTOR, Failed, asynchronous, json_option, progress, say, state_option
from deploy.cli.show import show_fields, show_json, show_table
from deploy.operations import make_runner
from router.catalog import archives, tenants
from router.catalog.archives import Deletion
from router.catalog.moves import By
from router.catalog.operations import OperationState


@click.command("export")
@click.argument("reference", metavar="T")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="The archive; there mustn't be a file of that name.",
)
@click.option("--reason", default="an operator's export", help="Why, for the audit.")
@state_option
@json_option
@asynchronous
async def export_tenant(
    *, reference: str, out: Path, reason: str, state: Path, as_json: bool
) -> None:
    """Write a tenant's rows, as they are at one moment, into a file; the tenant works on."""
    async with platform_at(state) as platform:
        with progress(f"writing {out}"):
            by = By(actor=ACTOR, reason=reason)
            taken = await archiving.export(platform, reference, out, by)
    document = {
        "tenant": taken.head.tenant,
        "taken_at": taken.head.taken_at,
        "rows": taken.seal.rows,
        "file_bytes": taken.file_bytes,
        "sha256": taken.sha256,
        "tables": taken.seal.tables,
    }
    if as_json:
        show_json(document)
    else:
        say(f"{out}: {taken.seal.rows:,} rows in {taken.file_bytes:,} bytes")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--as", "slug", help="The new tenant's slug; else the one that the archive names.")
@click.option("--plan", help="What it pays for; the tier comes with it. Else as it was.")
@click.option("--owner", metavar="EMAIL", help="Who owns it; else the owners that it had.")
@click.option("--cluster", help="Where its rows shall live; else where there is most room.")
@click.option("--reason", default="an operator's restore", help="Why, for the audit.")
@state_option
@json_option
@asynchronous
async def restore_tenant(  # noqa: PLR0913 - one for each option
    *,
    file: Path,
    slug: str | None,
    plan: str | None,
    owner: str | None,
    cluster: str | None,
    reason: str,
    state: Path,
    as_json: bool,
) -> None:
    """Make a new tenant of an archive, in the tier of its plan.

    The file is read and checked before anything is made; what fails leaves nothing behind.
    """
    wanted = WantedRestore(file=file, slug=slug, plan=plan, owner=owner, cluster=cluster)
    async with platform_at(state) as platform:
        runner = make_runner(platform)
        with progress(f"reading {file}"):
            by = By(actor=ACTOR, reason=reason)
            begun = await archiving.begin_restore(platform, wanted, by)
        with progress(f"filling the place of {begun.tenant.slug}"):
            operation = await archiving.until_ended(runner, begun.operation.id)
        await runner.close()
        if operation.state is not OperationState.DONE:
            raise Failed(
                f"{begun.tenant.slug} isn't restored, and nothing of it is left: {operation.error}"
            )
        async with platform.catalog.connection() as connection:
            record = await tenants.get(connection, str(begun.tenant.id))
    document = {
        "tenant": TenantDocument.of(record),
        "operation": OperationDocument.of(operation),
        "invitation": begun.invitation,
    }
    if as_json:
        show_json(document)
        return
    say(f"{record.tenant.slug} is {record.tenant.status.value}, its rows are proved equal")
    if begun.invitation is not None:
        say(f"invitation for its owner, shown once: {begun.invitation.token}")


@click.command("erase")
@click.argument("reference", metavar="T")
@click.option("--confirm", "confirmed", required=True, metavar="SLUG", help="Its slug, once more.")
@click.option("--later", is_flag=True, help="After the wait that its own people have.")
@click.option("--reason", default="an operator's erase", help="Why, for audit and certificate.")
@state_option
@json_option
@asynchronous
async def erase_tenant(  # noqa: PLR0913 - one for each option
    *, reference: str, confirmed: str, later: bool, reason: str, state: Path, as_json: bool
) -> None:
    """Erase a tenant's rows everywhere, at once and for ever, and certify it.

    A worker settles a move that is open first. The slug stays taken. With --later a worker does all
    of it when STEPWELL_DELETION_WAIT_S are over, unless `tenant keep` takes it back.
    """
    async with platform_at(state) as platform:
        by = By(actor=ACTOR, reason=reason)
        wait = timedelta(seconds=platform.settings.deletion_wait_s if later else 0)
        begun = await archiving.begin_erasure(platform, reference, confirmed, by, after=wait)
        if later:
            _show_planned(begun, confirmed, as_json=as_json)
            return
        runner = make_runner(platform)
        with progress(f"erasing {confirmed}"):
            operation = await archiving.until_ended(runner, begun.id)
        await runner.close()
        if operation.state is not OperationState.DONE:
            raise Failed(f"{confirmed} isn't erased: {operation.error}")
    await _show_certificate(state, str(begun.tenant_id), as_json=as_json)


@click.command("keep")
@click.argument("reference", metavar="T")
@click.option("--reason", default="an operator keeps it", help="Why, for the audit.")
@state_option
@json_option
@asynchronous
async def keep_tenant(*, reference: str, reason: str, state: Path, as_json: bool) -> None:
    """Take back that a tenant is to be erased; until its day."""
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        record = await tenants.get(connection, reference)
        by = By(actor=ACTOR, reason=reason)
        await archives.take_back_deletion(connection, record.tenant, by)
    if as_json:
        show_json(TenantDocument.of(record))
    else:
        say(f"{record.tenant.slug} stays")


@click.command("archives")
@click.argument("reference", metavar="T")
@state_option
@json_option
@asynchronous
async def list_archives(*, reference: str, state: Path, as_json: bool) -> None:
    """List the archives of a tenant that are on their way or kept here, the newest first."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        found = (await tenants.get(connection, reference)).tenant
        page = await archives.list_exports(connection, found.id)
    if as_json:
        show_json(page.items)
        return
    rows = [
        (
            str(each.id),
            each.state.value,
            f"{each.requested_at:%Y-%m-%d %H:%M}",
            f"{each.rows_done:,}",
            f"{each.expires_at:%Y-%m-%d}" if each.has_file and each.expires_at else "no file",
        )
        for each in page.items
    ]
    empty = f"{found.slug} has no archives here"
    show_table(("id", "state", "asked for", "rows", "kept until"), rows, empty=empty)


@click.command("certificate")
@click.argument("reference", metavar="T")
@state_option
@json_option
@asynchronous
async def show_certificate(*, reference: str, state: Path, as_json: bool) -> None:
    """Show what is certified of a tenant that was erased."""
    await _show_certificate(state, reference, as_json=as_json)


@click.command("rehearse")
@click.argument("reference", metavar="T")
@click.option("--reason", default="an operator's rehearsal", help="Why, for the audit.")
@state_option
@json_option
@asynchronous
async def rehearse_tenant(*, reference: str, reason: str, state: Path, as_json: bool) -> None:
    """Archive a tenant, restore it beside itself, compare the two, and take the copy away."""
    async with platform_at(state) as platform:
        with progress(f"rehearsing {reference}"):
            by = By(actor=ACTOR, reason=reason)
            shown = await archiving.rehearse(platform, reference, by)
    if as_json:
        show_json(shown)
        return
    show_table(
        ("table", "rows", "archive", "restored"),
        [(each.table, each.rows, each.source_digest, each.target_digest) for each in shown.proof],
        empty="the product has no tables",
    )
    say(
        f"{shown.rows:,} rows: archived in {shown.export_s:.1f} s, restored, compared and taken "
        f"away in {shown.restore_s:.1f} s"
    )


def _show_planned(planned: Deletion, slug: str, *, as_json: bool) -> None:
    if as_json:
        show_json(planned)
        return
    say(f"{slug} is erased on {planned.due_at:%Y-%m-%d %H:%M} UTC; `stepwell tenant keep {slug}`")


async def _show_certificate(state: Path, reference: str, *, as_json: bool) -> None:
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        found = (await tenants.get(connection, reference)).tenant
        kept = await archives.get_certificate(connection, found)
    if as_json:
        show_json({"certificate": kept.certificate, "sha256": kept.sha256})
        return
    certificate = kept.certificate
    show_fields(
        {
            "tenant": f"{certificate.slug} ({certificate.tenant})",
            "erased": f"{certificate.erased_at:%Y-%m-%d %H:%M:%S} UTC",
            "asked by": f"{certificate.requested_by}: {certificate.reason}",
            "rows": f"{sum(each.rows for each in certificate.tables):,}",
            "places looked at": len(certificate.places),
            "sha256": kept.sha256,
        }
    )


ARCHIVE_COMMANDS = (
    export_tenant,
    restore_tenant,
    erase_tenant,
    keep_tenant,
    list_archives,
    show_certificate,
    rehearse_tenant,
)

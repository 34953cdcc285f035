"""The gateway's application: the platform's routes, the product's routes, one way in."""

from __future__ import annotations

import hashlib
import importlib
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.plugins.prometheus import PrometheusConfig, PrometheusController

from billing.desk import Desk
from billing.ops_routes import ops_router
from billing.routes import member_routers
from billing.usage.quota import counting
from billing.usage_routes import usage_routers
from billing.webhook import webhook_router
from deploy import health, pages, payments
from deploy.api_document import ApiDocument, complete
from deploy.api_page import api_page
from deploy.asking import ask_router
from deploy.counting import telling
from deploy.keeping import Keeping
from deploy.onboardings import Onboardings
from deploy.platform import Platform, running, site_url
from deploy.promoting import Promoting
from deploy.provisioning import Provisioning
from deploy.revisions import PlaceRevisions
from deploy.servers import Servers
from deploy.settings import Settings
from deploy.wave_calls import Migrating
from router.api import Parts, platform_routers
from router.api.onboarding import onboarding_router
from router.api.parts import SourceLimits
from router.catalog.move_news import MoveNews
from router.catalog.passwords import Passwords
from router.catalog.proofs import Proofs
from router.catalog.wave_watch import WaveWatch
from router.errors import Misconfigured
from router.gateway.entrance import Entrance
from router.gateway.gateway import Gateway
from router.gateway.identity import Site
from router.gateway.loads import Loads
from router.gateway.visit import lease_of, session_of
from router.outside import Outside
from router.sealing import derive_password
from web.inside import Inside
from web.problems import handlers_of
from web.rendering import make_templates

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from litestar.types import ASGIApp

    from deploy.tracing import Tracing

TITLE = "Stepwell"
VERSION = "1"
#: What the documentation is made from: settings that name nothing real.
_NOWHERE = Settings(
    database_url="postgresql://nobody:nothing@localhost:1/nowhere", secret_key="x" * 32
)


class Metrics(PrometheusController):
    """The process's own figures, for Prometheus."""

    path = "/metrics"
    # Nobody calls it but a scraper, in that one's own format.
    include_in_schema = False


def create_app(settings: Settings) -> ASGIApp:
    """Make the whole gateway; its parts are connected by the server's lifespan."""
    platform, inside = Platform(settings), Inside()
    gateway = Gateway(
        create_litestar(platform, inside),
        Site.parse(settings.base_domain),
        deadline_s=settings.request_deadline_s,
        proxies=settings.proxies,
    )
    inside.connect(gateway)
    return gateway


def create_litestar(platform: Platform, inside: Inside) -> Litestar:
    """Make the Litestar application inside of the gateway; pages ask its API by ``inside``."""
    provisioning, passwords = Provisioning(platform), Passwords()
    move_news = MoveNews(platform.catalog)
    desk = payments.make_desk(
        platform.catalog, payments.make_provider(platform.settings), platform.settings
    )
    parts = _parts(platform, provisioning, passwords, move_news, desk)
    onboardings = Onboardings(platform, desk, Promoting(platform), provisioning)
    tracing, loads = _tracing(platform.settings), Loads()
    web = pages.make_web(platform.settings, platform.loaded.product.name, inside)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None]:
        app.state.platform = platform
        told = telling(loads, platform.catalog, every_s=platform.settings.load_flush_s)
        async with running(platform), counting(platform.quota), told:
            try:
                yield
            finally:
                await web.client.aclose()
                await move_news.close()
                await desk.close()
                await provisioning.close()
                passwords.close()
                await parts.outside.close()
                if tracing is not None:
                    tracing.close()

    return Litestar(
        route_handlers=[
            _product_router(platform, loads),
            *platform_routers(parts),
            *member_routers(parts, desk),
            *usage_routers(parts),
            ops_router(parts, desk),
            onboarding_router(parts, onboardings),
            webhook_router(desk),
            ask_router(platform),
            health.healthz,
            health.readyz,
            Metrics,
            api_page,
            *pages.make_mailbox(platform.settings, parts),
            *pages.make_pages(platform.settings, web),
        ],
        template_config=make_templates(),
        lifespan=[lifespan],
        middleware=[
            PrometheusConfig(app_name="stepwell", prefix="stepwell", group_path=True).middleware
        ],
        plugins=[] if tracing is None else [tracing.plugin],
        exception_handlers=handlers_of(web.site_url),
        openapi_config=_openapi(),
        request_max_body_size=platform.settings.body_bytes_max,
        logging_config=None,
    )


def openapi_document() -> dict[str, Any]:
    """Return the served OpenAPI document, for the reference pages."""
    return complete(create_litestar(Platform(_NOWHERE), Inside()).openapi_schema.to_schema())


def _product_router(platform: Platform, loads: Loads) -> Router:
    return Router(
        path="/",
        route_handlers=list(platform.loaded.product.routes),
        middleware=[
            Entrance(
                platform.directory,
                platform.dispatch,
                platform.quota,
                catalog=platform.catalog,
                loads=loads,
            )
        ],
        dependencies={"lease": Provide(lease_of), "session": Provide(session_of)},
        security=[{"bearer": []}],
        tags=[platform.loaded.product.name],
    )


def _parts(
    platform: Platform,
    provisioning: Provisioning,
    passwords: Passwords,
    move_news: MoveNews,
    desk: Desk,
) -> Parts:
    settings = platform.settings
    secret_key = settings.secret_key.split(",")[0].strip().encode()
    ops_token = settings.ops_token
    return Parts(
        proofs=Proofs(derive_password(secret_key, "mailed codes").encode()),
        outside=Outside(allow_private=settings.sign_on_private == "allow"),
        archives=Keeping(platform),
        deletion_wait=timedelta(seconds=settings.deletion_wait_s),
        records=platform.records,
        domain_grace=timedelta(seconds=settings.domain_grace_s),
        site_host=Site.parse(settings.base_domain).host,
        source_limits=SourceLimits(
            tries_max=settings.source_tries_max, mails_max=settings.source_mails_max
        ),
        is_sign_up_by_mail=_is_sign_up_by_mail(settings),
        site_url=site_url(settings.base_domain),
        catalog=platform.catalog,
        directory=platform.directory,
        dispatch=platform.dispatch,
        sealer=platform.sealer,
        audit_keys=platform.audit_keys,
        passwords=passwords,
        provisioning=provisioning,
        promoting=Promoting(platform),
        move_news=move_news,
        migrating=Migrating(platform),
        wave_watch=WaveWatch(platform.catalog),
        revisions=PlaceRevisions(platform.fleet),
        servers=Servers(platform.fleet),
        billing=desk,
        ops_token_hash=hashlib.sha256(ops_token.encode()).digest() if ops_token else None,
        fingerprint_key=derive_password(secret_key, "fingerprints").encode(),
        upgrade_url=platform.upgrade_url,
        access_minutes_max=settings.access_minutes_max,
        body_bytes_max=settings.body_bytes_max,
        request_deadline_s=settings.request_deadline_s,
    )


def _is_sign_up_by_mail(settings: Settings) -> bool:
    is_left_open = settings.sign_up == "auto"
    return settings.smtp_url is not None if is_left_open else settings.sign_up == "by-mail"


def _tracing(settings: Settings) -> Tracing | None:
    if settings.otel_endpoint is None:
        return None
    try:
        # The packages are an extra, so the module that needs them is imported by its name.
        module = importlib.import_module("deploy.tracing")
    except ImportError as error:
        raise Misconfigured(
            "STEPWELL_OTEL_ENDPOINT is set and its packages are missing: install stepwell[otel]"
        ) from error
    tracing: Tracing = module.Tracing(settings.otel_endpoint, process="stepwell-gateway")
    return tracing


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title=TITLE,
        version=VERSION,
        # Not at the root, where Litestar would add a page, and a 404 of its own for every path.
        path="/openapi.json",
        render_plugins=[ApiDocument(path=["/", "/openapi.json"])],
        components=Components(
            security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer")}
        ),
        use_handler_docstrings=True,
    )

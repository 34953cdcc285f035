"""Customers and the countries they live in, which nobody but the platform's operators writes."""

from __future__ import annotations

from litestar import get, post
from msgspec import Struct
from sqlalchemy import ForeignKey, Identity, String, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from router.product import Product


class Base(DeclarativeBase):
    pass


class Continent(Base):
    __tablename__ = "continent"
    __table_args__ = ({"info": {"reference": True}},)
    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str]


class Country(Base):
    __tablename__ = "country"
    __table_args__ = ({"info": {"reference": True}},)
    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str]
    continent: Mapped[str] = mapped_column(ForeignKey("continent.code"))
    people: Mapped[int | None]


class Customer(Base):
    __tablename__ = "customer"
    customer_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str]
    country: Mapped[str] = mapped_column(ForeignKey("country.code"))


class NewCustomer(Struct):
    name: str
    country: str


@post("/customers")
async def add_customer(data: NewCustomer, session: AsyncSession) -> NewCustomer:
    session.add(Customer(name=data.name, country=data.country))
    await session.flush()
    return data


@get("/countries")
async def countries(session: AsyncSession) -> dict[str, str]:
    found = await session.scalars(select(Country).order_by(Country.code))
    return {country.code: country.name for country in found}


product = Product(
    name="atlas",
    metadata=Base.metadata,
    routes=[add_customer, countries],
    revisions="atlas/revisions",
)

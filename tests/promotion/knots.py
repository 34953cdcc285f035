"""A product of what is hard to follow: every action of a foreign key, loops, values that swap."""

from __future__ import annotations

import enum

from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Double,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOMAIN, INET, INT4RANGE, JSONB
from sqlalchemy.types import TypeEngine

metadata = MetaData()


class Mood(enum.Enum):
    GOOD = "good"
    ODD = 'it\'s "odd"'


def _tone() -> TypeEngine[str]:
    return DOMAIN("tone", Text(), check=text("VALUE <> ''"))


label = Table(
    "label",
    metadata,
    Column("code", Text, primary_key=True),
    Column("rank", Integer),
    UniqueConstraint("rank", deferrable=True, initially="DEFERRED"),
)
node = Table(
    "node",
    metadata,
    Column("node_id", Integer, Identity(), primary_key=True),
    Column("parent_id", Integer, ForeignKey("node.node_id", ondelete="CASCADE")),
    Column("name", Text, nullable=False, unique=True),
)
team = Table(
    "team",
    metadata,
    Column("team_id", SmallInteger, Identity(), primary_key=True),
    Column("name", Text, unique=True),
    Column("leader_id", Integer),
    Column("loud", Text, Computed("upper(name)", persisted=True)),
    ForeignKeyConstraint(
        ["leader_id"], ["member.member_id"], name="team_has_leader", use_alter=True
    ),
)
member = Table(
    "member",
    metadata,
    Column("member_id", Integer, Identity(), primary_key=True),
    Column("team_id", SmallInteger, ForeignKey("team.team_id", ondelete="SET NULL")),
    Column("code", Text, ForeignKey("label.code", ondelete="RESTRICT", onupdate="CASCADE")),
    Column("email", Text, nullable=False),
    Column("is_captain", Integer, nullable=False, server_default="0"),
    Index("one_email", text("lower(email)"), unique=True),
    Index("one_captain", "team_id", unique=True, postgresql_where=text("is_captain = 1")),
    CheckConstraint("is_captain IN (0, 1)", name="captain_or_not"),
)
task = Table(
    "task",
    metadata,
    Column("list", String(10), primary_key=True),
    Column("place", Numeric, primary_key=True),
    Column("member_id", Integer, ForeignKey("member.member_id", ondelete="CASCADE")),
    Column("code", Text, server_default="none"),
    Column("title", Text),
    UniqueConstraint("title"),
    ForeignKeyConstraint(["code"], ["label.code"], ondelete="SET DEFAULT", onupdate="CASCADE"),
)
remark = Table(
    "remark",
    metadata,
    Column("remark_id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    Column("list", String(10)),
    Column("place", Numeric),
    Column("body", Text),
    ForeignKeyConstraint(
        ["list", "place"], ["task.list", "task.place"], ondelete="CASCADE", onupdate="CASCADE"
    ),
)
tagging = Table(
    "tagging",
    metadata,
    Column(
        "member_id", Integer, ForeignKey("member.member_id", ondelete="CASCADE"), primary_key=True
    ),
    Column(
        "code",
        Text,
        ForeignKey("label.code", ondelete="CASCADE", onupdate="CASCADE"),
        primary_key=True,
    ),
)
left = Table(
    "left_hand",
    metadata,
    Column("left_id", Integer, primary_key=True, autoincrement=False),
    Column("right_id", Integer),
    ForeignKeyConstraint(
        ["right_id"], ["right_hand.right_id"], "left_needs_right", ondelete="RESTRICT",
        use_alter=True,
    ),
)  # fmt: skip
right = Table(
    "right_hand",
    metadata,
    Column("right_id", Integer, primary_key=True, autoincrement=False),
    Column("left_id", Integer, ForeignKey("left_hand.left_id", ondelete="RESTRICT")),
)
thing = Table(
    "thing",
    metadata,
    Column("at", DateTime(timezone=True), primary_key=True),
    Column("kind", Enum(Mood, name="mood"), primary_key=True),
    Column("amount", Numeric),
    Column("share", Numeric(20, 6)),
    Column("ratio", Double),
    Column("moment", DateTime),
    Column("spent", Interval),
    Column("blob", LargeBinary),
    Column("words", ARRAY(Text)),
    Column("document", JSONB),
    Column("host", INET),
    Column("hours", INT4RANGE),
    Column("tone", _tone()),
    Column("padded", String(5)),
    Column("size", Integer, Computed("length(blob)", persisted=True)),
)

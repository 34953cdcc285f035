"""The pages of sales: an enterprise from the first draft until it is live."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler

from web.sales import begin, stages

PAGES: Sequence[ControllerRouterHandler] = (
    begin.show_list,
    begin.new_page,
    begin.create,
    stages.to_stage,
    stages.watch,
    stages.download,
    stages.show_stage,
    stages.save,
    stages.act,
)

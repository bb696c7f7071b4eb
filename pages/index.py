"""The index as HTML: every month's verdict first, in the reports' own style."""

from functools import cache
from itertools import groupby

from jinja2 import ChoiceLoader, Environment, PackageLoader

from pages.contents import Contents
from tally.page_addresses import DBT_DOCS
from tally.reports.page import environment


def render_index(contents: Contents) -> str:
    """The page; it loads nothing from anywhere."""
    months = [
        (month, list(reports))
        for month, reports in groupby(contents.reports, key=lambda each: f"{each.head.starting_from:%B %Y}")
    ]
    template = _templates().get_template("index.html.j2")
    return template.render(contents=contents, months=months, dbt_docs=DBT_DOCS)


def render_not_found() -> str:
    """The answer to a link whose page is not there, or not yet."""
    return _templates().get_template("not_found.html.j2").render(dbt_docs=DBT_DOCS)


@cache
def _templates() -> Environment:
    """The reports' environment, with this package's templates before them."""
    theirs = environment()
    assert theirs.loader is not None
    return theirs.overlay(loader=ChoiceLoader([PackageLoader("pages"), theirs.loader]))

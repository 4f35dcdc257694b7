"""`onefold setup`: everything that must be there before the first event. Safe to repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from onefold.cli.output import print_json, run, say

if TYPE_CHECKING:
    from onefold.installation.setup import Report


def setup(
    workspace: Annotated[str, typer.Option(help="Slug of the workspace to make: lower-case letters, digits, - and _.")] = "acme",
    title: Annotated[str | None, typer.Option(help="Its title; the slug where unset.", show_default=False)] = None,
    admin: Annotated[str, typer.Option(help="E-mail of its Super Admin, where it has none.")] = "admin@example.com",
    *,
    json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Migrate the database, make the topics, a workspace, its Super Admin and its first keys. Safe to repeat.

    Keys and the password are shown once. A workspace that has keys gets no new ones: `onefold keys create` makes more.
    """
    report = run(_prepare(workspace, title or workspace, admin))
    if json:
        print_json(report)
    else:
        _tell(report)


async def _prepare(workspace: str, title: str, admin: str) -> Report:
    from onefold import bootstrap  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.installation import setup as steps  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    settings = Settings.load()
    role = bootstrap.begin("setup", settings)
    migrations = await steps.migrate_database(settings)
    topics = await steps.make_topics(settings, role.kafka)
    async with bootstrap.store(role) as store:
        created, keys = await steps.make_workspace(store, workspace, title)
        made = await steps.make_admin(store, workspace, admin)
    return steps.Report(migrations, topics, workspace, created, keys, made)


def _tell(report: Report) -> None:
    say(f"database: {'migrated by ' + ', '.join(report.migrations) if report.migrations else 'up to date'}")
    say(f"topics: {', '.join(report.topics_created) + ' created' if report.topics_created else 'all there'}")
    say(f"workspace {report.workspace}: {'created' if report.workspace_created else 'exists'}")
    for key in report.keys:
        say(f"{key.kind} key, shown this once: {key.text}")
    if report.admin is not None:
        say(f"Super Admin {report.admin.email}, password shown this once, to be changed at first sign-in: {report.admin.password}")
    roles = "collector, resolver, relay, segments-worker, timeline, jobs-worker, webhooks-worker, outreach-worker, user-api, contact-api"
    say(f"\nnext: onefold doctor, then start the roles: onefold {roles}")

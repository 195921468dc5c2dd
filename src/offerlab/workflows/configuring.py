"""The project's rules for offers: one transaction each, in the audit log, and served by when it returns."""

from collections.abc import Callable, Mapping

from msgspec import ValidationError, convert, to_builtins
from msgspec.structs import fields

from offerlab.domain.project import ProjectSettings, check_settings
from offerlab.errors import InvalidDefinition
from offerlab.messaging.advert import check_advertiser
from offerlab.storage import projects
from offerlab.workflows.desk import Desk
from offerlab.workflows.snapshot import settings_of


def put_settings(desk: Desk, changes: Mapping[str, object]) -> ProjectSettings:
    """Change some of the project's settings; of a setting with parts, the parts that are named.

    Raises:
        InvalidDefinition: an unknown setting, one that has a verb of its own, or a value that means nothing.
    """
    names = {field.encode_name for field in fields(ProjectSettings)} - {"currency", "attributes"}
    for name in changes:
        if name not in names:
            raise InvalidDefinition(f"no setting is called {name!r}", field=f"settings.{name}")

    def changed(known: ProjectSettings) -> ProjectSettings:
        plain: dict[str, object] = to_builtins(known)
        merged = {**plain, **{name: _over(plain.get(name), value) for name, value in changes.items()}}
        try:
            return convert(merged, ProjectSettings)
        except ValidationError as error:
            raise InvalidDefinition(str(error), field="settings") from error

    return change_settings(desk, changed)


def _over(known: object, sent: object) -> object:
    if isinstance(known, dict) and isinstance(sent, dict):
        return {**known, **{name: _over(known.get(name), value) for name, value in sent.items()}}
    return sent


def change_settings(desk: Desk, changed: Callable[[ProjectSettings], ProjectSettings]) -> ProjectSettings:
    """Replace the project's rules for offers.

    Args:
        desk: who acts where.
        changed: from the settings as they stand to those wanted; may refuse.

    Raises:
        InvalidDefinition: names the field that means nothing.
    """
    with desk.change() as connection:
        project = projects.load(connection, desk.project_id)
        known = settings_of(project)
        fresh = changed(known)
        check_settings(fresh)
        if fresh.advertiser is not None:
            check_advertiser(fresh.advertiser)
        if fresh != known:
            stored: dict[str, object] = {**to_builtins(fresh)}
            stored.pop("currency")
            projects.save_settings(connection, desk.project_id, stored)
            desk.log(connection, "change", "settings", before=known, after=fresh)
    return fresh

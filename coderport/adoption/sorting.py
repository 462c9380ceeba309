"""Which of our blueprints' entities are taken over, which go, and which are left: entity by entity, values only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from coderport.adoption.values import Family, Left, OldName, Seen, T, W
from coderport.catalog.meaning import instant
from coderport.catalog.values import Ref, is_id
from coderport.guard.ownership import DEPLOYMENT, MANAGED_BY, Mark, Owner, Whose
from coderport.port.models import PortEntity


class Sorted:
    """Our two blueprints' entities, each put where it belongs."""

    def __init__(self, entities: Mapping[str, Mapping[str, PortEntity]], seen: Seen, owner: Owner) -> None:
        self._entities, self._seen, self._owner = entities, seen, owner
        self._old: dict[str, list[tuple[OldName, PortEntity]]] = {}
        self.gone: list[PortEntity] = []
        self.left: list[Left] = []
        self.taken_over: list[PortEntity] = []
        self.foreign: list[PortEntity] = []
        self.held: dict[str, int] = {}

    def sort(self) -> None:
        """Goes through all of them once, in the order of their identifiers."""
        for blueprint in (T, W):
            for _, entity in sorted(self._entities.get(blueprint, {}).items()):
                name = OldName.read(entity.identifier) if blueprint == T else None
                if name is not None:
                    self._sort_old(name, entity)
                else:
                    self._sort_plain(entity)

    def _sort_old(self, name: OldName, entity: PortEntity) -> None:
        template = self._seen.templates.get(name.template)
        wanted = name.template in self._seen.desired.get(T, frozenset())
        if Mark.read(entity.properties.get(MANAGED_BY)) is not None:
            if wanted and self._owner.whose(entity) is not Whose.COPY:
                self.foreign.append(entity)
            else:
                self._leave(entity, "it has a mark: a copy that somebody made, or another stack's")
        elif template is None:
            self._settle_unseen(name.template, entity)
        elif not wanted:
            self._leave_out(name.template, entity)
        elif template.organization_id != name.organization:
            self._leave(entity, "the organization in its identifier is not that of the template")
        elif self._elsewhere(entity):
            self._leave(entity, "it is of another Coder deployment")
        else:
            self._old.setdefault(name.template, []).append((name, entity))
            self._count(T)

    def _sort_plain(self, entity: PortEntity) -> None:
        whose = self._owner.whose(entity)
        if entity.identifier in self._seen.desired.get(entity.blueprint, frozenset()):
            if whose in (Whose.OURS, Whose.OURS_BY_NAME):
                self._count(entity.blueprint)
            elif whose is Whose.NOBODYS:
                self._count(entity.blueprint)
                self.taken_over.append(entity)
            else:
                self.foreign.append(entity)
        elif whose is not Whose.NOBODYS:
            return  # this stack's own are judged by every run, and those of others are theirs
        elif not is_id(entity.identifier):
            self._leave(entity, "its identifier is no id of Coder's")
        elif Ref(entity.blueprint, entity.identifier) in self._seen.left_out:
            self._leave_out(entity.identifier, entity)
        else:
            self._settle_unseen(entity.identifier, entity)

    def _settle_unseen(self, identifier: str, entity: PortEntity) -> None:
        if Ref(entity.blueprint, identifier) not in self._seen.gone:
            self._leave(entity, "Coder does not show it, and does not say either that it was deleted")
        elif self._elsewhere(entity):
            self._leave(entity, "it is of another Coder deployment")
        else:
            self.gone.append(entity)
            self._count(entity.blueprint)

    def _leave_out(self, identifier: str, entity: PortEntity) -> None:
        reason = self._seen.left_out.get(Ref(entity.blueprint, identifier))
        self._leave(
            entity, f"alive in Coder, {reason.value}" if reason else "Coder shows it, this stack does not want it"
        )

    def _leave(self, entity: PortEntity, why: str) -> None:
        self.left.append(Left(entity, why))

    def _count(self, blueprint: str) -> None:
        self.held[blueprint] = self.held.get(blueprint, 0) + 1

    def _elsewhere(self, entity: PortEntity) -> bool:
        its = entity.properties.get(DEPLOYMENT)
        return bool(its and self._owner.deployment) and str(its) != self._owner.deployment

    def families(self) -> Iterator[Family]:
        """One for each template that has entities of the old form, in the order of the ids."""
        plain = self._entities.get(T, {})
        for template_id, members in sorted(self._old.items()):
            template = self._seen.templates[template_id]
            newest_first = sorted(members, key=lambda each: _age(each[1]), reverse=True)
            active = [entity for name, entity in newest_first if name.version == template.active_version_id]
            if template_id in plain:
                keeper, why = plain[template_id], "it has the template's id already"
            elif active:
                keeper, why = active[0], "of the active version"
            else:
                keeper, why = newest_first[0][1], "the newest"
            siblings = tuple(entity for _, entity in newest_first if entity is not keeper)
            yield Family(template_id, keeper, siblings, why)


def _age(entity: PortEntity) -> tuple[float, str]:
    moment = instant(entity.updated_at)
    return (moment.timestamp() if moment else 0.0, entity.identifier)

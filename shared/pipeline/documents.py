"""What a decision may rest on, and what a unit of work has loaded and changed since.

A `needs` function yields needs: `Lock` (a name on which concurrent ones collide), `Doc` (one document)
and `Docs` (all documents whose field has a value). It yields `LOAD` before it looks at the state: what was
named so far is locked and loaded, for the whole batch at once, before its next line runs. Whoever changes a
document, or who belongs to a set, yields a lock that covers it; so what was loaded under the lock is what
stands at commit.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast, get_args

import msgspec


class Document(Protocol):
    @property
    def id(self) -> str: ...


D = TypeVar("D", bound=Document)
D_co = TypeVar("D_co", bound=Document, covariant=True)


class Collection(Generic[D_co]):
    """A collection of documents of one type; an index is a tuple of its attributes, those of its parts after a dot."""

    def __init__(
        self,
        name: str,
        document: type[D_co],
        indexes: tuple[tuple[str, ...], ...] = (),
        unique: tuple[tuple[str, ...], ...] = (),
        weight: int = 1,
    ) -> None:
        """`weight`: as how many usual documents one counts where a batch is held to what fits into memory."""
        self.name, self.document, self.weight = name, document, weight
        self._stored: dict[str, str] = {}
        self.indexes = tuple(tuple(map(self.stored, index)) for index in indexes)
        self.unique = tuple(tuple(map(self.stored, index)) for index in unique)

    def stored(self, attribute: str) -> str:
        """Its name in the database, which a renamed attribute keeps (`msgspec.field(name=)`). ValueError: there is no
        such attribute."""
        name = self._stored.get(attribute)
        if name is None:
            name = self._stored[attribute] = ".".join(_stored_names(self.document, attribute))
        return name

    def __repr__(self) -> str:
        return f"Collection({self.name!r})"


def _stored_names(kind: Any, attribute: str) -> Iterator[str]:
    for part in attribute.split("."):
        field = next((declared for declared in msgspec.structs.fields(kind) if declared.name == part), None)
        if field is None:
            raise ValueError(f"{kind.__name__} has no attribute {part}: name one that it has")
        yield field.encode_name
        kind = _struct_in(field.type)


def _struct_in(kind: Any) -> Any:
    """Of `Part | None` or `list[Part]`, the part."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    return next((found for arg in get_args(kind) if (found := _struct_in(arg)) is not None), None)


class Lock(NamedTuple):
    name: str


class Doc(NamedTuple):
    collection: Collection[Document]
    id: str


class Docs(NamedTuple):
    collection: Collection[Document]
    field: str
    value: str
    limit: int = 0
    """At most so many, lowest ids first; 0: all."""


Need = Lock | Doc | Docs


def weight_of(need: Need) -> int:
    """Of what is known before it is loaded: how many documents a set has, nobody knows."""
    return need.collection.weight if isinstance(need, Doc) else 1


class Load(NamedTuple):
    """See LOAD."""


LOAD = Load()
Needs = Iterator[Need | Load]
Key = tuple[Collection[Document], str]


class NotLoaded(LookupError):
    """A document was looked at that no `needs` function asked for."""


By = str | Callable[[Any], Hashable]
"""By what the documents of a set are told apart: a field, or a function, equal to the one of the call before."""


def _told(by: By, document: Document) -> Hashable:
    return cast("Hashable", getattr(document, by)) if isinstance(by, str) else by(document)


class _Members:
    """The documents of a set, by id; put into order when somebody asks, since most of them are in order already."""

    __slots__ = ("_by_id", "_groups", "_sorted")

    def __init__(self, by_id: dict[str, Document]) -> None:
        self._by_id, self._sorted = by_id, False
        # By -> value -> id -> document; only what was asked for.
        self._groups: dict[By, dict[object, dict[str, Document]]] = {}

    def put(self, document: Document) -> None:
        if (known := self._by_id.get(document.id)) is document:
            return
        if known is None:
            self._sorted = False
        elif self._groups:
            self.drop(document.id)
            self._sorted = False
        self._by_id[document.id] = document
        for by, groups in self._groups.items():
            groups.setdefault(_told(by, document), {})[document.id] = document

    def drop(self, id: str) -> None:
        document = self._by_id.pop(id, None)
        if document is None:
            return
        for by, groups in self._groups.items():
            value = _told(by, document)
            group = groups[value]
            del group[id]
            if not group:
                del groups[value]

    def all(self) -> list[Document]:
        if not self._sorted:
            self._by_id = _in_order(self._by_id)
            self._sorted = True
        return list(self._by_id.values())

    def grouped(self, by: By) -> dict[object, dict[str, Document]]:
        """Made once, then kept by `put` and `drop`."""
        groups = self._groups.get(by)
        if groups is None:
            groups = self._groups[by] = {}
            for document in self._by_id.values():
                groups.setdefault(_told(by, document), {})[document.id] = document
        return groups

    def among(self, field: str, values: Iterable[object]) -> list[Document]:
        groups = self.grouped(field)
        found = {id: one for value in values for id, one in groups.get(value, {}).items()}
        return list(_in_order(found).values())

    def __len__(self) -> int:
        return len(self._by_id)


def _in_order(documents: dict[str, Document]) -> dict[str, Document]:
    return {id: documents[id] for id in sorted(documents)} if len(documents) > 1 else documents


def _move(
    fields: dict[str, dict[str, _Members]],
    id: str,
    before: Document | None,
    after: Document | None,
    *,
    all_values: bool,
) -> None:
    """From the sets that a document was in to those that it is in now: those that are there, or any."""
    for field, values in fields.items():
        value: Any = None if after is None else getattr(after, field)
        if before is not None:
            old = getattr(before, field)
            if old != value and (left := values.get(old)) is not None:
                left.drop(id)
        if after is not None:
            entered = values.get(value)
            if entered is None and all_values:
                entered = values[value] = _Members({})
            if entered is not None:
                entered.put(after)


def _set_key(collection: Collection[Document], field: str, value: object) -> Key:
    """Stands for who belongs to a set, where it is noted what was looked at and what changed."""
    return collection, f"{field}={value}"


Sets = dict[Collection[Document], dict[str, dict[str, _Members]]]
"""Collection -> field -> value -> documents."""


class State:
    """The working state of one unit of work: later records of the batch see what earlier ones changed."""

    def __init__(self) -> None:
        self.met: set[Need] = set()
        self.changed: dict[Key, Document | None] = {}
        self.changed_at: dict[Key, int] = {}
        self.changes = 0
        """Counts them: tells whether a document changed since somebody looked."""
        self.looked_at: list[Key] | None = None
        """Where it is set, takes note of each document that was looked at."""
        self._documents: dict[Key, Document | None] = {}
        self._stored: set[Key] = set()
        # Only values that were asked for.
        self._sets: Sets = {}
        # The same of what was changed since, for all values: a set may be asked for after a change put one into it.
        self._changed_into: Sets = {}

    def get(self, collection: Collection[D], id: str) -> D | None:
        """The document, or None when there is none; raises NotLoaded when nobody asked for it."""
        if self.looked_at is not None:
            self.looked_at.append((collection, id))
        try:
            return cast("D | None", self._documents[collection, id])
        except KeyError:
            raise NotLoaded(f"{collection.name}/{id}") from None

    def all(self, collection: Collection[D], field: str, value: str) -> list[D]:
        """The documents of a set in order of id; raises NotLoaded when nobody asked for it."""
        if self.looked_at is not None:
            self.looked_at.append(_set_key(collection, field, value))
        return cast("list[D]", self._members(collection, field, value).all())

    def among(
        self, collection: Collection[D], field: str, value: str, narrower: str, values: Iterable[object]
    ) -> list[D]:
        """Of a set, those whose field `narrower` has one of `values`: without a look at the others."""
        return cast("list[D]", self._members(collection, field, value).among(narrower, values))

    def told_apart(
        self, collection: Collection[D], field: str, value: str, by: Callable[[D], Hashable]
    ) -> list[Any]:
        """What `by` says of the documents of a set, each answer once: all are looked at once, then those that change."""
        if self.looked_at is not None:
            self.looked_at.append(_set_key(collection, field, value))
        return list(self._members(collection, field, value).grouped(by))

    def count(self, collection: Collection[Document], field: str, value: str) -> int:
        """How many documents `all` has."""
        return len(self._members(collection, field, value))

    def _members(self, collection: Collection[Document], field: str, value: str) -> _Members:
        try:
            return self._sets[collection][field][value]
        except KeyError:
            raise NotLoaded(f"{collection.name}[{field}]") from None

    def stored(self, collection: Collection[Document], id: str) -> bool:
        """Whether the document stood in the database when it was loaded."""
        return (collection, id) in self._stored

    def loaded(
        self, needs: Iterable[Need], documents: Iterable[tuple[Collection[Document], Document]]
    ) -> None:
        """Takes what a load found; a document changed by this unit of work keeps its change."""
        for need in needs:
            self.met.add(need)
            if isinstance(need, Doc):
                self._documents.setdefault((need.collection, need.id), None)
            elif isinstance(need, Docs):
                changed = self._index_of_changed(need.collection, need.field).get(need.value)
                sets = self._sets.setdefault(need.collection, {}).setdefault(need.field, {})
                sets[need.value] = _Members(
                    {} if changed is None else {document.id: document for document in changed.all()}
                )
        for collection, document in documents:
            key = (collection, document.id)
            self._stored.add(key)
            if key in self.changed:
                continue
            if (known := self._documents.get(key)) is None:
                known = self._documents[key] = document
            # Of a transaction it is the same each time: the sets that have it already have nothing to do.
            self._join(collection, known)

    def apply(self, collection: Collection[Document], id: str, document: Document | None) -> None:
        """Puts a document (or takes it away, when None) after its handler returned."""
        key = (collection, id)
        before = self._documents.get(key)
        for sets, all_values in ((self._sets, False), (self._changed_into, True)):
            if (of := sets.get(collection)) is not None:
                _move(of, id, before, document, all_values=all_values)
        self._documents[key] = self.changed[key] = document
        self.changes += 1
        self.changed_at[key] = self.changes
        for field in self._sets.get(collection, ()):
            old = None if before is None else getattr(before, field)
            new = None if document is None else getattr(document, field)
            if old != new:  # it left one set and entered another
                for value in (old, new):
                    self.changed_at[_set_key(collection, field, value)] = self.changes

    def _index_of_changed(self, collection: Collection[Document], field: str) -> dict[str, _Members]:
        """Made once for a field, then kept by `apply`."""
        indexes = self._changed_into.setdefault(collection, {})
        index = indexes.get(field)
        if index is None:
            index = indexes[field] = {}
            for (of, _), document in self.changed.items():
                if of is collection and document is not None:
                    index.setdefault(getattr(document, field), _Members({})).put(document)
        return index

    def _join(self, collection: Collection[Document], document: Document) -> None:
        for field, values in self._sets.get(collection, {}).items():
            if (members := values.get(getattr(document, field))) is not None:
                members.put(document)

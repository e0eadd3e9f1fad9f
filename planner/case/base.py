"""What every input model shares: strict frozen models, and pydantic's errors as faults with lines."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from planner.case.marks import Document, Path_, dotted, show
from planner.errors import Fault
from planner.units import stem_of, unit_of

Finite = Annotated[float, Field(allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]

Weeks = Annotated[float, Field(ge=0, le=1040, allow_inf_nan=False)]
EARLIEST, LATEST = date(1990, 1, 1), date(2150, 1, 1)

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Base of every input model: frozen, unknown keys refused, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class Rule(ValueError):  # noqa: N818
    """Raised in a validator: the rule broken and the remedy, for the field being validated.

    at: the field at fault, below the model; reads: the fields the rule looks at, all of them when empty.
    """

    def __init__(self, rule: str, remedy: str, at: Path_ = (), reads: Sequence[str] = ()) -> None:
        super().__init__(rule)
        self.rule, self.remedy, self.at, self.reads = rule, remedy, at, tuple(reads)


class Rules(ValueError):  # noqa: N818
    """Several broken rules of one model at once."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        super().__init__("; ".join(rule.rule for rule in rules))
        self.rules = tuple(rules)


def require(rules: Sequence[Rule]) -> None:
    """Raise Rules when there are any."""
    if rules:
        raise Rules(rules)


def _in_this_age(value: date) -> date:
    if not EARLIEST <= value < LATEST:
        raise Rule(f"must lie between {EARLIEST} and {LATEST}", "correct the year")
    return value


Day = Annotated[date, AfterValidator(_in_this_age)]


class Series(Strict):
    """A column of a CSV file, one row an hour of a 365-day year."""

    file: str
    column: str


@dataclass(frozen=True)
class Problem:
    """A fault, where it stands in the data, and what else could have caused it."""

    fault: Fault
    loc: Path_  # in the data as validated
    missing: bool = False
    reads: tuple[Path_, ...] = ()  # of a rule: what it looked at
    unknown: bool = False  # an unknown key
    meant: str | None = None  # the known key it stands for


def validate(model: type[Model], document: Document, path: Path_, data: Any) -> tuple[Model | None, list[Fault]]:
    """Build a model from plain values; every fault found, none raised."""
    built, problems = examine(model, document, path, data)
    return built, [problem.fault for problem in problems]


def examine(
    model: type[Model],
    document: Document,
    path: Path_,
    data: Any,
    written: Callable[[Path_], Path_] = lambda loc: loc,
) -> tuple[Model | None, list[Problem]]:
    """Like validate, with the place of each fault; `written` turns a place in `data` into the file's."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        problems = [p for details in error.errors() for p in _problems(model, document, path, details, written)]
        return None, problems


def nearest(name: str, known: Any) -> str | None:
    """The known name closest to a misspelt one, or the shortest that contains it."""
    names = {str(k).lower(): str(k) for k in known}
    lower = name.lower().replace("-", "_").replace(" ", "_")[:200]
    matches = difflib.get_close_matches(lower, names, n=1, cutoff=0.6)
    if matches:
        return names[matches[0]]
    holding = sorted((k for k in names if len(lower) >= 4 and lower in k), key=lambda k: (len(k), k))
    return names[holding[0]] if holding else None


def suggest(name: str, known: Any, otherwise: str) -> str:
    """Remedy for an unknown name."""
    close = nearest(name, known)
    return f"did you mean {close}?" if close else otherwise


def unknown_key_remedy(key: str, known: Any) -> str:
    """What to do about an unknown key: the same quantity in another unit, the nearest name, or the list."""
    meant = _meant(key, known)
    if meant and unit_of(meant) and unit_of(key) not in ("", unit_of(meant)) and stem_of(meant) == stem_of(key):
        return f"the unit of this field is {unit_of(meant)}: convert and write {meant}"
    return f"did you mean {meant}?" if meant else "known here: " + ", ".join(sorted(known))


def _meant(key: str, known: Any) -> str | None:
    same = (k for k in known if unit_of(k) and unit_of(key) and stem_of(k) == stem_of(key))
    return next(same, None) or nearest(key, known)


def _problems(
    model: type[BaseModel],
    document: Document,
    path: Path_,
    details: Any,
    written: Callable[[Path_], Path_],
) -> list[Problem]:
    loc = (*path, *(part for part in details["loc"] if part not in ("[key]",)))
    kind, value = details["type"], details["input"]
    cause = (details.get("ctx") or {}).get("error")
    if isinstance(cause, Rule | Rules):
        problems = []
        for rule in cause.rules if isinstance(cause, Rules) else (cause,):
            at, shown = (*loc, *rule.at), _short(_at(value, rule.at) if rule.at else value)
            place = document.place(written(at))
            fault = Fault(*place, dotted(written(at)), shown, rule.rule, rule.remedy)
            reads = tuple((*loc, name) for name in rule.reads) or (loc,)
            problems.append(Problem(fault, at, reads=reads))
        return problems
    name = str(loc[-1]) if loc else ""
    rule_text, remedy = _explain(model, loc[len(path) :], kind, name, value, details)
    shown = "nothing" if kind == "missing" else _short(value)
    fault = Fault(*document.place(written(loc)), dotted(written(loc)), shown, rule_text, remedy)
    meant = None
    if kind == "extra_forbidden":
        meant = _meant(name, _known_fields(model, loc[len(path) : -1]))
    return [Problem(fault, loc, missing=kind == "missing", unknown=kind == "extra_forbidden", meant=meant)]


def _known_fields(model: type[BaseModel], loc: Path_) -> list[str]:
    owner = _model_at(model, loc)
    return [f.alias or n for n, f in owner.model_fields.items()] if owner else []


def _explain(model: type[BaseModel], loc: Path_, kind: str, name: str, value: Any, details: Any) -> tuple[str, str]:
    """(rule, remedy) of one of pydantic's errors."""
    ctx = details.get("ctx") or {}
    unit = unit_of(name)
    if kind == "extra_forbidden":
        return "unknown key", unknown_key_remedy(name, _known_fields(model, loc[:-1]))
    if kind == "missing":
        return "is required", f"write {name}" + (f" in {unit}" if unit and unit != "fraction" else "")
    if kind in ("float_type", "int_type", "float_parsing", "int_parsing", "int_from_float"):
        number = "a whole number" if kind.startswith("int") else "a number"
        more = f" of {unit}" if unit and unit not in ("fraction",) else ""
        return f"must be {number}{more}", _number_remedy(value, number)
    if kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
        words = {"greater_than_equal": "at least", "greater_than": "more than"}
        words |= {"less_than_equal": "at most", "less_than": "less than"}
        rule = f"must be {words[kind]} {next(iter(ctx.values())):.12g}"
        if kind.startswith("less") and ("fraction" in name or name.endswith("_rate")):
            return rule, "fractions run 0-1" + (f"; write {value / 100:g}" if 1 < value <= 100 else "")
        return rule, f"correct the value{f' ({unit})' if unit else ''}"
    if kind in ("literal_error", "enum"):
        options = str(ctx.get("expected", ""))
        names = options.replace("'", "").replace(" or ", ", ").split(", ")
        return f"must be one of {options}", suggest(str(value), names, "choose one of these")
    if kind in ("too_short", "string_too_short"):
        return "must not be empty", "write at least one, or remove the field"
    return _KINDS.get(kind, (details["msg"], "correct the value"))


_DATE = ("must be a date", "write it as YYYY-MM-DD without quotes")
_MAPPING = ("must be a mapping of fields", "write key: value lines below it")
_LIST = ("must be a list", "write it as [a, b] or as lines that start with -")
_KINDS = {
    "finite_number": ("must be a finite number", "write a number, or leave the field out for no limit"),
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "model_type": _MAPPING,
    "dict_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "string_type": ("must be text", "write a name; quote it if it looks like a number, a date or true"),
    "bool_type": ("must be true or false", "write true or false"),
    "string_pattern_mismatch": ("must be lower-case letters, digits and underscores", "write it like item_1"),
}
_NUMBER_AND_MORE = re.compile(r"\s*([-+]?[0-9][0-9_,]*\.?[0-9]*(?:[eE][-+]?[0-9]+)?)\s*(\S.*)?\Z")


def _number_remedy(value: Any, number: str) -> str:
    """How to write a number that stands as text: without quotes, unit or digit separators."""
    match = _NUMBER_AND_MORE.match(value) if isinstance(value, str) and len(value) < 60 else None
    if isinstance(value, str):
        plain = match[1].replace("_", "").replace(",", "") if match and match[1] != "0" else ""
        example = f": {plain}" if plain else ""
        return f"write the number alone, without unit, separators or quotes{example}"
    return f"write {number}"


def _model_at(model: type[BaseModel] | None, loc: Path_) -> type[BaseModel] | None:
    annotation: Any = model
    for part in loc:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            fields = annotation.model_fields
            field = fields.get(str(part)) or next((f for f in fields.values() if f.alias == part), None)
            annotation = field.annotation if field else None
        else:
            args = [a for a in get_args(annotation) if a is not type(None) and a is not Ellipsis]
            annotation = args[-1] if args else None
        annotation = _unwrap(annotation)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _unwrap(annotation: Any) -> Any:
    """X of Optional[X]; anything else as it is."""
    args = get_args(annotation)
    if type(None) in args:
        rest = [a for a in args if a is not type(None)]
        return rest[0] if len(rest) == 1 else annotation
    return annotation


def _at(value: Any, at: Path_) -> Any:
    for part in at:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return value
    return value


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"{{{len(value)} fields}}" if isinstance(value, dict) else f"[{len(value)} entries]"
    if isinstance(value, BaseModel):
        return "(this entry)"
    return show(value)

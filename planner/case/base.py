"""What every input model shares: strict frozen models, and pydantic's errors turned into faults with lines."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from planner.case.marks import Document, Path_, dotted, show
from planner.errors import Fault
from planner.units import stem_of, unit_of

Finite = Annotated[float, Field(allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Base of every input model: frozen, unknown keys refused, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


class Rule(ValueError):
    """Raised in a validator: the rule broken and the remedy, for the field being validated."""

    def __init__(self, rule: str, remedy: str, at: Path_ = ()) -> None:
        super().__init__(rule)
        self.rule, self.remedy, self.at = rule, remedy, at


def validate(model: type[Model], document: Document, path: Path_, data: Any) -> tuple[Model | None, list[Fault]]:
    """Build a model from plain values; every fault found, none raised."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, [_fault(model, document, path, details) for details in error.errors()]


def nearest(name: str, known: Any) -> str | None:
    """The known name closest to a misspelt one."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.55)
    return matches[0] if matches else None


def unknown_key_remedy(key: str, known: Any) -> str:
    """What to do about an unknown key: the same quantity in another unit, the nearest name, or the list."""
    for name in known:
        if unit_of(name) and unit_of(key) and stem_of(name) == stem_of(key):
            return f"the unit of this field is {unit_of(name)}: convert and write {name}"
    close = nearest(key, known)
    return f"did you mean {close}?" if close else "known here: " + ", ".join(sorted(known))


def _fault(model: type[BaseModel], document: Document, path: Path_, details: Any) -> Fault:
    loc = tuple(part for part in details["loc"] if part not in ("[key]",))
    kind, value = details["type"], details["input"]
    cause = (details.get("ctx") or {}).get("error")
    if isinstance(cause, Rule):
        where = (*path, *loc, *cause.at)
        if cause.at:
            value = _at(value, cause.at)
        return Fault(
            document.file, document.line(where), dotted(where), _short(value), cause.rule, cause.remedy
        )
    where = (*path, *loc)
    name = str(loc[-1]) if loc else ""
    rule, remedy = _explain(model, loc, kind, name, value, details)
    return Fault(document.file, document.line(where), dotted(where), _short(value), rule, remedy)


def _explain(
    model: type[BaseModel], loc: Path_, kind: str, name: str, value: Any, details: Any
) -> tuple[str, str]:
    ctx = details.get("ctx") or {}
    unit = unit_of(name)
    if kind == "extra_forbidden":
        owner = _model_at(model, loc[:-1])
        known = [f.alias or n for n, f in owner.model_fields.items()] if owner else []
        return "unknown key", unknown_key_remedy(name, known)
    if kind == "missing":
        return "is required", f"write {name}" + (f" in {unit}" if unit else "")
    if kind in ("float_type", "int_type", "float_parsing", "int_parsing", "int_from_float"):
        number = "a whole number" if kind.startswith("int") else "a number"
        more = f" of {unit}" if unit and unit not in ("fraction",) else ""
        remedy = "write the number alone, without unit or quotes" if isinstance(value, str) else f"write {number}"
        return f"must be {number}{more}", remedy
    if kind in ("less_than_equal", "less_than") and "fraction" in name and isinstance(value, int | float):
        hint = f"; write {value / 100:g}" if 1 < value <= 100 else ""
        return f"must be at most {ctx.get('le', ctx.get('lt')):g}", f"fractions run 0-1{hint}"
    if kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
        words = {"greater_than_equal": "at least", "greater_than": "more than"}
        words |= {"less_than_equal": "at most", "less_than": "less than"}
        limit = next(iter(ctx.values()))
        return f"must be {words[kind]} {limit}", f"correct the value{f' ({unit})' if unit else ''}"
    if kind == "finite_number":
        return "must be a finite number", "write a number, or leave the field out for no limit"
    if kind in ("date_type", "date_from_datetime_parsing", "date_parsing"):
        return "must be a date", "write it as YYYY-MM-DD without quotes"
    if kind in ("literal_error", "enum"):
        options = str(ctx.get("expected", ""))
        close = nearest(str(value), options.replace("'", "").replace(" or ", ", ").split(", "))
        return f"must be one of {options}", f"did you mean {close}?" if close else "choose one of these"
    if kind == "string_type":
        return "must be text", "quote the value"
    if kind == "bool_type":
        return "must be true or false", "write true or false"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return "must be a mapping of fields", "write key: value lines below it"
    if kind in ("list_type", "tuple_type"):
        return "must be a list", "write it as [a, b] or as lines that start with -"
    return details["msg"], "correct the value"


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

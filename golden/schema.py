"""The JSON schema of manifest.json, for tools that write one: docs/package.schema.json is its text.

It says what a schema can. Rules between numbers of a layer and between layers are the reader's alone; docs/package.md
lists them.
"""

from typing import Any

from penni_escalate.golden.codes import code_range
from penni_escalate.golden.kinds import KINDS
from penni_escalate.golden.kinds.kind import Kind
from penni_escalate.golden.manifest import INPUT, RESULTS_SINCE, SCHEMA_VERSIONS, SIDES_SINCE, Manifest, Measure

_Schema = dict[str, Any]
#: The end of a pattern, where a validator's $ also takes a line break behind it.
_ONE_LINE = {"not": {"pattern": "\n"}}


def manifest_schema() -> _Schema:
    """The schema, of JSON Schema's draft 2020-12."""
    schema: _Schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Manifest.model_json_schema()}
    schema["properties"]["schema_version"]["enum"] = list(SCHEMA_VERSIONS)
    result = schema["$defs"]["ResultEntry"]
    listed = [part["properties"]["scores"] for part in (schema, result)]
    for scores in listed:
        scores |= {"required": ["integer"], "additionalProperties": False}
    schema["allOf"] = [*map(_of_measure, Measure), *map(_of_version, SCHEMA_VERSIONS)]
    result["allOf"] = [_where("measure", measure.value, _scores(measure)) for measure in Measure]
    _close_patterns(schema)
    for scores in listed:
        scores["propertyNames"] |= _ONE_LINE
    entry = schema["$defs"]["LayerEntry"]
    entry["properties"]["name"]["allOf"] = [{"not": {"const": INPUT}}]
    entry["allOf"] = [*map(_of_kind, KINDS.values()), *map(_of_codes, (False, True))]
    return schema


def _close_patterns(part: Any) -> None:
    """Texts that have a pattern are one line."""
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _close_patterns(inner)
    if isinstance(part, dict) and "pattern" in part:
        part |= _ONE_LINE


def _where(field: str, value: object, then: _Schema) -> _Schema:
    """``then`` holds where a field has a value."""
    return {"if": {"properties": {field: {"const": value}}, "required": [field]}, "then": then}


def _scores(measure: Measure) -> _Schema:
    lowest = 0 if measure is Measure.ACCURACY else -1
    return {"properties": {"scores": {"additionalProperties": {"minimum": lowest}}}}


def _of_measure(measure: Measure) -> _Schema:
    """What the scores are, and how many layers give logits: of a schema's rules none sees which layers are results."""
    logits = {"properties": {"kind": {"enum": [kind.name for kind in KINDS.values() if kind.logits]}}}
    if measure is Measure.ACCURACY:
        alone: _Schema = {"contains": logits, "maxContains": 1}
        beside: _Schema = {"contains": logits}
    else:
        alone, beside = {"items": {"not": logits}}, {}
    several = {
        "if": {"required": ["further_results"]},
        "then": {"properties": {"layers": beside}},
        "else": {"properties": {"layers": alone}},
    }
    return _where("measure", measure.value, {**_scores(measure), **several})


def _of_version(version: int) -> _Schema:
    """The fields, kinds and paddings that a version of the format has."""
    fields: _Schema = {"kind": {"enum": [kind.name for kind in KINDS.values() if kind.since <= version]}}
    if version < SIDES_SINCE:
        fields["padding"] = {"type": "integer"}
    then: _Schema = {"layers": {"items": {"properties": fields}}}
    if version < RESULTS_SINCE:
        then |= {"result": {"type": "null"}, "further_results": False}
    return _where("schema_version", version, {"properties": then})


def _of_kind(kind: Kind) -> _Schema:
    """Fields of a layer that a kind gives no choice, or fewer."""
    fields: dict[str, _Schema] = {name: {"const": value} for name, value in kind.fixed.items()}
    fields |= {name: {"enum": list(choices)} for name, choices in kind.choices.items()}
    fields |= {name: {"minimum": least} for name, least in kind.least.items()}
    fields |= {name: {"type": "null" if kind.hands_on else "string"} for name in ("file", "sha256")}
    if not kind.requantized:
        fields["skip"] = {"type": "null"}
    then: _Schema = {"properties": fields}
    if not kind.hands_on:
        then["required"] = ["file", "sha256"]
    return _where("kind", kind.name.value, then)


def _of_codes(signed: bool) -> _Schema:
    """The clamp of a layer's codes."""
    lowest, highest = code_range(signed)
    clamp = {"low": {"minimum": lowest, "maximum": 0}, "high": {"minimum": 0, "maximum": highest}}
    return _where("signed", signed, {"properties": clamp})
